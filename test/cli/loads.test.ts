/** What a call of the command line loads: whoever stops an agent waits for all of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { startApp } from '../support/start-app.ts';
import { type Folder, makeFolder } from './run-cli.ts';

/** Runs before the program, and writes down every module that is loaded after it, one a line. */
const NOTE_LOADED = `
  import { writeFileSync } from 'node:fs';
  import { registerHooks } from 'node:module';
  const seen = [];
  registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
  process.on('exit', () => writeFileSync('loaded', seen.join('\\n')));
`;
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(NOTE_LOADED)}`;

interface Loaded {
  readonly code: number | null;
  readonly stdout: string;
  readonly packages: readonly string[];
  /** Folders at the top of src/, and files there. */
  readonly parts: readonly string[];
}

async function run(folder: Folder, ...args: readonly string[]): Promise<Loaded> {
  const { code, stdout } = await folder.cli(args, { env: { NODE_OPTIONS } });
  const urls = readFileSync(join(folder.path, 'loaded'), 'utf8').split('\n');
  const named = (pattern: RegExp): readonly string[] =>
    [...new Set(urls.flatMap(url => pattern.exec(url)?.[1] ?? []))].sort();
  return {
    code,
    stdout,
    packages: named(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
    parts: named(/^(?!.*\/node_modules\/).*\/src\/([^/]+)/),
  };
}

test('the version is told without anything that does something', async t => {
  const { code, packages, parts } = await run(await makeFolder(t), '--version');
  t.is(code, 0);
  t.deepEqual(packages, ['commander']);
  t.deepEqual(parts, ['cli', 'process']);
});

test('a call of the admin API loads no server, and no library that it does not use', async t => {
  const app = await startApp(t);
  const folder = await makeFolder(t, {
    COUNTERSIGN_URL: app.issuer,
    COUNTERSIGN_CLIENT_ID: app.admin.clientId,
    COUNTERSIGN_CLIENT_SECRET: app.admin.secret,
  });
  const server = ['compose.ts', 'first-start', 'http', 'pages', 'provider', 'recovery', 'store'];
  for (const word of ['agents', 'people']) {
    const listed = await run(folder, word, 'list', '-o', 'json');
    t.is(listed.code, 0);
    t.deepEqual(listed.packages, ['commander', 'picocolors', 'zod'], word);
    t.deepEqual(
      listed.parts.filter(part => server.includes(part)),
      [],
      word,
    );
    t.true(listed.parts.includes('client'));
  }
  t.true((await run(folder, 'agents', 'list', '-o', 'yaml')).packages.includes('yaml'));
  t.true((await run(folder, 'agents', 'list', '-o', 'table')).packages.includes('cli-table3'));
});

test('who reads the trail loads the store, and nothing by which people or programs sign in', async t => {
  const folder = await makeFolder(t, { COUNTERSIGN_STORE: 'sqlite:countersign.sqlite' });
  t.is((await folder.cli(['migrate'])).code, 0);
  const { code, stdout, packages, parts } = await run(folder, 'audit', 'verify');
  t.is(code, 0, stdout);
  t.true(parts.includes('store'));
  t.false(parts.includes('client'), 'the calls of the API that begin with the same word');
  t.deepEqual(
    packages.filter(name => /argon2|otplib|webauthn|koa|mongo|yaml/.test(name)),
    [],
  );
});
