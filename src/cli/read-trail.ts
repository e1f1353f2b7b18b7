import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import pc from 'picocolors';
import {
  type AuditRow,
  type CheckpointedHeads,
  type CheckpointReport,
  decidedAt,
  fileTrail,
  formatAuditRow,
  readExportEnd,
  rowsOf,
  storeTrail,
  type TrailReport,
  trailLines,
  verifyCheckpoints,
  verifyTrail,
} from '../audit/index.ts';
import { loadConfig } from '../config/index.ts';
import type { TrailReader } from '../store/open-trail.ts';
import { EXIT, Failure } from './failure.ts';
import { openExistingTrail } from './open-existing-store.ts';

export interface VerifyOptions {
  readonly file?: string;
  readonly checkpoints?: readonly string[];
  readonly key?: string;
  readonly output: 'text' | 'json';
}

export async function verify(options: VerifyOptions): Promise<void> {
  if ((options.checkpoints === undefined) !== (options.key === undefined)) {
    throw new Error(
      '--checkpoints and --key go together: a checkpoint is worth nothing without its signature',
    );
  }
  let heads: CheckpointedHeads = new Map();
  const checkpointReports: CheckpointReport[] = [];
  for (const file of options.checkpoints ?? []) {
    const report = await verifyCheckpoints(
      file,
      createPublicKey(readFileSync(options.key ?? '', 'utf8')),
      heads,
    );
    checkpointReports.push(report);
    heads = report.heads;
  }
  const { report, name } = await readReport(options.file, heads);
  // Of nothing nothing can be said: an empty file may be all that is left of a trail.
  const isIntact =
    report.isIntact &&
    report.rows > 0 &&
    checkpointReports.every(each => each.isIntact && each.checkpoints > 0);
  if (options.output === 'json') {
    const checkpoints = checkpointReports.map(({ heads: _, ...each }) => each);
    console.log(JSON.stringify({ trail: name, ...report, isIntact, checkpoints }));
  } else {
    console.log(name);
    printReport(report, checkpointReports, options);
  }
  if (!isIntact) process.exitCode = 1;
}

/** Verifies a file, or the trail of the configured store, with its name. */
async function readReport(
  file: string | undefined,
  heads: CheckpointedHeads,
): Promise<{ readonly report: TrailReport; readonly name: string }> {
  if (file !== undefined) return { report: await verifyTrail(fileTrail(file), heads), name: file };
  return withTrail(async reader => ({
    report: await verifyTrail(storeTrail(reader), heads),
    name: reader.description,
  }));
}

function printReport(
  report: TrailReport,
  checkpoints: readonly CheckpointReport[],
  options: VerifyOptions,
): void {
  for (const [index, each] of checkpoints.entries()) {
    const name = options.checkpoints?.[index] ?? '';
    if (each.firstBad) console.log(`${pc.red('✘')} ${name} line ${each.firstBad.line}: ${each.firstBad.why}`);
    else if (each.checkpoints === 0) console.log(`${pc.red('✘')} ${name}: there is no checkpoint in it`);
    else console.log(`${pc.green('✔')} ${name}: ${each.checkpoints} checkpoints`);
  }
  for (const { lane, firstBad } of report.lanes) {
    if (firstBad) console.log(`${pc.red('✘')} ${lane} row ${firstBad.seq}: ${firstBad.why}`);
  }
  for (const { lane, pruned } of report.lanes) {
    if (pruned)
      console.log(
        `  ${lane}: rows up to ${pruned.upTo} were removed, as decided ${new Date(pruned.at).toISOString()}`,
      );
  }
  if (report.unreadable) console.log(`${pc.red('✘')} ${report.unreadable.count} rows cannot be read`);
  const lanes = `${report.lanes.length} lane${report.lanes.length === 1 ? '' : 's'}`;
  if (report.rows === 0) console.log(`${pc.red('✘')} there are no rows: nothing was verified`);
  else if (report.isIntact)
    console.log(`${pc.green('✔')} ${report.rows} rows in ${lanes}: every hash is right`);
  else console.log(`${pc.red('✘')} ${report.rows} rows in ${lanes}: the trail has been changed`);
}

interface RangeOptions {
  readonly lane?: string;
  readonly since?: number;
  readonly until?: number;
}

export interface TailOptions extends RangeOptions {
  readonly lines: number;
  readonly output: 'text' | 'json';
}

export async function tail({ lines, output, ...range }: TailOptions): Promise<void> {
  await withTrail(async reader => {
    await tellSource(reader);
    const rows = (await readLast(reader, lines, range)).toReversed();
    for (const row of rows)
      console.log(output === 'json' ? row.body : formatAuditRow(row, pc.isColorSupported));
  });
}

/** The newest rows of a range, newest first. For a range the whole trail is read. */
async function readLast(
  reader: TrailReader,
  count: number,
  range: RangeOptions,
): Promise<readonly AuditRow[]> {
  if (range.lane === undefined && range.since === undefined && range.until === undefined)
    return reader.readNewest(count);
  let kept: { readonly row: AuditRow; readonly at: number }[] = [];
  for await (const rows of storeTrail(reader, range).rows()) {
    const found = rowsOf(rows).map(row => ({ row, at: decidedAt(row.body) ?? 0 }));
    kept = [...kept, ...found].toSorted((a, b) => b.at - a.at).slice(0, count);
  }
  return kept.map(({ row }) => row);
}

export interface ExportOptions extends RangeOptions {
  readonly afterSeq?: number;
  readonly append?: string;
}

export async function exportTrail({ append, afterSeq, ...range }: ExportOptions): Promise<void> {
  if (afterSeq !== undefined && range.lane === undefined)
    throw new Error('--after-seq needs --lane: every lane has numbers of its own');
  if (append !== undefined) return appendTrail(append, { ...range, afterSeq });
  await withTrail(async reader => {
    await tellSource(reader);
    for await (const text of trailLines(storeTrail(reader, { ...range, after: () => afterSeq }))) {
      if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve));
    }
  });
}

/** Goes on with an export. A line that was cut off when the last one was interrupted is written again, whole. */
function appendTrail(
  path: string,
  { afterSeq, ...range }: RangeOptions & { readonly afterSeq: number | undefined },
): Promise<void> {
  return withTrail(async reader => {
    await tellSource(reader);
    const file = await open(path, 'a', 0o600);
    try {
      const { lanes, wholeSize } = await readExportEnd(path);
      await file.truncate(wholeSize);
      const after = (lane: string): number | undefined => lanes.get(lane) ?? afterSeq;
      for await (const text of trailLines(storeTrail(reader, { ...range, after })))
        await file.appendFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/** Reads the trail of the store that the configuration of the environment names. */
async function withTrail<T>(work: (reader: TrailReader) => Promise<T>): Promise<T> {
  const reader = await openExistingTrail(loadConfig(process.env).store);
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

/**
 * Says on standard error where the rows come from, which go to standard output.
 *
 * @throws {Failure} when there is none: every store that was used has some
 */
async function tellSource(reader: TrailReader): Promise<void> {
  if ((await reader.listLanes()).length === 0)
    throw new Failure(EXIT.failed, `There is no row in ${reader.description}.`);
  process.stderr.write(`from ${reader.description}\n`);
}
