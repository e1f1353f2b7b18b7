import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ServerReport } from './servers.ts';

/**
 * Collects all garbage of the main thread, as a server has done many times after its first minutes. Code that V8 had compiled for what is
 * then gone is slower for good (`process.nextTick` by five times), so that a young server, or one that was spared by chance, is not
 * compared with one that was not.
 */
export function collectGarbage(): ServerReport {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  return { kind: 'collected' };
}
