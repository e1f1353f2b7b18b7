/** The process: reads its configuration, starts the server, and stops it when told to. */
import { ConfigError, loadConfig } from './config/index.ts';
import { startServer } from './start.ts';

try {
  const running = await startServer(loadConfig(process.env));
  let isStopping = false;
  const stop = (): void => {
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
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
}
