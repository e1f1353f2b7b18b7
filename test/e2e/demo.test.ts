/** The demo as a newcomer starts it: a process of its own, read by what it prints and how it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { REPORTER_ID } from '../../seed/demo-world.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import type { Sabotage } from './sabotaged-demo.ts';

interface Play {
  readonly output: () => string;
  /** Resolves when the text has been printed: whole, so what is waited for ends with its line. */
  seen(text: string): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves to the exit code once the process has ended, after which its temporary directory is looked into. */
  ended(): Promise<number | null>;
  leftovers(): Promise<readonly string[]>;
}

const STEPS = [
  'The agent finds its way and signs in with its own key',
  'Its token is narrow: one audience, one scope, five minutes',
  'The MCP server verifies it by introspection (RFC 7662)',
  'A tool call within its scope works',
  'Without a token, or with a made-up one: 401',
  'A tool beyond its scope: 403 insufficient_scope',
  'An administrator kills the agent: one call, one durable write',
  'Its very next call is refused',
  'It cannot come back with its key: 401 invalid_client',
  'The audit trail has all of it, and its hash chain verifies',
];

test('the demo tells its ten steps, exits 0 with --once, and leaves nothing behind', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts', '--once']);
  t.is(await play.ended(), 0, play.output());
  const told = play.output().match(/^ ?\d+ [✔✘] .*$/gmu) ?? [];
  t.deepEqual(
    told,
    STEPS.map((title, index) => `${String(index + 1).padStart(2)} ✔ ${title}`),
  );
  t.regex(play.output(), /sent to call refused: \d+\.\d ms/);
  t.regex(play.output(), /✔ agent\.killed/);
  t.deepEqual(await play.leftovers(), []);
});

test('the demo fits 80 columns, and has colours on a terminal only', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts', '--once'], { CI: 'true', FORCE_COLOR: '1' });
  t.is(await play.ended(), 0);
  const tooWide = play
    .output()
    .split('\n')
    .filter(line => line.length > 80);
  t.deepEqual(tooWide, []);
  t.false(play.output().includes('\u001b'));
});

test('the demo shows neither a token nor a secret whole', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts']);
  await play.seen(`/agents/${REPORTER_ID}/kill\n`);
  t.notRegex(play.output(), /cs_at_[\w-]{30}/);
  // 256 bits in base64url: the length of a client secret.
  t.notRegex(play.output(), /(?<![\w-])[\w-]{43}(?![\w-])/);
  play.signal('SIGTERM');
  t.is(await play.ended(), 0);
});

const SABOTAGES: readonly (readonly [Sabotage, what: string, step: number])[] = [
  ['trusting', 'takes every token for a good one', 5],
  ['generous', 'reads more scopes into a token than it has', 6],
  ['caching', 'goes on believing what it was told before', 8],
];

for (const [sabotage, what, step] of SABOTAGES) {
  test(`the demo exits 1 and names step ${step} when its MCP server ${what}`, async t => {
    const play = await startDemo(t, ['test/e2e/sabotaged-demo.ts', sabotage]);
    t.is(await play.ended(), 1, play.output());
    t.regex(play.output(), new RegExp(`^The demo failed at step ${step}, "${STEPS[step - 1]}": .`, 'm'));
    t.regex(play.output(), new RegExp(`^ ${step} ✘`, 'mu'));
    t.deepEqual(await play.leftovers(), []);
  });
}

test('the four commands that the demo prints work as they are, and Ctrl-C ends it cleanly', async t => {
  const play = await startDemo(t, ['src/cli/demo/main.ts']);
  // The last line it prints: the lines before it have all come.
  await play.seen(`/agents/${REPORTER_ID}/kill\n`);
  const commands = printedCommands(play.output());
  t.is(commands.length, 4);
  const [getToken, introspect, revoke, kill] = commands;

  const answers = await runInShell([getToken, introspect, revoke, introspect, kill, getToken]);
  const [token, live, revoked, dead, killed, refused] = answers as [string, ...string[]];
  t.regex(token, /^cs_at_[\w-]{48}$/);
  t.like(JSON.parse(live ?? ''), { active: true, scope: 'orders:read' });
  t.deepEqual(JSON.parse(revoked ?? ''), {});
  t.deepEqual(JSON.parse(dead ?? ''), { active: false });
  t.like(JSON.parse(killed ?? ''), { name: 'Reporter', status: 'suspended' });
  t.like(JSON.parse(refused ?? ''), { error: 'invalid_client' });

  play.signal('SIGINT');
  t.is(await play.ended(), 0);
  t.deepEqual(await play.leftovers(), []);
});

test('the demo can be interrupted in the middle of its story', async t => {
  for (;;) {
    const play = await startDemo(t, ['src/cli/demo/main.ts', '--once']);
    await play.seen(`${STEPS[0]}\n`);
    play.signal('SIGINT');
    const exitCode = await play.ended();
    t.deepEqual(await play.leftovers(), []);
    // Where this process had to wait for its turn the story may have ended before the signal: then it is played again.
    if (exitCode === 0 && play.output().includes('Every step did what it says')) continue;
    t.is(exitCode, 130);
    t.notRegex(play.output(), /Every step did what it says/);
    return;
  }
});

async function startDemo(
  t: ExecutionContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Play> {
  const temporary = await mkdtemp(join(tmpdir(), 'demo-test-'));
  t.teardown(() => rm(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, args, {
    env: { ...CHILD_ENV, TMPDIR: temporary, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  let output = '';
  const waiting = new Map<string, () => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const [wanted, resolve] of waiting) if (output.includes(wanted)) resolve();
    });
  }
  const closed = once(child, 'close').then(([code]) => code as number | null);
  return {
    output: () => output,
    seen: async text => {
      if (output.includes(text)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(text, resolve);
      await Promise.race([
        promise,
        closed.then(code => {
          throw new Error(`the demo ended with ${code}:\n${output}`);
        }),
      ]);
    },
    signal: signal => void child.kill(signal),
    ended: () => closed,
    leftovers: () => readdir(temporary),
  };
}

/** The commands as a reader would copy them: each stands between a numbered heading and the next empty line. */
function printedCommands(output: string): readonly string[] {
  return [...output.matchAll(/^\d {2}.*\n\n((?:.+\n)+)/gm)].map(match => match[1] ?? '');
}

/** Pastes commands into one shell, one after the other. @returns what each printed, without the line end */
async function runInShell(commands: readonly (string | undefined)[]): Promise<readonly string[]> {
  const mark = '-- end of a command --';
  const script = commands.map(command => `${command}echo '${mark}'\n`).join('');
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  shell.stdout.setEncoding('utf8').on('data', text => {
    output += text;
  });
  await once(shell, 'close');
  return output
    .split(`${mark}\n`)
    .slice(0, -1)
    .map(answer => answer.trimEnd());
}
