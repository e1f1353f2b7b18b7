import type { Command } from 'commander';

/** Gives commands that read the server's settings, which are all that are there, an option for the file that has them. */
export function withConfigOption(command: Command): Command {
  if (command.commands.length > 0) for (const each of command.commands) withConfigOption(each);
  else
    command.option('--config <file>', 'a YAML file with the settings of the server (docs/configuration.md)');
  return command;
}

/** Has the settings read from the file that was named, wherever they are read. */
export async function useConfigFile(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const { CONFIG_FILE_NAME } = await import('../config/index.ts');
  Object.assign(process.env, { [CONFIG_FILE_NAME]: file });
}
