import { Command } from 'commander';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { resetFactor } from '../people/index.ts';
import { visibleText } from '../text/index.ts';
import { withConfigOption } from './config.ts';
import { withRecovery } from './open-recovery.ts';

/** `countersign people …`: what whoever runs the host can do about people, beside the calls of the API. */
export function peopleCommand(): Command {
  const people = new Command('people').description('People');
  withConfigOption(
    people
      .command('reset-factor')
      .summary('On the host: let a person set anew how they sign in')
      .description(
        'Make a link by which a person sets anew how they sign in: for somebody who has lost their factors, or whom no administrator can invite. It works on the configured store, beside a running server, and is in the audit trail. What they sign in with now goes on until they have used the link.',
      )
      .argument('<id>', 'usr_ and 32 hexadecimal digits')
      .addHelpText('after', '\nExample:\n  countersign people reset-factor usr_…')
      .action(reset),
  );
  return people;
}

async function reset(id: string): Promise<void> {
  await withRecovery(async ({ config, store, origin }) => {
    if (config.issuer === undefined)
      throw new Error('COUNTERSIGN_ISSUER is not set: the link has to begin with it');
    if (isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT)))
      throw new Error('The store is quarantined, and opening it would void the link: open it first.');
    const deps = {
      people: store,
      credentials: store,
      store,
      freshness: store,
      epochs: store.epochs,
      issuer: config.issuer,
    };
    const { person, link, expiresAt } = await resetFactor(deps, id, origin);
    process.stderr.write(
      `${visibleText(person.name)} enrols by this link, once, until ${new Date(expiresAt).toISOString()}. Whoever has it becomes them:\n`,
    );
    process.stdout.write(`${link}\n`);
  });
}
