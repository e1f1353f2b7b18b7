import { Command } from 'commander';
import { loadConfig } from '../config/index.ts';
import { packageVersion } from '../process/package-version.ts';
import { adminCommand } from './admin.ts';
import { applyCommand, exportCommand, planCommand, schemaCommand } from './as-code.ts';
import { auditCommand } from './audit.ts';
import { backupCommand, restoreCommand } from './backup.ts';
import { addCalls } from './calls/add-calls.ts';
import { clockCommand } from './clock.ts';
import { commandsOf } from './command-tree.ts';
import { addCompletion } from './completion.ts';
import { configCommand, withConfigOption } from './config.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { initCommand } from './init.ts';
import { loginCommand } from './login/login.ts';
import { logoutCommand, profilesCommand, whoamiCommand } from './login/profile-commands.ts';
import { migrateCommand } from './migrate.ts';
import { peopleCommand } from './people.ts';
import { quarantineCommand } from './quarantine.ts';

/** The whole command line, as a tree: it is run, it becomes `docs/cli.md`, and shells complete from it. */
export function createProgram(): Command {
  const program = new Command('countersign')
    .description('An OAuth 2.1 authorization server made for AI agents.')
    .version(packageVersion(), '-V, --version', 'show the version')
    .showHelpAfterError('(--help shows what is possible)');
  program
    .commandsGroup('A server:')
    .addCommand(initCommand())
    .addCommand(withConfigOption(startCommand()))
    .addCommand(withConfigOption(migrateCommand()))
    .addCommand(configCommand())
    .addCommand(withConfigOption(doctorCommand()))
    .addCommand(withConfigOption(backupCommand()))
    .addCommand(withConfigOption(restoreCommand()))
    .addCommand(withConfigOption(quarantineCommand()))
    .addCommand(clockCommand())
    .addCommand(adminCommand())
    .commandsGroup('Who you are to it:')
    .addCommand(loginCommand())
    .addCommand(logoutCommand())
    .addCommand(whoamiCommand())
    .addCommand(profilesCommand())
    .commandsGroup('What it governs, as files:')
    .addCommand(planCommand())
    .addCommand(applyCommand())
    .addCommand(exportCommand())
    .addCommand(schemaCommand())
    .commandsGroup('What it governs, one by one:')
    .addCommand(withConfigOption(auditCommand()))
    .addCommand(peopleCommand());
  addCalls(program);
  program.commandsGroup('And:');
  addCompletion(program);
  program.helpCommand('help [command]', 'display help for a command');
  for (const command of commandsOf(program)) command.exitOverride();
  return program;
}

function startCommand(): Command {
  return new Command('start')
    .description('Start the server with the settings of the environment and of a file')
    .addHelpText('after', '\nExample:\n  countersign start --config countersign.yaml')
    .action(async () => {
      // Here first, so that what is not permitted ends as it does for every other verb.
      loadConfig(process.env);
      await import('../main.ts');
    });
}
