import { Command } from 'commander';
import pc from 'picocolors';
import { visibleText } from '../../text/index.ts';
import { Failure } from '../failure.ts';
import { findServer } from '../login/find-server.ts';
import { openClient, type ServerOptions, withServerOptions } from '../open-client.ts';
import { outputFormat, print } from '../output.ts';
import { bad, type Finding, ok } from './finding.ts';
import { checkServer } from './server.ts';
import { checkMachine, checkSettings } from './settings.ts';
import { checkStore } from './store.ts';

/** `countersign doctor`. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'Look for what is wrong: settings, clock, store, keys, issuer, metadata, sign-in; nothing is changed',
    )
    .addHelpText(
      'after',
      `
Without --profile it looks at the server that this directory's settings start; with it, at a server elsewhere, from outside. The
exit code is 1 if anything is bad; a warning alone leaves it 0.

Examples:
  countersign doctor --config countersign.yaml
  countersign doctor --profile production`,
    );
  return withServerOptions(command).action(doctor);
}

async function doctor(options: ServerOptions): Promise<void> {
  const findings = options.profile === undefined ? await examineHere() : await examineElsewhere(options);
  const worst = findings.some(({ verdict }) => verdict === 'bad');
  if (worst) process.exitCode = 1;
  await print({ healthy: !worst, findings }, outputFormat(options.output), () =>
    findings.map(inWords).join('\n'),
  );
}

async function examineHere(): Promise<readonly Finding[]> {
  const now = Date.now();
  const { config, findings } = checkSettings();
  if (!config) return findings;
  const store = await checkStore(config, now);
  const server = config.issuer === undefined ? [] : await checkServer(config.issuer, store.keys);
  return [...findings, ...checkMachine(config, now), ...store.findings, ...server];
}

async function examineElsewhere(options: ServerOptions): Promise<readonly Finding[]> {
  const { url } = findServer(options.profile);
  const server = await checkServer(url);
  return server.some(({ check, verdict }) => check === 'issuer' && verdict === 'bad')
    ? server
    : [...server, await checkSignIn(options)];
}

async function checkSignIn(options: ServerOptions): Promise<Finding> {
  const { client, source } = openClient(options);
  try {
    const { clientId, scopes } = await client.getCaller();
    return ok('sign-in', `${clientId} may ${scopes.join(', ')} (${source})`);
  } catch (error) {
    if (error instanceof Failure || !(error instanceof Error)) throw error;
    return bad('sign-in', `${error.message} (${source})`, 'countersign login, with credentials that work');
  }
}

const MARKS = { ok: pc.green('✔'), warning: pc.yellow('!'), bad: pc.red('✘') };

function inWords({ check, verdict, found, mend }: Finding): string {
  const line = `${MARKS[verdict]} ${pc.bold(check.padEnd(13))} ${visibleText(found)}`;
  return mend === undefined ? line : `${line}\n${' '.repeat(16)}→ ${mend}`;
}
