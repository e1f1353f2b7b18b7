import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { COMPILED } from '../support/child-env.ts';
import { freePort } from '../support/free-port.ts';
import { goEnvironment } from '../support/go.ts';
import { type CodeBlock, readCodeBlocks } from './code-block.ts';
import { PageShell } from './page-shell.ts';

const execute = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../..');
/** Not part of what a reader has checked out. */
const NOT_CHECKED_OUT = new Set(['.git', 'var', 'dist', 'coverage']);
/** Blocks in these languages must say what becomes of them. */
const CODE = new Set(['sh', 'ts', 'js', 'json', 'yaml', 'python', 'go']);
const NO_GO_NEEDED = { path: '', env: {} };
const MARKS = ['run', 'start', 'file', 'check', 'install', 'by'];
/** What a reader's compiler would complain of, with the settings of `tsc --init`. */
const COMPILER_OPTIONS = {
  target: 'es2024',
  module: 'nodenext',
  types: ['node'],
  noEmit: true,
  strict: true,
  erasableSyntaxOnly: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
};

/**
 * Does what a reader of a page would do, block by block, from top to bottom, in a folder that looks like a checkout. The shell is
 * told of ports that are free: `COUNTERSIGN_PORT`, and with them `ISSUER` and `MCP_URL`, which pages take from the environment.
 *
 * @returns what is wrong with it, by line; after the first failure in its shell the rest is not run
 */
export async function checkPage(markdown: string): Promise<string[]> {
  const blocks = readCodeBlocks(markdown);
  const problems: string[] = [];
  const isChecked = (block: CodeBlock): boolean => CODE.has(block.language) || block.marks.size > 0;
  if (!blocks.some(isChecked)) return problems;

  const go = blocks.some(({ language }) => language === 'go') ? await goEnvironment() : NO_GO_NEEDED;

  const directory = await layOutCheckout();
  const env = await readerEnv(directory, go ?? NO_GO_NEEDED);
  let shell: PageShell | undefined;
  let printed: string | undefined;
  try {
    problems.push(...(await checkTypes(blocks, directory)));
    for (const block of blocks.filter(isChecked)) {
      try {
        if (CODE.has(block.language)) await checkBlock(block);
        if (block.marks.has('file')) await writeBlock(block, directory);
        // A page for those who have Go can only be followed with it.
        if (!go) continue;
        if (block.marks.has('run')) {
          shell ??= new PageShell(directory, env);
          printed = await shell.run(block.text);
        } else if (block.marks.has('start')) {
          shell ??= new PageShell(directory, env);
          await shell.start(block.text, expand(block.marks.get('until') ?? '', env));
        } else if (block.marks.has('output')) {
          if (printed !== block.text) throw new Error(`what was printed is: ${printed ?? 'nothing'}`);
        }
      } catch (error) {
        problems.push(`line ${block.line}: ${error instanceof Error ? error.message : error}`);
        if (block.marks.has('run') || block.marks.has('start')) break;
      }
    }
  } finally {
    await shell?.stop();
    await rm(directory, { recursive: true, force: true });
  }
  return problems;
}

/** A folder with everything that is checked out and installed, in which new files do no harm. */
async function layOutCheckout(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-page-'));
  for (const name of await readdir(ROOT)) {
    if (!NOT_CHECKED_OUT.has(name)) await symlink(join(ROOT, name), join(directory, name));
  }
  return directory;
}

async function readerEnv(
  directory: string,
  go: { readonly path: string; readonly env: Readonly<Record<string, string>> },
): Promise<Record<string, string>> {
  const port = await freePort();
  const path = [dirname(process.execPath), go.path, process.env['PATH']].filter(each => each).join(delimiter);
  return {
    ...go.env,
    PATH: [await writeNpx(directory, path), path].join(delimiter),
    HOME: directory,
    NO_COLOR: '1',
    ...COMPILED,
    COUNTERSIGN_PORT: String(port),
    ISSUER: `http://localhost:${port}`,
    MCP_URL: `http://localhost:${await freePort()}/mcp`,
  };
}

/**
 * Pages call `npx countersign` again and again, and half of that is npx finding what it has just found. The first call of a page
 * goes by npx, and those that follow to what that has found in a checkout.
 *
 * @returns the folder to look for commands in before any other
 */
async function writeNpx(directory: string, path: string): Promise<string> {
  const folder = join(directory, '.reader');
  const script = `#!/bin/sh
if [ -e "${folder}/has-run" ]; then
  case "$1 $2" in
    "--no-install countersign") shift 2; exec node "${directory}/bin/countersign.js" "$@" ;;
    countersign\\ *) shift; exec node "${directory}/bin/countersign.js" "$@" ;;
  esac
fi
touch "${folder}/has-run"
PATH='${path}' exec npx "$@"
`;
  await mkdir(folder);
  await writeFile(join(folder, 'npx'), script, { mode: 0o755 });
  return folder;
}

