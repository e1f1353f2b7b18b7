/**
 * Runs every test, shows each result as it comes, and ends with the true count: `N passed, N failed`.
 *
 *   npm test                           everything
 *   npm test -- test/tokens            a folder, a file or a glob; several may be named
 *   npm test -- --match='*I7*'         options are handed to AVA
 *
 * Each file is a process of its own; long ones are a run of AVA of their own as well, short ones share one, since its start takes as
 * long as they do. A file in which a test failed runs once more by itself, after all others: what passes then is named `flaky`,
 * counts as passed, and is owed its mending. Where one failure may be a lost race there is no second chance: it fails. `COUNTERSIGN_TEST_RETRIES=0`
 * switches the second run off.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { createInterface } from 'node:readline';
import { COMPILED } from './support/child-env.ts';
import { offerMongoServer } from './support/mongo-server.ts';
import { type FileRun, ResultReader, type TestResult } from './support/result-reader.ts';

/** One failure here may be a race that was lost once: it is never run again. */
const NO_SECOND_CHANCE = ['test/security/', 'test/contract/', 'test/proofs/'];
/** Long ones begin first, so that none of them runs alone at the end; each is a run of AVA of its own. */
const LONG = [
  'test/docs/code-blocks',
  'test/contract/',
  'test/proofs/',
  'test/e2e/',
  'test/packaging/',
  'test/pages/',
  'test/security/',
];
/** Of the rest, which begin before the others. */
const LONGER = ['test/elevation/', 'test/delegation/', 'test/recovery/', 'test/http/', 'test/people/'];
/** How many of the rest share a run of AVA, one after the other: few enough that the last run to begin is soon over. */
const SHARE_A_RUN = 3;
/** One more than there are cores: a file waits for disks and for processes that it has started for a third of its time. */
const RUNS_AT_ONCE = availableParallelism() + 1;
const STOP_PATIENCE_MS = 5_000;
const WATCH_PARENT_MS = 1_000;
const SLOWEST = 10;

const args = process.argv.slice(2);
const options = args.filter(arg => arg.startsWith('-'));
const files = selectFiles(args.filter(arg => !arg.startsWith('-')));
if (files.length === 0) {
  console.error(
    'No test file there. Name a folder, a file or a glob below test/, as in: npm test -- test/tokens',
  );
  console.log('\n0 passed, 1 failed');
  process.exit(1);
}

/** Each run of AVA leads a process group of its own, with the servers and databases that its tests start. */
const running = new Set<ChildProcess>();
let stoppedBy: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
// npm, when it is ended, ends the shell in between and not what that has started.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) stop('SIGHUP');
}, WATCH_PARENT_MS).unref();

// One file alone starts what it needs by itself.
const mongo = files.length > 1 ? await offerMongoServer() : undefined;
const runs: FileRun[] = [];
let again: readonly FileRun[] = [];
try {
  const queue = inRuns(files);
  const next = async (): Promise<void> => {
    for (let some = queue.shift(); some && !stoppedBy; some = queue.shift())
      runs.push(...(await runFiles(some)));
  };
  await Promise.all(Array.from({ length: RUNS_AT_ONCE }, next));
  if (!stoppedBy && process.env['COUNTERSIGN_TEST_RETRIES'] !== '0') again = await runAgain(runs);
} finally {
  await mongo?.stop();
}
// As a shell tells of it: a run that was ended has no count.
if (stoppedBy) process.exit(stoppedBy === 'SIGINT' ? 130 : 143);
process.exitCode = report(runs, again);

function stop(signal: NodeJS.Signals): void {
  if (stoppedBy) return;
  stoppedBy = signal;
  console.log(`\n${signal}: ending ${running.size} runs`);
  for (const ava of running) signalGroup(ava, 'SIGTERM');
  setTimeout(() => {
    for (const ava of running) signalGroup(ava, 'SIGKILL');
  }, STOP_PATIENCE_MS).unref();
}

