/** The command line as people run it: `bin/countersign.js` in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { runCommandLine } from '../../src/cli/run-command-line.ts';

/** Node.js keeps here what it has compiled: the same program is started hundreds of times. */
const COMPILED = {
  NODE_COMPILE_CACHE: resolve(import.meta.dirname, '../../node_modules/.cache/countersign/compiled'),
};
const PROGRAM = resolve(import.meta.dirname, '../../bin/countersign.js');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What was written to standard output, where that is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely and assert on what they find
  readonly json: any;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What comes in by standard input; it is closed where absent. */
  readonly input?: string;
  readonly cwd?: string;
}

/** A folder of its own, which is also the home of whoever runs the command line there. */
export interface Folder {
  readonly path: string;
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export async function makeFolder(t: ExecutionContext, env: RunOptions['env'] = {}): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-cli-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    cli: (args, options = {}) =>
      run(args, { cwd: path, ...options, env: { HOME: path, ...env, ...options.env } }),
  };
}

/**
 * Runs the command line in this process, in this folder and with this environment: for a test that runs it so often that processes
 * of their own would take most of its time. Nothing else may run at the same time.
 */
export async function runHere(args: readonly string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const restore = (['stdout', 'stderr'] as const).map(name => {
    const { write } = process[name];
    process[name].write = (chunk: string | Uint8Array) => {
      written[name] += String(chunk);
      return true;
    };
    return () => Object.assign(process[name], { write });
  });
  try {
    await runCommandLine(args);
  } finally {
    for (const each of restore) each();
  }
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return { code, ...written, json: jsonOf(written.stdout) };
}

async function run(args: readonly string[], { env, input, cwd }: RunOptions): Promise<Ran> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    ...(cwd !== undefined && { cwd }),
    env: { PATH: process.env['PATH'], ...COMPILED, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // Whoever has read enough may be gone.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const [[code], stdout, stderr] = await Promise.all([
    once(child, 'exit'),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, stdout, stderr, json: jsonOf(stdout) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
