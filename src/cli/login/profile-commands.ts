import { Command } from 'commander';
import pc from 'picocolors';
import { EXIT, Failure } from '../failure.ts';
import { openClient, type ServerOptions, withServerOptions } from '../open-client.ts';
import { listMembers, type OutputFormat, outputFormat, outputOption, print, table } from '../output.ts';
import { profilesFile, readProfiles, writeProfiles } from './profiles.ts';

/** `countersign whoami`. */
export function whoamiCommand(): Command {
  const command = new Command('whoami')
    .description('Show which server is called, as whom, by what was said where, and what that client may do')
    .addHelpText('after', '\nExample:\n  countersign whoami --profile production');
  return withServerOptions(command).action(whoami);
}

/** `countersign logout`. */
export function logoutCommand(): Command {
  return new Command('logout')
    .description('Forget a profile and its secret')
    .option('-p, --profile <name>', 'which one; the current one where absent')
    .addHelpText(
      'after',
      `
The secret goes on working for whoever else has it: \`countersign agents secrets revoke\` ends it.

Example:
  countersign logout --profile production`,
    )
    .action(logout);
}

/** `countersign profiles …`. */
export function profilesCommand(): Command {
  const profiles = new Command('profiles').description('The servers that you are signed in to');
  profiles
    .command('list')
    .description('List profiles; their secrets are not shown')
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  countersign profiles list')
    .action(list);
  profiles
    .command('use')
    .description('Make a profile the one that is meant when none is named')
    .argument('<name>', 'which one')
    .addHelpText('after', '\nExample:\n  countersign profiles use production')
    .action(use);
  return profiles;
}

async function whoami(options: ServerOptions): Promise<void> {
  const { client, url, source } = openClient(options);
  const { clientId, subject, scopes } = await client.getCaller();
  const shown = { url, clientId, subject, scopes, source };
  await print(shown, outputFormat(options.output), () =>
    listMembers(Object.entries(shown).map(([name, value]) => [name, [value].flat().join(', ')])),
  );
}

async function list({ output }: { readonly output?: OutputFormat }): Promise<void> {
  const { current, profiles } = readProfiles(profilesFile());
  const items = Object.entries(profiles).map(([name, { url, clientId }]) => ({
    name,
    url,
    clientId,
    isCurrent: name === current,
  }));
  await print({ items }, outputFormat(output), () =>
    table(
      ['', 'name', 'url', 'clientId'],
      items.map(({ isCurrent, name, url, clientId }) => [isCurrent ? '*' : '', name, url, clientId]),
    ),
  );
}

function use(name: string): void {
  const file = profilesFile();
  const { profiles } = readProfiles(file);
  assertKnown(name, profiles);
  writeProfiles(file, { current: name, profiles });
  console.error(`${pc.green('✔')} ${name} is meant from now on`);
}

function logout({ profile }: { readonly profile?: string }): void {
  const file = profilesFile();
  const { current, profiles } = readProfiles(file);
  const name = profile ?? current;
  if (name === undefined) throw new Failure(EXIT.notFound, 'There is no current profile.', { file });
  assertKnown(name, profiles);
  const { [name]: _forgotten, ...left } = profiles;
  writeProfiles(file, { ...(current !== name && current !== undefined && { current }), profiles: left });
  console.error(`${pc.green('✔')} ${name} is forgotten`);
}

function assertKnown(name: string, profiles: object): void {
  if (Object.hasOwn(profiles, name)) return;
  throw new Failure(EXIT.notFound, `There is no profile ${JSON.stringify(name)}.`, {
    permitted: Object.keys(profiles),
  });
}
