/** What the pages tell readers to do is done here, as it stands. `code-block.ts` has the marks that say how. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import test from 'ava';
import { checkPage } from './check-page.ts';
import { readCodeBlocks } from './code-block.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: ROOT });

for (const page of PAGES.sort()) {
  // One at a time: each starts what it needs.
  test.serial(`${page}: every code block does what it says`, async t => {
    t.deepEqual(await checkPage(await readFile(join(ROOT, page), 'utf8')), []);
  });
}

const fenced = (info: string, text: string): string => `\`\`\`${info}\n${text}\n\`\`\`\n`;

test('a block that does not say how it is checked is refused, whatever its language is called', async t => {
  for (const language of ['sh', 'bash', 'ts', 'js', 'json', 'yaml', 'python', 'go']) {
    const [problem = '', ...more] = await checkPage(fenced(language, ''));
    t.regex(problem, /^line 1: a block of \w+ says how it is checked/, language);
    t.deepEqual(more, []);
  }
  t.deepEqual(await checkPage(`${fenced('', 'a drawing')}${fenced('text', 'words')}`), []);
});

test('what is wrong in a block is found, at its line', async t => {
  const wrong: Readonly<Record<string, readonly [info: string, text: string, problem: RegExp]>> = {
    'a command that fails': ['sh run', 'true\nls /nowhere\ntrue', /^line 3: a command failed: .*nowhere/],
    'a command that fails in a pipe': ['sh run', 'ls /nowhere | cat', /^line 3: a command failed/],
    'a command that fails before another': ['sh run', 'ls /nowhere && cd /', /^line 3: a command failed/],
    'an unknown variable': ['sh run', 'echo "$NOBODY_SET_THIS"', /unbound variable/],
    'a quote that stays open': ['sh check', 'echo "', /^line 3: .*unexpected EOF/],
    'an npm script that is not there': ['sh check', 'npm run no-such-script', /no npm script no-such-script/],
    'a command that nobody runs': ['sh by=.ci/run', 'npm ci && npm run no-such', /npm script|does not run/],
    'a package of another name': [
      'sh install',
      'npm install no-such-package',
      /no-such-package is not among/,
    ],
    'types that do not fit': ['ts check', 'export const n: number =\n  "one";', /^line [45]: error TS2322/],
    'a wrong import': [
      'ts file=a/b.ts',
      "import { nothing } from 'jose';\nnothing();",
      /^line 4: error TS2305/,
    ],
    'malformed JavaScript': ['js check', 'const = 1;', /^line 3: .*SyntaxError/s],
    'malformed JSON': ['json check', '{"a": 1,}', /^line 3: /],
    'malformed YAML': ['yaml check', 'a: [1', /^line 3: /],
    'malformed Python': ['python check', 'def f(:', /^line 3: .*SyntaxError/s],
    'another output': ['text output', 'not this', /^line 3: what was printed is/],
  };
  for (const [name, [info, text, expected]] of Object.entries(wrong)) {
    const [problem = '', ...more] = await checkPage(`# Page\n\n${fenced(info, text)}`);
    t.regex(problem, expected, name);
    t.deepEqual(more, [], name);
  }
});

test('blocks of a page share a shell and its files; what is started ends with the page', async t => {
  const server = `node -e "http.createServer((_, answer) => answer.end('here')).listen(new URL(process.env.MCP_URL).port)"`;
  const page = [
    fenced('sh run', 'X=1; mkdir sub; cd sub'),
    fenced('js file=sub/program.js', "console.log('said', process.argv[2]);"),
    fenced('sh run', 'node program.js "$X"'),
    fenced('text output', 'said 1'),
    fenced('sh start until=$MCP_URL', server),
    fenced('sh run', 'echo "$(curl -s "$MCP_URL") $MCP_URL"'),
    fenced('text output', 'it'),
  ];
  const [problem = '', ...more] = await checkPage(page.join(''));
  t.deepEqual(more, []);
  const [, url = ''] = /^line \d+: what was printed is: here (http\S+)/.exec(problem) ?? [];
  t.truthy(url, problem);
  // Whoever is killed is gone a moment later.
  while (
    await fetch(url).then(
      () => true,
      () => false,
    )
  );
});

test('what was started and ends before it answers is told with what it printed', async t => {
  for (const text of ['echo "the reason"; false', '(echo "the reason"; false) &']) {
    const [problem = '', ...more] = await checkPage(fenced('sh start until=$MCP_URL', text));
    t.regex(problem, /^line 1: http\S+ does not answer: the reason\n/);
    t.deepEqual(more, []);
  }
});

test('fences may be long, indented, or of tildes', t => {
  const page = '````md\n```sh\n````\n- item\n  ```sh run\n  a\n    b\n  ```\n~~~yaml check\nc: 1\n~~~\n';
  t.deepEqual(
    readCodeBlocks(page).map(({ language, text, line }) => [language, text, line]),
    [
      ['md', '```sh\n', 1],
      ['sh', 'a\n  b\n', 5],
      ['yaml', 'c: 1\n', 9],
    ],
  );
});
