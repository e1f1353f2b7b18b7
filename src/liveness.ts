/**
 * The one rule of liveness (I7), shared with the guard and free of dependencies.
 *
 * Every token carries its lineage: a handle for each thing it descends from. A handle is an identity with the epoch it had when
 * the token was decided (`agt_7:3`). A cutoff raises the epoch of one identity: whatever carries an older one is dead. Clocks
 * are never compared, so a token decided before a kill and committed after it is dead, whichever process wrote it.
 *
 * Only its two ends go by a clock: it is over at the second one, and not yet good before the first, since whoever issued it had a
 * wrong clock and may have had one for long.
 */

/** What a token descends from: an agent, a person, a resource, a signing key, a token, the deployment. */
export type HandleId = string;

/** An identity and its epoch, written `id:epoch`. */
export type Handle = `${HandleId}:${number}`;

/** The handles of a token in one string, separated by spaces: stored as it is, and cheap to compare. */
export type Lineage = string;

/** Knows the epoch to which each identity has been raised; 0 where it never was. */
export interface Epochs {
  raisedTo(id: HandleId): number;
}

export interface Mortal {
  readonly lineage: Lineage;
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  /** Seconds since the epoch; dead from this second on. */
  readonly expiresAt: number;
}

export function handle(id: HandleId, epoch: number): Handle {
  return `${id}:${epoch}`;
}

export function lineageOf(handles: readonly Handle[]): Lineage {
  return handles.join(' ');
}

/**
 * The handle that killed a token, if one did.
 *
 * @returns the first handle whose epoch has been raised beyond the one carried, or undefined
 * @throws {TypeError} when the lineage is malformed: it is never read as alive
 */
export function findDeadHandle(lineage: Lineage, epochs: Epochs): Handle | undefined {
  let start = 0;
  while (start < lineage.length) {
    const space = lineage.indexOf(' ', start);
    const end = space === -1 ? lineage.length : space;
    const colon = lineage.lastIndexOf(':', end - 1);
    const epoch = colon > start && colon + 1 < end ? Number(lineage.slice(colon + 1, end)) : Number.NaN;
    if (!Number.isSafeInteger(epoch)) throw new TypeError('malformed lineage');
    if (epochs.raisedTo(lineage.slice(start, colon)) > epoch) return lineage.slice(start, end) as Handle;
    start = end + 1;
  }
  return undefined;
}

/** How far apart the clocks of processes that issue tokens may be. */
const CLOCK_SKEW_MS = 5_000;

/**
 * Whether a token still lives: every handle current, not expired, and not from the future.
 *
 * @param nowMs milliseconds since the epoch
 */
export function isLive(token: Mortal, epochs: Epochs, nowMs: number): boolean {
  return !hasEnded(token, epochs, nowMs) && !isFromTheFuture(token, nowMs);
}

/** Whether a token is dead for good: expired, or with a handle that was cut off. One from the future is not. */
export function hasEnded(token: Mortal, epochs: Epochs, nowMs: number): boolean {
  return (
    nowMs >= token.expiresAt * 1000 ||
    token.lineage === '' ||
    findDeadHandle(token.lineage, epochs) !== undefined
  );
}

/** Whether a token was issued by a clock that was wrong: it is not live, and would be later. */
export function isFromTheFuture({ issuedAt }: Pick<Mortal, 'issuedAt'>, nowMs: number): boolean {
  return issuedAt * 1000 > nowMs + CLOCK_SKEW_MS;
}
