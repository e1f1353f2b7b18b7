import { CommanderError } from 'commander';
import { useConfigFile } from './config-option.ts';
import { EXIT } from './failure.ts';
import { createProgram } from './program.ts';

/** Does what was typed after `countersign`. How it ends is in `process.exitCode`. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = await createProgram(args);
  let output: string | undefined;
  program.hook('preAction', (_, command) => {
    const options = command.opts<{ output?: string; config?: string }>();
    output = options.output;
    return useConfigFile(options.config);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = await endOf(error, output);
  }
}

async function endOf(error: unknown, output: string | undefined): Promise<number> {
  // Commander has said it already; that help was shown is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const { reportFailure } = await import('./report-failure.ts');
  return reportFailure(error, output);
}
