/** `countersign`: the same use cases from a terminal. */
import { useConfigFile } from './config.ts';
import { reportFailure } from './failure.ts';
import { createProgram } from './program.ts';

// Whoever reads us may have read enough, as `head` has.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? 0);
});

const program = createProgram();
let output: string | undefined;
program.hook('preAction', (_, command) => {
  const options = command.opts<{ output?: string; config?: string }>();
  output = options.output;
  useConfigFile(options.config);
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error, output);
}
