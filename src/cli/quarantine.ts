import { appendFileSync, closeSync, openSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { fileTrail } from '../audit/index.ts';
import {
  confirmRecord,
  confirmRest,
  getQuarantined,
  isUndecided,
  keepClosed,
  type ListedRecord,
  listRecords,
  openAsConfirmed,
  quarantineDeployment,
  type ReplayReport,
  replayTrail,
  type SecretChoice,
  STARTED_TOGETHER_MS,
} from '../recovery/index.ts';
import { visibleText } from '../text/index.ts';
import {
  type CheckpointOptions,
  type Recovery,
  readCheckpoints,
  withRecovery,
  withRecoveryRead,
} from './open-recovery.ts';

type Output = 'text' | 'json';

interface ConfirmOptions {
  readonly all?: number;
  readonly secret?: SecretChoice;
  readonly secretsFile?: string;
}

/** `countersign quarantine …`: what an operator does with a store that came out of a backup. */
export function quarantineCommand(): Command {
  const quarantine = new Command('quarantine').description(
    'Open a store that came out of a backup, once it is known what was taken away since',
  );
  quarantine
    .command('status')
    .description('Say whether the store is quarantined, and what is left to do; exit code 1 if it is')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  countersign quarantine status')
    .action(status);
  quarantine
    .command('list')
    .description('Show the records of which nothing was said yet')
    .option('--decided', 'those of which something was said, too')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  countersign quarantine list -o json')
    .action(list);
  quarantine
    .command('confirm')
    .description('Say of records that they are as they should be now')
    .argument('[ids...]', 'the records')
    .addOption(
      new Option('-s, --secret <choice>', 'what becomes of their secrets').choices(['keep', 'new'] as const),
    )
    .option('--all <count>', 'all records that are left, by their number', parseCount)
    .option('--secrets-file <file>', 'with --all --secret new: where the new secrets are written')
    .addHelpText(
      'after',
      `
A secret that was replaced or withdrawn after the backup would work again: keep it only if you know that it was not.

Examples:
  countersign quarantine confirm usr_… agt_… --secret keep
  countersign quarantine confirm agt_… --secret new
  countersign quarantine confirm --all 42 --secret new --secrets-file secrets.jsonl`,
    )
    .action(confirm);
  quarantine
    .command('keep-closed')
    .description(
      'Close records as a kill does: an administrator can restore them later, but delegations, which end',
    )
    .argument('<ids...>', 'the records')
    .addHelpText('after', '\nExample:\n  countersign quarantine keep-closed agt_…')
    .action(close);
  quarantine
    .command('replay')
    .description('Take away again what an exported trail says was taken away since the backup, then opens')
    .requiredOption('-a, --audit <file>', 'the exported trail')
    .requiredOption('-c, --checkpoints <file...>', 'signed checkpoints that vouch for its end')
    .requiredOption('-k, --key <file>', 'the public key (PEM) that the checkpoints are signed with')
    .addHelpText(
      'after',
      '\nExample:\n  countersign quarantine replay --audit trail.jsonl --checkpoints checkpoints.jws --key checkpoint.pub.pem',
    )
    .action(replay);
  quarantine
    .command('open')
    .description('Open the store, once something was said of every record')
    .addHelpText('after', '\nExample:\n  countersign quarantine open')
    .action(open);
  quarantine
    .command('start')
    .description('Quarantine the store, after it was restored by other means than `countersign restore`')
    .option('--yes', 'do it: every token dies at once')
    .addHelpText('after', '\nExample:\n  countersign quarantine start --yes')
    .action(start);
  return quarantine;
}

async function status({ output }: { readonly output: Output }): Promise<void> {
  await withRecoveryRead(async ({ deps }) => {
    await deps.freshness.fresh();
    const deployment = await deps.deployment.findDeployment();
    if (!deployment?.quarantine) {
      console.log(output === 'json' ? '{"quarantined":false}' : `${pc.green('✔')} the store is open`);
      return;
    }
    process.exitCode = 1;
    let undecided = 0;
    let records = 0;
    for await (const record of listRecords(deps, deployment.epoch)) {
      records += 1;
      if (isUndecided(record)) undecided += 1;
    }
    const { quarantine } = deployment;
    if (output === 'json') {
      console.log(JSON.stringify({ quarantined: true, ...quarantine, records, undecided }));
      return;
    }
    const backup =
      quarantine.backupMadeAt === undefined ? '' : `, from a backup of ${showTime(quarantine.backupMadeAt)}`;
    console.log(`${pc.yellow('!')} QUARANTINED since ${showTime(quarantine.since)}: ${CAUSES[quarantine.cause]}${backup}.
  Closed: no token is issued or accepted, nobody signs in, the admin API and the keys are not served.
  ${undecided} of ${records} records are undecided. To open the store, either
  countersign quarantine replay --audit FILE --checkpoints FILE --key FILE
  or decide of each record (countersign quarantine list), then countersign quarantine open`);
  });
}

const CAUSES = {
  restored: 'a backup was restored',
  'rolled-back': 'at a start it lacked what it had held before, so an older one was put in its place',
  ordered: 'an operator ordered it',
} as const;

async function list({ decided, output }: { decided?: true; output: Output }): Promise<void> {
  await withRecoveryRead(async ({ deps }) => {
    const { epoch } = await getQuarantined(deps);
    let shown = 0;
    for await (const record of listRecords(deps, epoch)) {
      if (!decided && !isUndecided(record)) continue;
      shown += 1;
      console.log(output === 'json' ? JSON.stringify(record) : formatRecord(record));
    }
    if (output === 'text') console.log(`${shown} records`);
  });
}

function formatRecord(record: ListedRecord): string {
  const { id, status: state, name, about, updatedAt, decision } = record;
  const said = decision === undefined ? '' : pc.green(` ${decision}`);
  return `${pc.bold(id)} ${state}${said} ${JSON.stringify(visibleText(name))} changed ${showTime(updatedAt)}; ${visibleText(about)}`;
}

async function confirm(ids: readonly string[], options: ConfirmOptions): Promise<void> {
  const { all, secret, secretsFile } = options;
  if (ids.length > 0 === (all !== undefined)) throw new Error('name the records, or all by their number');
  await withRecovery(async recovery => {
    if (all === undefined) await confirmEach(recovery, ids, secret);
    else await confirmAll(recovery, all, secret, secretsFile);
    await printLeft(recovery);
  });
}

async function confirmEach(
  { deps, origin }: Recovery,
  ids: readonly string[],
  choice: SecretChoice | undefined,
): Promise<void> {
  for (const id of ids) {
    const secret = await confirmRecord(deps, id, choice, origin);
    console.log(
      `${pc.green('✔')} ${id} is confirmed${secret === undefined ? '' : `; its new secret: ${secret}`}`,
    );
  }
}

async function confirmAll(
  { deps, origin }: Recovery,
  count: number,
  secrets: SecretChoice | undefined,
  file: string | undefined,
): Promise<void> {
  if ((secrets === 'new') !== (file !== undefined))
    throw new Error('--secret new and --secrets-file go together where all are confirmed');
  if (file !== undefined) closeSync(openSync(file, 'wx', 0o600));
  const keepSecret = (id: string, secret: string): void => {
    if (file !== undefined)
      appendFileSync(file, `${JSON.stringify({ client_id: id, client_secret: secret })}\n`, { flush: true });
  };
  const confirmed = await confirmRest(deps, { count, secrets, keepSecret }, origin);
  console.log(`${pc.green('✔')} ${confirmed} records are confirmed`);
}

async function close(ids: readonly string[]): Promise<void> {
  await withRecovery(async recovery => {
    for (const id of ids) {
      await keepClosed(recovery.deps, id, recovery.origin);
      console.log(`${pc.green('✔')} ${id} is closed`);
    }
    await printLeft(recovery);
  });
}

async function printLeft({ deps }: Recovery): Promise<void> {
  const { epoch } = await getQuarantined(deps);
  let left = 0;
  for await (const record of listRecords(deps, epoch)) if (isUndecided(record)) left += 1;
  console.log(left === 0 ? 'Nothing is left: countersign quarantine open' : `${left} records are left`);
}

async function replay({ audit, ...checkpoints }: CheckpointOptions & { audit: string }): Promise<void> {
  const { heads, lastAt } = await readCheckpoints(checkpoints);
  await withRecovery(async ({ deps, origin }) => {
    printReplay(await replayTrail(deps, { trail: fileTrail(audit), heads }, origin), lastAt);
  });
}

/** Says what a replay did. */
export function printReplay({ adopted, closed }: ReplayReport, vouchedTo: number | undefined): void {
  for (const { id, done, at } of closed) console.log(`  ${pc.bold(id)} (${showTime(at)}): ${done}`);
  console.log(
    `${pc.green('✔')} ${closed.length} removals were replayed and ${adopted} rows are in the trail again. The store is open.`,
  );
  console.log(
    `${pc.yellow('!')} The checkpoints vouch for the trail up to ${vouchedTo === undefined ? 'an unknown time' : showTime(vouchedTo)}. What was taken away later than its last row is not known here: take it away again.`,
  );
}

async function open(): Promise<void> {
  await withRecovery(async ({ deps, origin }) => {
    await openAsConfirmed(deps, origin);
    console.log(`${pc.green('✔')} the store is open`);
  });
}

async function start({ yes }: { readonly yes?: true }): Promise<void> {
  if (!yes) throw new Error('every token dies, and nothing is granted until the store is opened: say --yes');
  await withRecovery(async ({ deps, origin }) => {
    await quarantineDeployment(deps, { cause: 'ordered', since: origin.now - STARTED_TOGETHER_MS }, origin);
    console.log(`${pc.yellow('!')} QUARANTINED. countersign quarantine status says what to do`);
  });
}

function outputOption(): Option {
  return new Option('-o, --output <format>', 'how it is shown')
    .choices(['text', 'json'] as const)
    .default('text');
}

function parseCount(text: string): number {
  if (!/^(0|[1-9]\d{0,8})$/.test(text)) throw new InvalidArgumentError('permitted: a whole number');
  return Number(text);
}

function showTime(ms: number): string {
  return new Date(ms).toISOString();
}
