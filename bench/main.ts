/**
 * `npm run bench`: how much CPU time a request takes Countersign, and how much it takes bare oidc-provider, in one run on one
 * machine. docs/benchmark.md says what is compared and what is not.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Arguments, HELP, readArguments } from './arguments.ts';
import { measure } from './measure.ts';
import { BAR_CONNECTIONS, describeMachine, misses, type Row, renderTable, summarise } from './report.ts';

const MISSED = 1;
const FAILED = 2;

/** Beside the sources: the directory for temporary files is in memory on some systems, where an fsync costs nothing. */
const PARENT_DIRECTORY = join(import.meta.dirname, '../node_modules/.cache/countersign');

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

async function run({ works, jsonFile, ...options }: Arguments): Promise<number> {
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
  try {
    for (const work of works) {
      say(`${work.name}: ${work.title}`);
      const rounds = await measure(work, { ...options, directory, onProgress: say });
      rows.push(summarise(work, rounds, options.connections));
    }
  } catch (error) {
    say(`the run failed: ${error instanceof Error ? error.message : String(error)}`);
    return FAILED;
  } finally {
    if (rows.length > 0) process.stdout.write(`\n${renderTable(rows)}\n`);
    await rm(directory, { recursive: true, force: true });
  }
  if (jsonFile !== undefined)
    await writeFile(jsonFile, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
  if (options.connections !== BAR_CONNECTIONS) say(`the bars hold at ${BAR_CONNECTIONS} connections`);
  const missed = rows.filter(misses);
  for (const row of missed) say(`${row.work} misses its bar: ${row.cpuRatio.toFixed(2)}x of ${row.bar}x`);
  return missed.length > 0 ? MISSED : 0;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
