/**
 * The process: reads its configuration, starts the server, and stops it when told to. What it needs is loaded once signals are heard:
 * the first process of a container is not ended by a signal that it does not hear, and loading takes most of a start.
 */
import './process/heap-settings.ts';
import type { Running } from './process/start.ts';

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
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // What the launcher has done with it until now; while nobody listens, a signal that has come already would be lost.
  const before = process.listeners(signal);
  process.on(signal, stop);
  for (const listener of before) process.off(signal, listener);
}

const [{ CannotUse }, { ConfigError, loadConfig }, { ClockRefused }, { startServer }] = await Promise.all([
  import('./cannot-use.ts'),
  import('./config/index.ts'),
  import('./recovery/index.ts'),
  import('./process/start.ts'),
]);
try {
  running = await startServer(loadConfig(process.env));
  // Without TLS of its own there is nothing to renew, and the signal ends the process as it does by default.
  if (running.renewTls) process.on('SIGHUP', running.renewTls);
} catch (error) {
  const isPlain = error instanceof ConfigError || error instanceof ClockRefused || error instanceof CannotUse;
  console.error(isPlain ? error.message : error);
  process.exit(1);
}
