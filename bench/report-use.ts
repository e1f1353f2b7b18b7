/**
 * Put into a server before its own code (`node --import`), so that any version of it says what it has used, and ends with the run.
 * Its threads load this too, and have nothing to say: the process counts them.
 */
import { isMainThread } from 'node:worker_threads';
import { readUse } from './read-use.ts';
import type { ServerOrder } from './servers.ts';

if (isMainThread) {
  process.on('message', ({ kind }: ServerOrder) => {
    if (kind === 'report-use') process.send?.(readUse());
  });
  process.on('disconnect', () => process.exit(1));
}
