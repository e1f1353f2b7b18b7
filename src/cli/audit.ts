import { Command, InvalidArgumentError } from 'commander';
import type { ExportOptions, TailOptions, VerifyOptions } from './read-trail.ts';

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
Nothing is changed by it, and a trail without rows is not right. Without checkpoints a trail whose end is missing, or whose hashes were all computed again, cannot be told from a whole one.

Examples:
  countersign audit verify
  countersign audit verify --file trail.jsonl --checkpoints checkpoints.jws --key checkpoint.pub.pem`,
    )
    .action(async (options: VerifyOptions) => (await trail()).verify(options));
  withRange(audit.command('tail'))
    .description('Show the newest rows, oldest first')
    .option('-n, --lines <number>', 'how many', parseCount, 20)
    .option('-o, --output <format>', 'text or json', parseOutput, 'text')
    .addHelpText('after', '\nExample:\n  countersign audit tail -n 50 --since 2026-01-31T12:00:00Z')
    .action(async (options: TailOptions) => (await trail()).tail(options));
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
    .action(async (options: ExportOptions) => (await trail()).exportTrail(options));
  return audit;
}

/** Loaded where the trail is read here: the calls of the API beside it need nothing of the store. */
function trail(): Promise<typeof import('./read-trail.ts')> {
  return import('./read-trail.ts');
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
