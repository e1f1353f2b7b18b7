import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type CommitOutcome, canonicalEvent, type Unit } from '../../audit/index.ts';
import { fromThread } from '../../cannot-use.ts';
import { StoreUnavailable } from '../../errors.ts';
import type { AttemptAddition } from '../../limits/index.ts';
import type { Change } from '../store.ts';
import { flatten } from './flat-batch.ts';
import type { CommitTime, WriterData, WriterRequest, WriterResponse } from './writer-thread.ts';

type Settle = {
  readonly resolve: (response: WriterResponse) => void;
  readonly reject: (error: Error) => void;
};

/** The writing thread, seen from the main one. It answers requests in the order in which they were posted. */
export class Writer {
  readonly #worker: Worker;
  readonly #waiting: Settle[] = [];
  #failure: StoreUnavailable | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (response: WriterResponse) => this.#waiting.shift()?.resolve(response));
    worker.on('error', error =>
      this.#fail(new StoreUnavailable('the writing thread failed', { cause: error })),
    );
    worker.on('exit', () => this.#fail(new StoreUnavailable('the store is closed')));
  }

  /** Starts the thread, opens the database there and brings its schema up to date. */
  static async start(data: WriterData): Promise<Writer> {
    const module = new URL(
      `./writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
      import.meta.url,
    );
    const worker = new Worker(module, { workerData: data });
    // Rejects with the thread's own error when the database cannot be opened.
    await once(worker, 'message').catch(error => {
      throw fromThread(error);
    });
    return new Writer(worker);
  }

  /** @param latest by which the ends of authorities are judged */
  async commit(
    units: readonly Unit<Change>[],
    time: CommitTime,
    latest: number,
  ): Promise<readonly CommitOutcome[]> {
    const response = await this.#request({
      kind: 'commit',
      batch: flatten(units, canonicalEvent),
      ...time,
      latest,
    });
    if (response.kind !== 'committed') throw new StoreUnavailable('unexpected answer to a commit');
    const { conflicts } = response;
    return units.map((_unit, index) => conflicts.get(index) ?? { committed: true });
  }

  async noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#request({ kind: 'note-uses', uses });
  }

  async addAttempts(additions: readonly AttemptAddition[]): Promise<readonly number[]> {
    const response = await this.#request({ kind: 'add-attempts', additions });
    if (response.kind !== 'counted') throw new StoreUnavailable('unexpected answer to a count');
    return response.totals;
  }

  /** @returns rows deleted */
  async sweep(time: CommitTime): Promise<number> {
    const response = await this.#request({ kind: 'sweep', ...time });
    return response.kind === 'done' ? response.rows : 0;
  }

  /** The highest time at which anything was committed, in milliseconds since the epoch. */
  async lastCommittedAt(): Promise<number | undefined> {
    const response = await this.#request({ kind: 'last-committed' });
    return response.kind === 'last-committed' ? response.at : undefined;
  }

  /** @returns how many rows were removed */
  async removeCutRows(lane: string, limit: number): Promise<number> {
    const response = await this.#request({ kind: 'remove-cut-rows', lane, limit });
    return response.kind === 'done' ? response.rows : 0;
  }

  async close(): Promise<void> {
    if (this.#failure) return;
    await this.#request({ kind: 'close' });
    this.#fail(new StoreUnavailable('the store is closed'));
    await this.#worker.terminate();
  }

  async #request(request: WriterRequest): Promise<WriterResponse> {
    if (this.#failure) throw this.#failure;
    const response = await new Promise<WriterResponse>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request);
    });
    if (response.kind === 'failed') throw new StoreUnavailable(response.message);
    return response;
  }

  #fail(failure: StoreUnavailable): void {
    this.#failure ??= failure;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }
}
