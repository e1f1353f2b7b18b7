/**
 * `npm run bench`: how much CPU time a request takes Countersign, and how much it takes bare oidc-provider, or another checkout of
 * Countersign, in one run on one machine. It measures what is shipped: it is compiled like the package first. docs/benchmark.md says what is compared and what is not.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { compareCheckouts, openSides } from './against.ts';
import { type AgainstRow, renderAgainst, renderSkipped, type Skipped } from './against-report.ts';
import { type Arguments, HELP, type LeftOut, readArguments } from './arguments.ts';
import { type Check, checkFootprint, checkRows, checkSlowDisk } from './checks.ts';
import { COSTS_NOTE } from './cost-centres.ts';
import { MAIN, startCountersign } from './countersign.ts';
import { measureFootprint } from './footprint.ts';
import { type MeasureOptions, measure, type Starts } from './measure.ts';
import { type MongoStore, openMongoStore } from './mongo-store.ts';
import {
  describeMachine,
  type Machine,
  type Row,
  renderChecks,
  renderStore,
  renderTable,
  summarise,
} from './report.ts';
import { killServers, type ServerName, startBase } from './servers.ts';
import { measureSlowDisk } from './slow-disk.ts';

const MISSED = 1;
const FAILED = 2;

/** Beside the sources: the directory for temporary files is in memory on some systems, where an fsync costs nothing. */
const PARENT_DIRECTORY = join(import.meta.dirname, '../../node_modules/.cache/countersign');

/** @param isOurs whether the base is another Countersign, where bare oidc-provider cannot do the work */
function startsOn(store: MongoStore | undefined, isOurs: boolean): Starts<ServerName> {
  const countersign: Starts<ServerName>['countersign'] = options =>
    startCountersign(MAIN, { ...options, store });
  return { countersign, base: isOurs ? countersign : startBase };
}

let isInterrupted = false;

const given = readGiven();
if (given === undefined) process.stdout.write(HELP);
else process.exitCode = await run(given);

function readGiven(): Arguments | undefined {
  try {
    return readArguments(process.argv.slice(2));
  } catch (error) {
    say(messageOf(error));
    process.exit(FAILED);
  }
}

async function run(given: Arguments): Promise<number> {
  await mkdir(PARENT_DIRECTORY, { recursive: true });
  const directory = await mkdtemp(join(PARENT_DIRECTORY, 'bench-'));
  let store: MongoStore | undefined;
  let cleaning: Promise<void> | undefined;
  const cleanUp = async (): Promise<void> => {
    // A server that runs on would make its database anew.
    await killServers();
    await store?.close().catch(error => say(`--store: ${messageOf(error)}`));
    await rm(directory, { recursive: true, force: true });
  };
  const interrupt = (_: NodeJS.Signals, number: number): void => {
    isInterrupted = true;
    cleaning ??= cleanUp();
    cleaning.finally(() => process.exit(128 + number));
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const machine = describeMachine();
  say(
    `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, load ${machine.load.join(' ')}`,
  );
  const costs: string[] = [];
  const options = {
    ...given,
    profileDirectory: given.profileDirectory && resolve(given.profileDirectory),
    directory,
    onProgress: say,
    onCosts: (tables: string) => void costs.push(tables),
  };
  try {
    if (given.store !== undefined) {
      store = await openMongoStore(given.store, directory);
      say(`Countersign runs on ${store.name}`);
    }
    return given.against === undefined
      ? await runWithBase(given, options, machine, store)
      : await runAgainst(given.against, given, options, machine, store);
  } catch (error) {
    // Whoever interrupts a run knows why its servers have ended.
    if (!isInterrupted) say(`the run failed: ${messageOf(error)}`);
    return FAILED;
  } finally {
    if (costs.length > 0) process.stdout.write(`\n${[COSTS_NOTE, ...costs].join('\n\n')}\n`);
    cleaning ??= cleanUp();
    await cleaning;
  }
}

type Options = Omit<MeasureOptions, 'connections'>;

async function runWithBase(
  { tasks, leftOut, isWhole, jsonFile }: Arguments,
  options: Options,
  machine: Machine,
  store: MongoStore | undefined,
): Promise<number> {
  const rows: Row[] = [];
  const checks: Check[] = [];
  const failed: LeftOut[] = [];
  try {
    for (const { work, connections } of tasks) {
      say(`${work.name}: ${work.title}`);
      await store?.renew();
      const { base } = work;
      const starts = startsOn(store, base !== undefined);
      try {
        const measured = measure(work, starts, { ...options, connections }, base && { base });
        const { rounds, residentMiB } = await measured;
        rows.push(...rounds.map(each => ({ ...summarise(work, each), residentMiB })));
      } catch (error) {
        // Of a long run with somebody's database the other works are kept.
        if (store === undefined || isInterrupted) throw error;
        say(`  failed: ${messageOf(error)}`);
        failed.push({ what: work.name, reason: messageOf(error) });
      }
    }
    if (store === undefined) checks.push(...checkRows(rows));
    if (isWhole) {
      say('starts, and memory with nothing to do');
      checks.push(...checkFootprint(await measureFootprint(options.directory)));
      say('introspection while every fsync takes longer');
      checks.push(...checkSlowDisk(await measureSlowDisk(options.directory)));
    }
  } finally {
    if (rows.length > 0) process.stdout.write(`\n${renderTable(rows)}\n`);
    for (const { work } of tasks.filter(task => task.work.base)) {
      process.stdout.write(`\n${work.name}: ${work.title}\n`);
    }
    if (store) process.stdout.write(`\n${renderStore(store, leftOut, failed)}\n`);
  }
  if (checks.length > 0) process.stdout.write(`\n${renderChecks(checks)}\n`);
  await writeJson(jsonFile, { machine, ...(store && { store: store.name }), rows, checks });
  const missed = checks.filter(check => !check.isMet);
  for (const { what, figure, bar } of missed) say(`missed: ${what} is ${figure}, to be ${bar}`);
  if (failed.length > 0) return FAILED;
  return missed.length > 0 ? MISSED : 0;
}

async function runAgainst(
  against: string,
  { tasks, jsonFile }: Arguments,
  options: Options,
  machine: Machine,
  store: MongoStore | undefined,
): Promise<number> {
  say(`builds ${against}`);
  const sides = await openSides(against);
  say(`here:  ${sides.here.version}, ${sides.here.directory}`);
  say(`there: ${sides.there.version}, ${sides.there.directory}`);
  const rows: AgainstRow[] = [];
  const skipped: Skipped[] = [];
  try {
    for await (const result of compareCheckouts(sides, tasks, options, store)) {
      if ('reason' in result) skipped.push(result);
      else rows.push(result);
    }
  } finally {
    if (rows.length > 0) process.stdout.write(`\n${renderAgainst(rows)}\n`);
    if (skipped.length > 0) process.stdout.write(`\n${renderSkipped(skipped)}\n`);
  }
  await writeJson(jsonFile, { machine, ...(store && { store: store.name }), sides, rows, skipped });
  for (const { work, connections, worse } of rows.filter(row => row.worse.length > 0)) {
    say(`more than a tenth worse here: ${work} at ${connections} connections (${worse.join(', ')})`);
  }
  return 0;
}

async function writeJson(file: string | undefined, content: object): Promise<void> {
  if (file !== undefined) await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
