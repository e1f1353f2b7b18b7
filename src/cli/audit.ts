import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import {
  type AuditRow,
  type CheckpointedHeads,
  type CheckpointReport,
  fileTrail,
  formatAuditRow,
  storeTrail,
  type Trail,
  type TrailReport,
  trailLines,
  verifyCheckpoints,
  verifyTrail,
} from '../audit/index.ts';
import { loadConfig } from '../config/index.ts';
import { newId } from '../ids.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';

interface VerifyOptions {
  readonly file?: string;
  readonly checkpoints?: readonly string[];
  readonly key?: string;
  readonly output: 'text' | 'json';
}

/** `countersign audit …`: reads and verifies the trail; it changes nothing. */
export function auditCommand(): Command {
  const audit = new Command('audit').description('reads and verifies the audit trail');
  audit
    .command('verify')
    .description('verifies every row of the trail; the exit code is 0 only if all are right')
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
  audit
    .command('tail')
    .description('shows the newest rows, oldest first')
    .option('-n, --lines <number>', 'how many', parseCount, 20)
    .option('-o, --output <format>', 'text or json', parseOutput, 'text')
    .addHelpText('after', '\nExample:\n  countersign audit tail -n 50')
    .action(tail);
  audit
    .command('export')
    .description('writes the trail to standard output, one row a line, as `audit verify --file` reads it')
    .addHelpText('after', '\nExample:\n  countersign audit export > trail.jsonl')
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
  const report = await withTrail(options.file, trail => verifyTrail(trail, heads));
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
  if (report.unreadable) console.log(`${pc.red('✘')} ${report.unreadable.count} rows cannot be read`);
  const lanes = `${report.lanes.length} lane${report.lanes.length === 1 ? '' : 's'}`;
  if (report.isIntact) console.log(`${pc.green('✔')} ${report.rows} rows in ${lanes}: every hash is right`);
  else console.log(`${pc.red('✘')} ${report.rows} rows in ${lanes}: the trail has been changed`);
}

async function tail({ lines, output }: { lines: number; output: 'text' | 'json' }): Promise<void> {
  const store = await openConfiguredStore();
  try {
    const rows: readonly AuditRow[] = (await store.readNewest(lines)).toReversed();
    for (const row of rows)
      console.log(output === 'json' ? row.body : formatAuditRow(row, pc.isColorSupported));
  } finally {
    await store.close();
  }
}

async function exportTrail(): Promise<void> {
  await withTrail(undefined, async trail => {
    for await (const text of trailLines(trail)) {
      if (!process.stdout.write(text)) await new Promise(resolve => process.stdout.once('drain', resolve));
    }
  });
}

async function withTrail<T>(file: string | undefined, work: (trail: Trail) => Promise<T>): Promise<T> {
  if (file !== undefined) return work(fileTrail(file));
  const store = await openConfiguredStore();
  try {
    return await work(storeTrail(store));
  } finally {
    await store.close();
  }
}

/** The store of the environment's configuration. That it was opened is in the trail: who reads it leaves a trace. */
function openConfiguredStore(): Promise<Store> {
  return openStore(loadConfig(process.env).store, { now: Date.now, lane: newId('lane', Date.now()) });
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw new InvalidArgumentError('permitted: a whole number from 1 to 99999');
  return Number(text);
}

function parseOutput(text: string): 'text' | 'json' {
  if (text !== 'text' && text !== 'json') throw new InvalidArgumentError('permitted: text, json');
  return text;
}
