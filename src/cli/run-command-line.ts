import { useConfigFile } from './config.ts';
import { reportFailure } from './failure.ts';
import { createProgram } from './program.ts';

/** Does what was typed after `countersign`. How it ends is in `process.exitCode`. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  const program = createProgram();
  let output: string | undefined;
  program.hook('preAction', (_, command) => {
    const options = command.opts<{ output?: string; config?: string }>();
    output = options.output;
    useConfigFile(options.config);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = reportFailure(error, output);
  }
}
