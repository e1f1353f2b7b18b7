import { Command } from 'commander';
import { loadConfig } from '../config/index.ts';

/** `countersign start`. */
export function startCommand(): Command {
  return new Command('start')
    .description('Start the server with the settings of the environment and of a file')
    .addHelpText('after', '\nExample:\n  countersign start --config countersign.yaml')
    .action(async () => {
      // Here first, so that what is not permitted ends as it does for every other verb.
      loadConfig(process.env);
      await import('../main.ts');
    });
}
