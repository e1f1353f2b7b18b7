/** What a signal does to a server, whoever stands between: npm, an older Node.js that hands over, nobody above it in a container. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type ExecutionContext } from 'ava';
import { CHILD_ENV } from '../support/child-env.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BOUND = dirname(process.execPath);

interface Started {
  readonly child: ChildProcess;
  /** What it has written, line by line. */
  readonly lines: readonly string[];
  /** Resolves with the issuer once requests are taken, and rejects when it ends before. */
  readonly ready: Promise<string>;
  readonly ended: Promise<number | null>;
}

/** Starts a program in the checkout, with a directory of its own for the files of a first start, which is also where settings are. */
async function start(
  t: ExecutionContext,
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...CHILD_ENV, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // Its group: a test that fails may leave whom it did not reach.
  t.teardown(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  });
  const lines: string[] = [];
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream as NonNullable<typeof stream> }).on('line', line => {
      lines.push(line);
      if (line.includes('"msg":"ready"')) ready.resolve(JSON.parse(line).issuer);
    });
  }
  // Of everybody who writes there: an orphan keeps the streams open.
  const ended = once(child, 'close').then(([code]) => code as number | null);
  ended.then(code => ready.reject(new Error(`ended with ${code}:\n${lines.join('\n')}`)));
  ready.promise.catch(() => undefined);
  return { child, lines, ready: ready.promise, ended };
}

async function settings(
  t: ExecutionContext,
): Promise<{ directory: string; env: Readonly<Record<string, string>> }> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-signals-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const env = {
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'store.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
  };
  return { directory, env };
}

const isStopped = (lines: readonly string[]): boolean => lines.some(line => line.includes('"msg":"stopped"'));

/** An older Node.js of the machine, which can only hand over. */
function olderNode(): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map(directory => join(directory, 'node'))
    .find(program => {
      if (!program.startsWith('/') || !existsSync(program)) return false;
      const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
      return /^v2[0-3]\./.test(stdout);
    });
}

/** Runs a program as the first process of a container, if that is possible here. */
const FIRST = ['unshare', '--pid', '--fork', '--kill-child'];
const canBeFirst = spawnSync(FIRST[0] as string, [...FIRST.slice(1), 'true']).status === 0;

/** The process that `unshare` has made the first one. */
function firstOf({ child }: Started): number {
  return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
}

test('SIGTERM to `npm start` stops the server: it drains, and npm leaves nobody behind', async t => {
  const { env } = await settings(t);
  const started = await start(t, ['npm', 'start'], { ...env, HOME: tmpdir() });
  const issuer = await started.ready;
  started.child.kill('SIGTERM');
  await once(started.child, 'exit');
  await t.throwsAsync(fetch(`${issuer}/livez`));
  t.true(isStopped(started.lines), started.lines.join('\n'));
});

test('the command in .env.example starts a server by any Node.js, as the first process too, and SIGTERM stops it', async t => {
  const { directory, env } = await settings(t);
  const file = join(directory, '.env');
  writeFileSync(
    file,
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  const [, command = ''] = /start with: (node .+)$/m.exec(example) ?? [];
  t.regex(command, /--env-file=\.env /);
  const node = olderNode() ?? join(BOUND, 'node');
  const args = command.split(' ').map(word => (word === 'node' ? node : word.replace('=.env', `=${file}`)));
  const started = await start(t, [...(canBeFirst ? FIRST : []), ...args], {});
  const issuer = await started.ready;
  process.kill(canBeFirst ? firstOf(started) : (started.child.pid ?? 0), 'SIGTERM');
  t.is(await started.ended, 0);
  t.true(isStopped(started.lines), started.lines.join('\n'));
  await t.throwsAsync(fetch(`${issuer}/livez`));
});

test('a signal that comes before there is a server ends the first process of a container', async t => {
  if (!canBeFirst) {
    t.pass('only who may make namespaces can be the first process');
    return;
  }
  const { directory, env } = await settings(t);
  const pipe = join(directory, 'key');
  execFileSync('mkfifo', ['-m', '600', pipe]);
  const args = [join(BOUND, 'node'), 'bin/countersign.js', 'start'];
  const started = await start(t, [...FIRST, ...args], { ...env, COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: pipe });
  // Opens when the process reads its settings, and holds it there; whoever reads once more finds a file.
  const key = await open(pipe, 'w');
  const text = randomBytes(32).toString('hex');
  writeFileSync(`${pipe}.file`, text, { mode: 0o600 });
  renameSync(`${pipe}.file`, pipe);
  process.kill(firstOf(started), 'SIGTERM');
  await key.writeFile(text);
  await key.close();
  t.is(await Promise.race([started.ended, started.ready]), 0, started.lines.join('\n'));
  t.deepEqual(started.lines, []);
});
