import { DEPLOYMENT, eraOf } from '../deployment-epoch.ts';
import type { Epochs, HandleId } from '../liveness.ts';

/**
 * The raised epochs, in memory: few, and asked for on every introspection. Each is forgotten once nothing can live any more
 * that carries an older one.
 */
export class EpochRegistry implements Epochs {
  readonly #raised = new Map<HandleId, { epoch: number; forgetAt: number }>();
  readonly #onClockAccepted: () => void;

  /** @param onClockAccepted called when it is heard that times committed before count no longer */
  constructor(onClockAccepted: () => void = () => undefined) {
    this.#onClockAccepted = onClockAccepted;
  }

  /** How often a clock was accepted, see `deployment-epoch.ts`. */
  get era(): number {
    return eraOf(this.raisedTo(DEPLOYMENT));
  }

  raisedTo(id: HandleId): number {
    return this.#raised.get(id)?.epoch ?? 0;
  }

  /**
   * Notes that an identity was raised to an epoch. Epochs only ever rise, in whatever order they are heard of.
   *
   * @param forgetAt milliseconds since the epoch
   */
  raise(id: HandleId, epoch: number, forgetAt: number): void {
    const isNewEra = id === DEPLOYMENT && eraOf(epoch) > this.era;
    this.#raise(id, epoch, forgetAt);
    if (isNewEra) this.#onClockAccepted();
  }

  #raise(id: HandleId, epoch: number, forgetAt: number): void {
    const known = this.#raised.get(id);
    if (known) {
      known.epoch = Math.max(known.epoch, epoch);
      known.forgetAt = Math.max(known.forgetAt, forgetAt);
    } else if (epoch > 0) {
      this.#raised.set(id, { epoch, forgetAt });
    }
  }

  /** Drops what need not be remembered any longer. */
  forget(nowMs: number): void {
    for (const [id, { forgetAt }] of this.#raised) if (forgetAt < nowMs) this.#raised.delete(id);
  }

  get size(): number {
    return this.#raised.size;
  }
}
