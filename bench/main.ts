/**
 * `npm run bench`: how much CPU time a request takes Countersign, and how much it takes bare oidc-provider, in one run on one
 * machine. It measures what is shipped: it is compiled like the package first. docs/benchmark.md says what is compared and what is not.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arguments, HELP, readArguments } from './arguments.ts';
import { type Check, checkFootprint, checkRows, checkSlowDisk } from './checks.ts';
import { measureFootprint } from './footprint.ts';
import { measure } from './measure.ts';
import { describeMachine, type Row, renderChecks, renderTable, summarise } from './report.ts';
import { measureSlowDisk } from './slow-disk.ts';

const MISSED = 1;
const FAILED = 2;

/** Beside the sources: the directory for temporary files is in memory on some systems, where an fsync costs nothing. */
const PARENT_DIRECTORY = join(import.meta.dirname, '../../node_modules/.cache/countersign');

const given = readGiven();
if (given === undefined) process.stdout.write(HELP);
else process.exitCode = await run(given);

function readGiven(): Arguments | undefined {
  try {
    return readArguments(process.argv.slice(2));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exit(FAILED);
  }
}

async function run({ works, jsonFile, isWhole, ...options }: Arguments): Promise<number> {
  await mkdir(PARENT_DIRECTORY, { recursive: true });
  const directory = await mkdtemp(join(PARENT_DIRECTORY, 'bench-'));
  process.once('SIGINT', () => {
    // The servers end with their parent.
    rm(directory, { recursive: true, force: true }).finally(() => process.exit(130));
  });
  const machine = describeMachine();
  say(
    `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}, load ${machine.load.join(' ')}`,
  );
  const rows: Row[] = [];
  const checks: Check[] = [];
  try {
    for (const work of works) {
      say(`${work.name}: ${work.title}`);
      const { rounds, residentMiB } = await measure(work, { ...options, directory, onProgress: say });
      rows.push(...rounds.map(each => ({ ...summarise(work, each), residentMiB })));
    }
    checks.push(...checkRows(rows));
    if (isWhole) {
      say('starts, and memory with nothing to do');
      checks.push(...checkFootprint(await measureFootprint(directory)));
      say('introspection while every fsync takes longer');
      checks.push(...checkSlowDisk(await measureSlowDisk(directory)));
    }
  } catch (error) {
    say(`the run failed: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  } finally {
    if (rows.length > 0) process.stdout.write(`\n${renderTable(rows)}\n`);
    await rm(directory, { recursive: true, force: true });
  }
  if (checks.length > 0) process.stdout.write(`\n${renderChecks(checks)}\n`);
  if (jsonFile !== undefined) {
    await writeFile(jsonFile, `${JSON.stringify({ machine, rows, checks }, undefined, 2)}\n`);
  }
  const missed = checks.filter(check => !check.isMet);
  for (const { what, figure, bar } of missed) say(`missed: ${what} is ${figure}, to be ${bar}`);
  return missed.length > 0 ? MISSED : 0;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
