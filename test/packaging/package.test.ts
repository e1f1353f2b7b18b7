/**
 * What is published: `npm pack` as a publisher runs it, the tarball installed in an empty folder as a newcomer does, and the
 * server started there with every Node.js that can be found.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');

/** Everything that may be in the package; a file that no line permits is not meant to leave. */
const PERMITTED = [
  /^(?:package\.json|README\.md|CHANGELOG\.md|LICENSE|SECURITY\.md)$/,
  /^bin\/countersign\.js$/,
  /^dist\/src\/(?:[a-z0-9-]+\/)*[a-z0-9-]+\.(?:js|d\.ts)$/,
  /^deploy\/(?:docker|grafana|kubernetes|prometheus|systemd)\/[a-z.-]+\.(?:js|json|yaml|env|service)$/,
  /^docs\/(?:README|(?:[a-z0-9-]+\/)*[a-z0-9-]+)\.(?:md|schema\.json)$/,
  /^docs\/pictures\/[a-z-]+\.png$/,
  /^views\/(?:[a-z0-9-]+\/)*[a-z0-9-]+\.(?:eta|css|js|svg)$/,
];
/** What a build can leave behind and nobody should get: the demo needs packages that are not installed with this one. */
const FORBIDDEN = /(?:^|\/)(?:test|seed|bench|demo|var|node_modules)\/|\.test\.|\.map$|write-docs/;
const NEEDED = ['bin/countersign.js', 'dist/src/main.js', 'dist/src/cli/main.js', 'docs/configuration.md'];
const MAX_BYTES = 4 * 1024 * 1024;

let installed: string;
let folder: string;

test.before('pack and install', async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'countersign-package-')));
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: ROOT });
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz')) as string;
  installed = join(folder, 'node_modules/countersign');
  const arguments_ = ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'];
  // Without `--prefix` npm would look for a package above the folder; there is none in a newcomer's either.
  await run('npm', [...arguments_, '--prefix', folder, join(folder, tarball)], { cwd: folder });
});

test.after.always(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

test('the package holds what is on the list and nothing else', async t => {
  const files = (await readdir(installed, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(installed.length + 1));
  t.deepEqual(
    files.filter(file => FORBIDDEN.test(file) || !PERMITTED.some(pattern => pattern.test(file))),
    [],
  );
  t.deepEqual(
    NEEDED.filter(file => !files.includes(file)),
    [],
  );
  const docs = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter(name => name.endsWith('.md'));
  t.deepEqual(
    docs.filter(name => !files.includes(`docs/${name}`)),
    [],
  );
  // `views` may still be empty; whatever it holds must come along.
  const views = await readdir(join(ROOT, 'views'), { recursive: true, withFileTypes: true }).catch(() => []);
  for (const view of views.filter(entry => entry.isFile())) {
    const name = join(view.parentPath, view.name).slice(ROOT.length + 1);
    t.true(files.includes(name), name);
  }

  let bytes = 0;
  for (const file of files) {
    const text = await readFile(join(installed, file), 'utf8');
    bytes += text.length;
    t.false(text.includes(ROOT), `${file} names the folder it was built in`);
    t.notRegex(text, /sourceMappingURL/, file);
  }
  t.true(bytes < MAX_BYTES, `${bytes} bytes`);
  const { mode } = await stat(join(installed, 'bin/countersign.js'));
  t.is(mode & 0o111, 0o111, 'the command can be run');
});

test('the package imports only what is installed with it', async t => {
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  // What it exports itself it may import by its own name.
  const known = new Set([manifest.name, ...Object.keys(manifest.dependencies)]);
  const directory = join(installed, 'dist');
  for (const name of await readdir(directory, { recursive: true })) {
    if (!name.endsWith('.js')) continue;
    const file = join(directory, name);
    const text = await readFile(file, 'utf8');
    for (const [, specifier = ''] of text.matchAll(/(?:^import |[\s}]from |\bimport\()'([^'\s:]+)'/gm)) {
      if (isBuiltin(specifier)) continue;
      if (specifier.startsWith('.')) {
        t.true(existsSync(resolve(dirname(file), specifier)), `${name}: ${specifier}`);
        continue;
      }
      const dependency = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      t.true(known.has(dependency), `${name} imports ${specifier}`);
    }
  }
});

test('everything that the package exports is in it, has types, and can be imported', async t => {
  const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  const targets = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets);
  for (const target of [...targets(manifest.exports), ...targets(manifest.bin)]) {
    t.true(existsSync(join(installed, target)), target);
  }
  const entries = Object.keys(manifest.exports)
    .filter(name => name !== './package.json')
    .map(name => name.replace(/^\./, 'countersign'));
  // A program of somebody's own runs on a Node.js of theirs, and brings a compiler of its own.
  const program = entries.map((entry, index) => `import * as entry${index} from '${entry}';`).join('\n');
  const used = entries.map((_, index) => `entry${index}`).join(', ');
  await writeFile(join(folder, 'program.mts'), `${program}\nconsole.log(Object.keys({ ${used} }).length);\n`);
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const strict = ['--strict', '--target', 'es2024', '--module', 'nodenext', '--skipLibCheck'];
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
  const { stdout } = await run(process.execPath, [compiler, ...strict, ...types, 'program.mts'], {
    cwd: folder,
  });
  t.is(stdout, '');
  for (const { version, directory } of nodes()) {
    const ran = await run(join(directory, 'node'), ['program.mjs'], { cwd: folder });
    t.is(ran.stdout.trim(), String(entries.length), version);
  }
});

