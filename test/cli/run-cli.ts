/** The command line, as people run it or without a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import type { ExecutionContext } from 'ava';
import { runCommandLine } from '../../src/cli/run-command-line.ts';
import { COMPILED } from '../support/child-env.ts';

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
  /** Runs `bin/countersign.js` in a process of its own. */
  cli(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /**
   * Runs what it runs, without a process: for what hangs on what was typed and answered alone, and is asked so often that most of
   * the time would go into starting. Nothing can come in, and nothing is coloured.
   */
  cliHere(args: readonly string[], options?: Omit<RunOptions, 'input'>): Promise<Ran>;
}

export async function makeFolder(t: ExecutionContext, env: RunOptions['env'] = {}): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-cli-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  const inFolder = (options: RunOptions): RunOptions => ({
    cwd: path,
    ...options,
    env: { HOME: path, ...env, ...options.env },
  });
  return {
    path,
    cli: (args, options = {}) => run(args, inFolder(options)),
    cliHere: (args, options = {}) => runHere(args, inFolder(options)),
  };
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

let before: Promise<unknown> = Promise.resolve();

/** A process has one folder, one environment and one output, so one runs after the other. */
function runHere(args: readonly string[], options: RunOptions): Promise<Ran> {
  const ran = before.then(() => runAlone(args, options));
  before = ran.catch(() => undefined);
  return ran;
}

async function runAlone(args: readonly string[], { env, cwd = '.' }: RunOptions): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const [outer, folder] = [{ ...process.env }, process.cwd()];
  const streams = (['stdout', 'stderr'] as const).map(name => {
    const { write, isTTY } = process[name];
    const catchIt = (chunk: string | Uint8Array): boolean => {
      written[name] += String(chunk);
      return true;
    };
    Object.assign(process[name], { write: catchIt, isTTY: false });
    return () => Object.assign(process[name], { write, isTTY });
  });
  try {
    setEnvironment({ PATH: outer['PATH'], ...env });
    process.chdir(cwd);
    await runCommandLine(args);
  } finally {
    process.chdir(folder);
    setEnvironment(outer);
    for (const restore of streams) restore();
  }
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  const stdout = stripVTControlCharacters(written.stdout);
  return { code, stdout, stderr: stripVTControlCharacters(written.stderr), json: jsonOf(stdout) };
}

function setEnvironment(env: Readonly<Record<string, string | undefined>>): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
