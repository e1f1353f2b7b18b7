import { Command } from 'commander';
import { withConfigOption } from './config-option.ts';

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
      // The calls beside it need nothing of the server.
      .action(async (id: string) => {
        const { showResetLink } = await import('./reset-factor.ts');
        await showResetLink(id);
      }),
  );
  return people;
}