for (const node of nodes()) {
  test(`installed in an empty folder, it starts, issues, introspects and stops: ${node.version}`, async t => {
    const data = await mkdtemp(join(tmpdir(), 'countersign-empty-'));
    t.teardown(() => rm(data, { recursive: true, force: true }));
    const started = await start(t, data, node.directory);
    await tellTheStory(t, started.issuer, data);

    t.deepEqual((await readdir(data)).sort(), ['var']);
    for (const name of await readdir(join(data, 'var'))) {
      t.is((await stat(join(data, 'var', name))).mode & 0o077, 0, `${name} is readable by others`);
    }
    const verified = await countersign(data, node.directory, ['audit', 'verify']);
    t.regex(verified.stdout, /every hash is right/);

    started.child.kill('SIGTERM');
    t.deepEqual(await started.ended, [0, null]);
    await t.throwsAsync(fetch(`${started.issuer}/livez`), undefined, 'nothing is left behind');
    // It starts again on what it made.
    const again = await start(t, data, node.directory);
    again.child.kill('SIGINT');
    t.deepEqual(await again.ended, [0, null]);
  });

  test(`the command says its version, and refuses a mistake: ${node.version}`, async t => {
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    const { stdout } = await countersign(folder, node.directory, ['--version']);
    t.is(stdout, `${manifest.version}\n`);
    const refused = await t.throwsAsync(countersign(folder, node.directory, ['no-such-command']));
    t.is((refused as unknown as { code: number }).code, 2, 'a mistake in the command line');
  });
}

test('npx finds the command, and it says what it can do', async t => {
  const { stdout } = await run('npx', ['--offline', 'countersign', '--help'], { cwd: folder });
  t.regex(stdout, /Usage: countersign/);
  t.regex(stdout, /start/);
});

interface FoundNode {
  readonly version: string;
  readonly directory: string;
}

/** The Node.js that runs this, and older ones on the PATH: with those the package must hand over to the one it brings. */
function nodes(): readonly FoundNode[] {
  const found = new Map<string, FoundNode>([
    [process.version, { version: process.version, directory: dirname(process.execPath) }],
  ]);
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = join(directory, 'node');
    if (!directory.startsWith('/') || !existsSync(program)) continue;
    const version = versionOf(program);
    if (version && !found.has(version)) found.set(version, { version, directory });
  }
  return [...found.values()];
}

function versionOf(program: string): string | undefined {
  const { stdout, status } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** The command as npm linked it, with nothing of this process's environment that could help it; what is compiled is kept for the next. */
function commandLine(cwd: string, nodeDirectory: string) {
  return {
    program: join(folder, 'node_modules/.bin/countersign'),
    options: {
      cwd,
      env: {
        PATH: `${nodeDirectory}${delimiter}/usr/bin${delimiter}/bin`,
        COUNTERSIGN_PORT: '0',
        NODE_COMPILE_CACHE: join(folder, 'compiled'),
      },
    },
  };
}

function countersign(cwd: string, nodeDirectory: string, arguments_: readonly string[]) {
  const { program, options } = commandLine(cwd, nodeDirectory);
  return run(program, arguments_, options);
}

async function start(
  t: ExecutionContext,
  cwd: string,
  nodeDirectory: string,
): Promise<{ child: ChildProcess; issuer: string; ended: Promise<unknown[]> }> {
  const { program, options } = commandLine(cwd, nodeDirectory);
  const child = spawn(program, ['start'], { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  // Its group: what runs on an older Node.js has started another process.
  t.teardown(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  });
  const ready = Promise.withResolvers<string>();
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      output.push(line);
      if (line.includes('"msg":"ready"')) ready.resolve(JSON.parse(line).issuer);
    });
  }
  ended.then(([code]) => ready.reject(new Error(`ended with ${code}:\n${output.join('\n')}`)));
  return { child, issuer: await ready.promise, ended };
}

/** From the bootstrap client to a token that its resource server accepts, by HTTP alone. */
async function tellTheStory(t: ExecutionContext, issuer: string, data: string): Promise<void> {
  const bootstrap = JSON.parse(await readFile(join(data, 'var/bootstrap-client.json'), 'utf8'));
  const admin = await post(`${issuer}/token`, [bootstrap.client_id, bootstrap.client_secret], {
    grant_type: 'client_credentials',
    scope: 'agents people',
  });
  const create = async (path: string, body: unknown) => {
    const response = await fetch(`${issuer}/api/v1/${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${admin['access_token']}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    t.is(response.status, 201, path);
    return (await response.json()) as Record<string, string>;
  };
  const owner = await create('people', { name: 'Ada Owner' });
  const identifier = 'https://mcp.example/mcp';
  const scopes = [{ name: 'read', sentence: 'Read orders', risk: 'low' }];
  const resource = await create('resources', { identifier, name: 'Orders', scopes });
  const rights = [{ resource: identifier, scopes: ['read'] }];
  const agent = await create('agents', {
    name: 'Reader',
    ownerId: owner['id'],
    envelope: rights,
    baseline: rights,
    credential: { method: 'client_secret' },
  });
  const issued = await post(`${issuer}/token`, [agent['id'], agent['secret']], {
    grant_type: 'client_credentials',
    resource: identifier,
  });
  const answer = await post(`${issuer}/introspect`, [resource['id'], resource['secret']], {
    token: issued['access_token'] ?? '',
  });
  t.like(answer, { active: true, client_id: agent['id'], aud: identifier, scope: 'read' });
}

async function post(
  url: string,
  basic: readonly (string | undefined)[],
  form: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` },
    body: new URLSearchParams(form),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}
