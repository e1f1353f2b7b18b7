/** The process: reads its configuration, starts the server, and stops it when told to. */
import './process/heap-settings.ts';
import { CannotUse } from './cannot-use.ts';
import { ConfigError, loadConfig } from './config/index.ts';
import { type Running, startServer } from './process/start.ts';
import { ClockRefused } from './recovery/index.ts';

try {
  let running: Running | undefined;
  let isStopping = false;
  const stop = (): void => {
    // Until requests are taken there is nothing to keep.
    if (!running) process.exit(0);
    // A second signal means now.
    if (isStopping) process.exit(130);
    isStopping = true;
    running.stop().then(
      () => process.exit(0),
      error => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  // Before the start, so that a signal the moment it is ready stops it as any later one does.
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  running = await startServer(loadConfig(process.env));
  // Without TLS of its own there is nothing to renew, and the signal ends the process as it does by default.
  if (running.renewTls) process.on('SIGHUP', running.renewTls);
} catch (error) {
  const isPlain = error instanceof ConfigError || error instanceof ClockRefused || error instanceof CannotUse;
  console.error(isPlain ? error.message : error);
  process.exit(1);
}
