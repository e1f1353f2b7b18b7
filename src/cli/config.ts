import { Command } from 'commander';
import pc from 'picocolors';
import { CONFIG_FILE_NAME, type Config, ConfigError, loadConfig } from '../config/index.ts';
import { useConfigFile } from './config-option.ts';
import { EXIT } from './failure.ts';
import { type OutputFormat, outputFormat, outputOption, print } from './output.ts';

/** `countersign config …`. */
export function configCommand(): Command {
  const config = new Command('config').description('The settings of the server');
  config
    .command('check')
    .description(
      'Check the settings of the environment and of a file, all of them at once; nothing is started',
    )
    .argument('[file]', `a YAML file of settings; ${CONFIG_FILE_NAME} where absent`)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The exit code is 2 if the server would not start with them. docs/configuration.md has every setting.

Example:
  countersign config check countersign.yaml`,
    )
    .action(check);
  return config;
}

async function check(
  file: string | undefined,
  { output }: { readonly output?: OutputFormat },
): Promise<void> {
  await useConfigFile(file);
  const format = outputFormat(output);
  const { config, problems } = read();
  if (!config) {
    process.exitCode = EXIT.usage;
    await print({ permitted: false, problems }, format, () =>
      [`${pc.red('✘')} the server would not start:`, ...problems].join('\n  '),
    );
    return;
  }
  const shown = {
    permitted: true,
    issuer: config.issuer,
    store: config.store.kind === 'sqlite' ? `sqlite:${config.store.path}` : 'mongodb',
    listens: `${config.host}:${config.port}${config.tls ? ' (TLS)' : ''}`,
  };
  await print(shown, format, () =>
    [
      `${pc.green('✔')} the settings are permitted`,
      `  ${shown.issuer ?? 'an issuer that changes at every start'}, on ${shown.listens}, with ${shown.store}`,
    ].join('\n'),
  );
}

function read(): { readonly config?: Config; readonly problems: readonly string[] } {
  try {
    return { config: loadConfig(process.env), problems: [] };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems };
    throw error;
  }
}