function selectFiles(named: readonly string[]): string[] {
  const patterns = named.length === 0 ? ['test'] : named;
  const found = patterns.flatMap(pattern =>
    globSync(pattern).flatMap(path =>
      statSync(path).isDirectory() ? globSync(`${path.replace(/\/$/, '')}/**/*.test.ts`) : [path],
    ),
  );
  const paths = found.map(path => relative('.', path)).filter(path => path.endsWith('.test.ts'));
  return [...new Set(paths)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(file: string): number {
  const order = [...LONG, ...LONGER];
  const at = order.findIndex(folder => file.startsWith(folder));
  return at === -1 ? order.length : at;
}

/** Files that share a run of AVA. */
type Files = [string, ...string[]];

/** The files as runs of AVA take them. */
function inRuns(sorted: readonly string[]): Files[] {
  const runs: Files[] = [];
  for (const file of sorted) {
    const last = runs.at(-1);
    if (last && rank(last[0]) >= LONG.length && last.length < SHARE_A_RUN) last.push(file);
    else runs.push([file]);
  }
  return runs;
}

/** Runs some files in one run of AVA, one after the other. */
async function runFiles(some: Files): Promise<readonly FileRun[]> {
  const ava = spawn(
    process.execPath,
    ['node_modules/ava/entrypoints/cli.js', '--tap', '--concurrency=1', ...options, ...some],
    { stdio: ['ignore', 'pipe', 'inherit'], detached: true, env: { ...process.env, ...COMPILED } },
  );
  running.add(ava);
  const closed = new Promise<number | null>(resolve => ava.once('close', resolve));
  const reader = new ResultReader(some);
  for await (const line of createInterface({ input: ava.stdout })) reader.read(line);
  const exitCode = await closed;
  // What a test left behind ends with its run.
  signalGroup(ava, 'SIGKILL');
  running.delete(ava);
  const isAllAsked = !options.some(option => /^(-m|--match)/.test(option));
  if (stoppedBy || (!isAllAsked && exitCode === 0)) return reader.runs;
  const unheard = reader.end(exitCode);
  const alone: FileRun[] = [];
  for (const file of isAllAsked ? unheard : []) alone.push(...(await runFiles([file])));
  return [...reader.runs.filter(({ file }) => !unheard.includes(file)), ...alone];
}

/** Gives the files in which something failed their second chance, one after the other. */
async function runAgain(first: readonly FileRun[]): Promise<readonly FileRun[]> {
  const second: FileRun[] = [];
  for (const { file, results } of first) {
    if (stoppedBy) break;
    if (NO_SECOND_CHANCE.some(folder => file.startsWith(folder))) continue;
    if (!results.some(({ outcome }) => outcome === 'failed')) continue;
    console.log(`\nOnce more, by itself: ${file}`);
    second.push(...(await runFiles([file])));
  }
  return second;
}

/** Prints what failed, what was flaky, where the time went, and the count. @returns the exit code */
function report(first: readonly FileRun[], second: readonly FileRun[]): number {
  const flaky: TestResult[] = [];
  const failed: TestResult[] = [];
  let passed = 0;
  let skipped = 0;
  for (const { file, results } of first) {
    const repeated = second.find(run => run.file === file)?.results;
    const titles = new Set([...results, ...(repeated ?? [])].map(({ title }) => title));
    for (const title of titles) {
      const tries = [results, repeated ?? []].flatMap(each => each.filter(result => result.title === title));
      const failure = tries.find(({ outcome }) => outcome === 'failed');
      if (tries.every(({ outcome }) => outcome === 'skipped')) skipped += 1;
      else if (failure && !tries.some(({ outcome }) => outcome === 'passed')) {
        // A process that died once, and not again, has no result by this title the second time.
        if (repeated && tries.length === 1 && !repeated.some(({ outcome }) => outcome === 'failed'))
          flaky.push(failure);
        else failed.push(failure);
      } else {
        passed += 1;
        if (failure) flaky.push(failure);
      }
    }
  }
  if (failed.length > 0) console.log(`\nFailed:\n${failed.map(({ title }) => `  ✘ ${title}`).join('\n')}`);
  for (const { title, said } of flaky) {
    console.log(`\nflaky: ${title}\n  It passed by itself. The first time it said:`);
    for (const line of said) console.log(line);
  }
  console.log('\nThe slowest files:');
  for (const { file, seconds } of first.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST)) {
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`);
  }
  if (skipped > 0) console.log(`\n${skipped} skipped`);
  console.log(`\n${passed} passed, ${failed.length} failed`);
  return failed.length > 0 || passed === 0 ? 1 : 0;
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid) process.kill(-pid, signal);
  } catch (error) {
    // All of them have ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
