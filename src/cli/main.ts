/** `countersign`: the same use cases from a terminal. */
import { runCommandLine } from './run-command-line.ts';

// Whoever reads us may have read enough, as `head` has.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  process.exit(process.exitCode ?? 0);
});

await runCommandLine(process.argv.slice(2));
