import { readUse } from './read-use.ts';
import type { ServerOrder, ServerReport, StartOrder, Target } from './servers.ts';

/** A server that has started in this process. */
export interface Served {
  readonly target: Target;
  stop(): Promise<void>;
}

/**
 * The child's side of `servers.ts`: waits for the order to start, then answers the parent's questions until it is told to stop or
 * the parent is gone.
 */
export function serve(start: (order: StartOrder) => Promise<Served>): void {
  let served: Served | undefined;
  const report = (answer: ServerReport): void => void process.send?.(answer);
  process.on('message', async (message: ServerOrder) => {
    switch (message.kind) {
      case 'start':
        served = await start(message.order);
        return report({ kind: 'started', target: served.target });
      case 'report-use':
        return report(readUse());
      case 'stop':
        await served?.stop();
        return process.exit(0);
    }
  });
  process.on('disconnect', () => process.exit(1));
}
