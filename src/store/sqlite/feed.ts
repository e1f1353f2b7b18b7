import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EpochRegistry } from '../epoch-registry.ts';

/** Announcements are deleted after they have been kept for a day: a process that has been away this long starts over. */
const TRUSTED_GAP_MS = 3_600_000;
const FORGET_EVERY_MS = 5_000;

/**
 * Hears what any process has committed since it last looked: raised epochs and changed records. It reads in the transaction
 * that answers the question at hand, so there is no lag and nothing to be stale.
 */
export class Feed {
  readonly #since: StatementSync;
  readonly #epochs: EpochRegistry;
  readonly #onChange: (id: string) => void;
  readonly #onGap: () => void;
  #seq = 0;
  #heardAt = performance.now();
  #forgotAt = 0;

  /**
   * @param onChange called with the identifier of each changed record or raised handle
   * @param onGap called when announcements may have been missed
   */
  constructor(
    database: DatabaseSync,
    epochs: EpochRegistry,
    onChange: (id: string) => void,
    onGap: () => void,
  ) {
    this.#since = database.prepare('SELECT seq, id, epoch, forget_at FROM feed WHERE seq > ? ORDER BY seq');
    this.#epochs = epochs;
    this.#onChange = onChange;
    this.#onGap = onGap;
  }

  /** Hears everything that the current snapshot holds. */
  hear(nowMs: number): void {
    const heardBefore = this.#heardAt;
    this.#heardAt = performance.now();
    if (this.#heardAt - heardBefore > TRUSTED_GAP_MS) this.#onGap();
    const rows = this.#since.all(this.#seq) as {
      seq: number;
      id: string;
      epoch: number;
      forget_at: number;
    }[];
    for (const row of rows) {
      this.#epochs.raise(row.id, row.epoch, row.forget_at);
      this.#onChange(row.id);
      this.#seq = row.seq;
    }
    if (this.#heardAt - this.#forgotAt > FORGET_EVERY_MS) {
      this.#forgotAt = this.#heardAt;
      this.#epochs.forget(nowMs);
    }
  }
}
