/** What the pages say is where, is there. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import test from 'ava';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.ts';
import { readCodeBlocks } from './code-block.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: ROOT });
const read = (page: string): Promise<string> => readFile(join(ROOT, page), 'utf8');

test('the map has every folder of src/, and no other', async t => {
  const map = await read('docs/architecture.md');
  const named = [...map.matchAll(/^\| `([\w-]+)\/` \|/gm)].map(([, folder]) => folder);
  const folders = new Set(globSync('*/**/*.ts', { cwd: join(ROOT, 'src') }).map(path => path.split('/')[0]));
  t.deepEqual(named.sort(), [...folders].sort());
});

test('the map has every file at the top of src/, every folder at the top, and a key to each lettered test', async t => {
  const map = await read('docs/architecture.md');
  const ignored = (await read('.gitignore')).split('\n').map(line => line.replaceAll('/', ''));
  const entries = readdirSync(ROOT, { withFileTypes: true });
  const folders = entries
    .filter(each => each.isDirectory() && !/^\./.test(each.name))
    .map(({ name }) => name);
  const parts = [
    ...globSync('*.ts', { cwd: join(ROOT, 'src') }),
    ...folders.filter(name => !ignored.includes(name)).map(name => `${name}/`),
  ];
  t.true(parts.includes('main.ts') && parts.includes('views/'));
  t.deepEqual(
    parts.filter(part => !map.includes(`\`${part}\``)),
    [],
  );
  const letters = globSync('?-*.test.ts', { cwd: join(ROOT, 'test/security') }).map(file => file.slice(0, 1));
  const key = [...map.matchAll(/^\| `(\w)-` \|/gm)].map(([, letter]) => letter);
  t.deepEqual(key, [...new Set(letters)].sort());
});

test('every file and folder that a page names is there, and every link leads somewhere', async t => {
  const dead: string[] = [];
  for (const page of PAGES) {
    const text = await read(page);
    const paths = [...text.matchAll(/`((?:src|test|docs|seed|bench|bin)\/[\w./-]*)`/g)];
    for (const [, path = ''] of paths) {
      if (!existsSync(join(ROOT, path))) dead.push(`${page}: ${path}`);
    }
    const links = [
      ...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g),
      ...text.matchAll(/\s(?:src|srcset|href)="(?!https?:|mailto:)([^"#\s]*)(?:#([^"\s]+))?"/g),
    ];
    for (const [, link = '', anchor] of links) {
      const target = link === '' ? page : join(dirname(page), link);
      if (!existsSync(join(ROOT, target))) dead.push(`${page}: ${link}`);
      else if (anchor !== undefined && !anchorsOf(await read(target)).has(anchor)) {
        dead.push(`${page}: ${link}#${anchor}`);
      }
    }
  }
  t.deepEqual(dead, []);
});

test('every picture is shown by a page, in words too', async t => {
  const text = (await Promise.all(PAGES.map(read))).join('\n');
  for (const picture of globSync('docs/pictures/*', { cwd: ROOT }))
    t.true(text.includes(`"${picture}"`), picture);
  for (const [image, alt = ''] of text.matchAll(/<img(?:\s+(?:alt="([^"]*)"|[a-z]+="[^"]*"))+>/g))
    t.true(alt.length > 40, image);
});

test('the index of the documentation leads to every page of it', async t => {
  const index = await read('docs/README.md');
  const pages = globSync('docs/*.md', { cwd: ROOT }).map(page => page.slice('docs/'.length));
  t.deepEqual(
    pages.filter(page => page !== 'README.md' && !index.includes(`](${page})`)),
    [],
  );
});

test('every command that a page names is there, with every flag that it is given', async t => {
  const program = await createProgram();
  const wrong: string[] = [];
  let count = 0;
  for (const page of PAGES.filter(each => each !== 'docs/cli.md' && each !== 'CHANGELOG.md')) {
    for (const words of namedCommands(readFileSync(join(ROOT, page), 'utf8'))) {
      count += 1;
      const unknown = whatIsUnknown(program, words);
      if (unknown !== undefined) wrong.push(`${page}: countersign ${words.join(' ')}: ${unknown}`);
    }
  }
  t.deepEqual(wrong, []);
  t.true(count > 60, `${count}`);
});

/** How GitHub calls the headings of a page. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map(heading =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** What stands behind `countersign` in shell blocks and in code within a sentence, word by word, to the end of the command. */
function namedCommands(markdown: string): readonly (readonly string[])[] {
  const shell = readCodeBlocks(markdown)
    .filter(({ language }) => language === 'sh')
    .map(({ text }) => text.replaceAll('\\\n', ' '));
  const inline = [...markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, code = '']) => code,
  );
  const found = [...shell, ...inline].flatMap(text => [
    ...text.matchAll(/(?:^|[\s(])countersign ((?![(){-])[^\n|;&)>#]+)/g),
  ]);
  return found.map(([, rest = '']) => rest.trim().split(/\s+/));
}

function whatIsUnknown(program: Command, words: readonly string[]): string | undefined {
  let command = program;
  const rest = [...words];
  for (;;) {
    const next = command.commands.find(each => each.name() === rest[0]);
    if (!next) break;
    command = next;
    rest.shift();
  }
  if (
    command.commands.length > 0 &&
    rest[0] !== undefined &&
    /^[a-z-]+$/.test(rest[0]) &&
    !rest[0].startsWith('-')
  ) {
    return `there is no ${rest[0]}`;
  }
  const flags = new Set([
    '--help',
    '-h',
    ...[...command.options, ...program.options].flatMap(({ long, short }) => [long, short]),
  ]);
  return rest.find(word => /^--?[a-z]/.test(word) && !flags.has(word.split('=')[0] ?? ''));
}
