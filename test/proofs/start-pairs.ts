/** Two processes on each store for all small proofs of a file: what they have in common is started once. */
import test from 'ava';
import { type Deployment, deploy } from '../support/deployment.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { freshStore, STORES, type StoreKind } from './proof.ts';

export interface Pair {
  /** Whoever starts a process gets one of the two, in turn. */
  readonly deployment: Deployment;
  readonly servers: readonly [ServerProcess, ServerProcess];
}

/** Declares the start of a pair on each store before all tests, and its end after them. */
export function startPairs(settings: Readonly<Record<string, string>> = {}): Record<StoreKind, Pair> {
  const pairs = {} as Record<StoreKind, Pair>;
  for (const kind of STORES) {
    const teardowns: (() => unknown)[] = [];
    test.before(`start two processes on ${kind}`, async t => {
      const host = {
        teardown: (work: () => unknown) => void teardowns.unshift(work),
        log: t.log,
      };
      const deployment = await deploy(host, await freshStore(host, kind), settings);
      // One after the other: processes that start together may each make a first key.
      const servers = [await deployment.start(), await deployment.start()] as const;
      let asked = 0;
      const start = async (): Promise<ServerProcess> => servers[asked++ % 2] as ServerProcess;
      pairs[kind] = { deployment: { ...deployment, start }, servers };
    });
    test.after.always(`end them on ${kind}`, async () => {
      for (const work of teardowns) await work();
    });
  }
  return pairs;
}
