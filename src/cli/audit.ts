import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
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
  type Trail,
  type TrailRange,
  type TrailReport,
  trailLines,
  verifyCheckpoints,
  verifyTrail,
} from '../audit/index.ts';
import { loadConfig } from '../config/index.ts';
import type { Store } from '../store/store.ts';
import { openExistingStore } from './open-existing-store.ts';

interface VerifyOptions {
  readonly file?: string;
  readonly checkpoints?: readonly string[];
  readonly key?: string;
  readonly output: 'text' | 'json';
}

/** `countersign audit …`: reads and verifies the trail; it changes nothing. */
export function auditCommand(): Command {
  const audit = new Command('audit').description('Read and verify the audit trail');
  audit
    .command('verify')
    .description('Verify every row of the trail; the exit code is 0 only if all are right')
    .option('-f, --file <file>', 'an exported trail instead of the configured store')
    .option('-c, --checkpoints <file...>', 'signed checkpoints that the trail must agree with')
    .option('-k, --key <file>', 'the public key (PEM) that the checkpoints are signed with')
    .option('-o, --output <format>', 'text or json', parseOutput, 'text')
    .addHelpText(
      'after',
      `
Without checkpoints a trail whose end is missing, or whose hashes were all computed again, cannot be told from a whole one.

Examples:
  countersign audit verify
  countersign audit verify --file trail.jsonl --checkpoints checkpoints.jws --key checkpoint.pub.pem`,
    )
    .action(verify);
  withRange(audit.command('tail'))
    .description('Show the newest rows, oldest first')
    .option('-n, --lines <number>', 'how many', parseCount, 20)
    .option('-o, --output <format>', 'text or json', parseOutput, 'text')
    .addHelpText('after', '\nExample:\n  countersign audit tail -n 50 --since 2026-01-31T12:00:00Z')
    .action(tail);
  withRange(audit.command('export'))
    .description('Write the trail, one row a line, as `audit verify --file` reads it')
    .option('--after-seq <number>', 'only rows of --lane with greater numbers', parseSeq)
    .option(
      '-a, --append <file>',
      'add to this file what it does not have yet; to standard output where absent',
    )
    .addHelpText(
      'after',
      `
A part of the trail that does not begin with the first row of a lane cannot be verified by itself.

Examples:
  countersign audit export > trail.jsonl
  countersign audit export --append trail.jsonl   # every night; goes on where it ended, also after it was interrupted`,
    )
    .action(exportTrail);
  return audit;
}

async function verify(options: VerifyOptions): Promise<void> {
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
  const report = await withTrail(options.file, {}, trail => verifyTrail(trail, heads));
  const isIntact = report.isIntact && checkpointReports.every(each => each.isIntact);
  if (options.output === 'json') {
    const checkpoints = checkpointReports.map(({ heads: _, ...each }) => each);
    console.log(JSON.stringify({ ...report, isIntact, checkpoints }));
  } else printReport(report, checkpointReports, options);
  if (!isIntact) process.exitCode = 1;
}

function printReport(
  report: TrailReport,
  checkpoints: readonly CheckpointReport[],
  options: VerifyOptions,
): void {
  for (const [index, each] of checkpoints.entries()) {
    const name = options.checkpoints?.[index] ?? '';
    if (each.firstBad) console.log(`${pc.red('✘')} ${name} line ${each.firstBad.line}: ${each.firstBad.why}`);
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
  if (report.isIntact) console.log(`${pc.green('✔')} ${report.rows} rows in ${lanes}: every hash is right`);
  else console.log(`${pc.red('✘')} ${report.rows} rows in ${lanes}: the trail has been changed`);
}

interface RangeOptions {
  readonly lane?: string;
  readonly since?: number;
  readonly until?: number;
}

function withRange(command: Command): Command {
  return command
    .option('--lane <lane>', 'only rows of this lane')
    .option(
      '--since <instant>',
      'only what was decided then or later, such as 2026-01-31T12:00:00Z',
      parseInstant,
    )
    .option('--until <instant>', 'only what was decided before', parseInstant);
}

interface TailOptions extends RangeOptions {
  readonly lines: number;
  readonly output: 'text' | 'json';
}

async function tail({ lines, output, ...range }: TailOptions): Promise<void> {
  const store = await openConfiguredStore();
  try {
    const rows = (await readLast(store, lines, range)).toReversed();
    for (const row of rows)
      console.log(output === 'json' ? row.body : formatAuditRow(row, pc.isColorSupported));
  } finally {
    await store.close();
  }
}

/** The newest rows of a range, newest first. For a range the whole trail is read. */
async function readLast(store: Store, count: number, range: RangeOptions): Promise<readonly AuditRow[]> {
  if (range.lane === undefined && range.since === undefined && range.until === undefined)
    return store.readNewest(count);
  let kept: { readonly row: AuditRow; readonly at: number }[] = [];
  for await (const rows of storeTrail(store, range).rows()) {
    const found = rowsOf(rows).map(row => ({ row, at: decidedAt(row.body) ?? 0 }));
    kept = [...kept, ...found].toSorted((a, b) => b.at - a.at).slice(0, count);
  }
  return kept.map(({ row }) => row);
}

interface ExportOptions extends RangeOptions {
  readonly afterSeq?: number;
  readonly append?: string;
}

async function exportTrail({ append, afterSeq, ...range }: ExportOptions): Promise<void> {
  if (afterSeq !== undefined && range.lane === undefined)
    throw new Error('--after-seq needs --lane: every lane has numbers of its own');
  if (append !== undefined) return appendTrail(append, { ...range, afterSeq });
  await withTrail(undefined, { ...range, after: () => afterSeq }, async trail => {
    for await (const text of trailLines(trail)) {
      if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve));
    }
  });
}

/** Goes on with an export. A line that was cut off when the last one was interrupted is written again, whole. */
async function appendTrail(
  path: string,
  { afterSeq, ...range }: RangeOptions & { readonly afterSeq: number | undefined },
): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    const { lanes, wholeSize } = await readExportEnd(path);
    await file.truncate(wholeSize);
    const after = (lane: string): number | undefined => lanes.get(lane) ?? afterSeq;
    await withTrail(undefined, { ...range, after }, async trail => {
      for await (const text of trailLines(trail)) await file.appendFile(text);
    });
    await file.sync();
  } finally {
    await file.close();
  }
}

async function withTrail<T>(
  file: string | undefined,
  range: TrailRange,
  work: (trail: Trail) => Promise<T>,
): Promise<T> {
  if (file !== undefined) return work(fileTrail(file));
  const store = await openConfiguredStore();
  try {
    return await work(storeTrail(store, range));
  } finally {
    await store.close();
  }
}

/** The store of the environment's configuration. */
function openConfiguredStore(): Promise<Store> {
  return openExistingStore(loadConfig(process.env).store);
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new InvalidArgumentError('permitted: a whole number from 1 to 99999');
  return Number(text);
}

function parseSeq(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('permitted: the number of a row');
  return Number(text);
}

function parseInstant(text: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('permitted: an instant such as 2026-01-31T12:00:00Z');
  return at;
}

function parseOutput(text: string): 'text' | 'json' {
  if (text !== 'text' && text !== 'json') throw new InvalidArgumentError('permitted: text, json');
  return text;
}
