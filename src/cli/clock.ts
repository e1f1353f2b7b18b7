import { Command } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../config/index.ts';
import { acceptClock, showSpan, whyBehind } from '../recovery/index.ts';
import { withConfigOption } from './config-option.ts';
import { CLOCKS_APART_MS } from './doctor/store.ts';
import { EXIT, Failure } from './failure.ts';
import { inspectExistingStore } from './open-existing-store.ts';
import { withRecovery } from './open-recovery.ts';
import { listMembers, type OutputFormat, outputFormat, outputOption, print } from './output.ts';
import { askWhether, isTerminal } from './prompt.ts';

/** `countersign clock …`: what whoever runs the host does where the machine's clock is behind what was committed. */
export function clockCommand(): Command {
  const clock = new Command('clock').description('The time that the server goes by');
  withConfigOption(
    clock
      .command('status')
      .summary('On the host: hold the clock of this machine against the store')
      .description(
        'Say what the clock of this machine says, what was committed last, and whether a server would start by it; exit code 1 if none would. It changes nothing.',
      )
      .addOption(outputOption())
      .addHelpText('after', '\nExample:\n  countersign clock status')
      .action(status),
  );
  withConfigOption(
    clock
      .command('accept')
      .summary('On the host: go by the clock of this machine, though later times were committed')
      .description(
        'Go by the clock of this machine from now on, though it is behind what was committed: for when the clock was ahead, and was set right. Nothing lives again by that: every token, session and code dies, and agents that had come to their end are suspended. Servers that run go on by their clock. It is in the audit trail.',
      )
      .option('--yes', 'do it: every token dies at once, and everybody has to sign in again')
      .addHelpText(
        'after',
        `
If it is the clock of this machine that is wrong, set that right instead, and nothing is lost.

Examples:
  countersign clock status
  countersign clock accept --yes`,
      )
      .action(accept),
  );
  return clock;
}

async function status({ output }: { readonly output?: OutputFormat }): Promise<void> {
  const inspection = await inspectExistingStore(loadConfig(process.env).store);
  const wall = Date.now();
  const { lastCommittedAt, clockAt } = inspection;
  const why = whyBehind(wall, lastCommittedAt) ?? whyApart(wall, clockAt);
  if (why !== undefined) process.exitCode = EXIT.failed;
  const report = {
    clock: showTime(wall),
    ...(lastCommittedAt !== undefined && {
      lastCommitted: showTime(lastCommittedAt),
      behindMs: Math.max(0, lastCommittedAt - wall),
    }),
    ...(clockAt !== undefined && { databaseClock: showTime(clockAt) }),
    serverStarts: why === undefined,
  };
  await print(report, outputFormat(output), () =>
    [
      listMembers([
        ['clock of this machine', report.clock],
        ['committed last', report.lastCommitted ?? 'not known yet'],
        ...(report.behindMs ? [['behind by', showSpan(report.behindMs)] as const] : []),
        ...(report.databaseClock === undefined ? [] : [['clock of MongoDB', report.databaseClock] as const]),
      ]),
      why === undefined
        ? `${pc.green('✔')} a server starts by this clock`
        : `${pc.yellow('!')} No server starts: ${why}`,
    ].join('\n'),
  );
}

/** Why no server starts on MongoDB by a clock, in words; undefined where one does. */
function whyApart(wallMs: number, clockAt: number | undefined): string | undefined {
  if (clockAt === undefined || Math.abs(clockAt - wallMs) <= CLOCKS_APART_MS) return undefined;
  return `the clock of this machine is ${showSpan(Math.abs(clockAt - wallMs))} ${clockAt < wallMs ? 'ahead of' : 'behind'} that of MongoDB. Keep both by NTP (see timedatectl).`;
}

async function accept({ yes }: { readonly yes?: true }): Promise<void> {
  const inspection = await inspectExistingStore(loadConfig(process.env).store);
  if (!yes) await confirm(inspection.lastCommittedAt);
  await withRecovery(async ({ deps, store, origin }) => {
    const problem = store.clockProblem();
    if (problem !== undefined)
      throw new Failure(EXIT.failed, `It is the clock of this machine that is wrong: ${problem}.`, {
        mend: 'set it right (see timedatectl); nothing was changed',
      });
    const { suspended } = await acceptClock(deps, inspection.lastCommittedAt, origin);
    for (const { id } of suspended) console.log(`  ${pc.bold(id)} had come to its end: it is suspended`);
    console.log(
      `${pc.green('✔')} The server goes by this clock, ${showTime(origin.now)}. Every token, session and code from before is dead.`,
    );
  });
}

async function confirm(lastCommittedAt: number | undefined): Promise<void> {
  const behind = lastCommittedAt === undefined ? 0 : lastCommittedAt - Date.now();
  const said = `this clock says ${showTime(Date.now())}${behind > 0 ? `, ${showSpan(behind)} behind what was committed last` : ''}; every token dies, and everybody has to sign in again`;
  if (!isTerminal()) throw new Error(`${said}: say --yes`);
  if (!(await askWhether(`Go by it? ${said}.`))) throw new Failure(EXIT.failed, 'Nothing was done.');
}

function showTime(ms: number): string {
  return new Date(ms).toISOString();
}