/** @throws when it has no mark, or is wrong in a way that shows without running it */
async function checkBlock({ language, marks, text }: CodeBlock): Promise<void> {
  if (!MARKS.some(mark => marks.has(mark))) {
    throw new Error(
      `a block of ${language} says how it is checked: one of ${MARKS.join(', ')} (test/docs/code-block.ts)`,
    );
  }
  switch (language) {
    case 'json':
      JSON.parse(text);
      return;
    case 'yaml':
      for (const document of parseAllDocuments(text)) {
        if (document.errors[0]) throw document.errors[0];
      }
      return;
    case 'js':
      return checkWith(process.execPath, ['--input-type=module', '--check', '-'], text);
    case 'python':
      return checkWith('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], text);
    case 'go':
      return checkGo(text);
    case 'sh':
      await checkWith('bash', ['-n'], text);
      await checkCommands(text, marks);
  }
}

/** Where there is a Go; elsewhere it is taken as it is. */
async function checkGo(text: string): Promise<void> {
  const go = await goEnvironment();
  if (go) await checkWith(join(go.path, 'gofmt'), ['-e'], text);
}

/** Scripts, packages and files that a shell block names must be there. */
async function checkCommands(text: string, marks: CodeBlock['marks']): Promise<void> {
  const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  for (const [, script = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
    if (!Object.hasOwn(manifest.scripts, script)) throw new Error(`there is no npm script ${script}`);
  }
  if (marks.has('install')) {
    const installed = { ...manifest.dependencies, ...manifest.devDependencies };
    const [, names = ''] = /^npm (?:install|i) (.+)$/m.exec(text) ?? [];
    for (const wanted of names.split(/\s+/).filter(each => each !== '' && !each.startsWith('-'))) {
      const [, name = '', version] = /^(@?[^@]+)(?:@(.+))?$/.exec(wanted) ?? [];
      if (!Object.hasOwn(installed, name) || (version !== undefined && installed[name] !== version)) {
        throw new Error(`${wanted} is not among the packages that pages are tried with`);
      }
    }
  }
  const by = marks.get('by');
  if (by !== undefined) {
    const runner = await readFile(join(ROOT, by), 'utf8');
    for (const command of text
      .split(/&&|\n/)
      .map(each => each.trim())
      .filter(each => each !== '')) {
      if (!runner.includes(command)) throw new Error(`${by} does not run: ${command}`);
    }
  }
}

/** @throws with the complaint of a program that reads source text; one that is not installed has none */
async function checkWith(program: string, args: readonly string[], text: string): Promise<void> {
  const checked = execute(program, args);
  checked.child.stdin?.on('error', () => undefined).end(text);
  try {
    await checked;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      process.stderr.write(`${program} is not installed: its code blocks are not checked\n`);
    else throw new Error((stderr || message).trim());
  }
}

/** Compiles the TypeScript of a page, all of it at once. */
async function checkTypes(blocks: readonly CodeBlock[], directory: string): Promise<string[]> {
  const sources = new Map(
    blocks
      .filter(({ language, marks }) => language === 'ts' && (marks.has('file') || marks.has('check')))
      .map(block => [block.marks.get('file') ?? `line-${block.line}.ts`, block]),
  );
  if (sources.size === 0) return [];
  const sourceDirectory = join(directory, '.types');
  for (const [path, block] of sources) await write(sourceDirectory, path, block.text);
  const config = { compilerOptions: COMPILER_OPTIONS, files: [...sources.keys()] };
  await write(sourceDirectory, 'tsconfig.json', JSON.stringify(config));
  const compiled = await execute(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], {
    cwd: sourceDirectory,
  }).then(
    () => '',
    error => String(error.stdout || error.message),
  );
  await rm(sourceDirectory, { recursive: true });
  return compiled
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [, path = '', at = '', what] = /^(.+?)\((\d+),\d+\): (.*)$/.exec(line) ?? [];
      const block = sources.get(path);
      return block ? `line ${block.line + Number(at)}: ${what}` : line;
    });
}

const writeBlock = ({ marks, text }: CodeBlock, directory: string): Promise<void> =>
  write(directory, marks.get('file') ?? '', text);

async function write(directory: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true });
  await writeFile(join(directory, path), text, { flag: 'wx' });
}

function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\w+)/g, (_, name: string) => env[name] ?? '');
}
