/** `countersign`: the same use cases from a terminal. */
import { Command } from 'commander';
import pc from 'picocolors';
import { ConfigError } from '../config/index.ts';
import { auditCommand } from './audit.ts';

const program = new Command('countersign')
  .description('An OAuth 2.1 authorization server made for AI agents.')
  .showHelpAfterError('(countersign --help shows what is possible)')
  .addCommand(auditCommand());

program
  .command('start')
  .description('starts the server with the configuration of the environment (docs/configuration.md)')
  .addHelpText('after', '\nExample:\n  COUNTERSIGN_PORT=4444 countersign start')
  .action(async () => {
    await import('../main.ts');
  });

try {
  await program.parseAsync();
} catch (error) {
  const text = error instanceof ConfigError || error instanceof Error ? error.message : String(error);
  console.error(`${pc.red('error')} ${text}`);
  process.exitCode = 1;
}
