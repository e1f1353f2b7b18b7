import { hash } from 'node:crypto';

/** Where a lane stands: the number of its last row and that row's hash. */
export interface LaneHead {
  readonly lane: string;
  /** 0 before the first row. */
  readonly seq: number;
  /** Hexadecimal SHA-256; 64 zeros before the first row. */
  readonly hash: string;
}

/** A row of the trail, as it is stored. */
export interface AuditRow {
  readonly lane: string;
  readonly seq: number;
  /** Canonical JSON (RFC 8785) of the lane, the number and the event: exactly the text that is hashed. */
  readonly body: string;
  /** Hexadecimal SHA-256 of the previous row's hash and this body. */
  readonly hash: string;
}

export function emptyLane(lane: string): LaneHead {
  return { lane, seq: 0, hash: '0'.repeat(64) };
}

/** The hash that chains a row to the one before it. The previous hash has a fixed length, so the two cannot run together. */
export function chainHash(previousHash: string, body: string): string {
  return hash('sha256', previousHash + body, 'hex');
}

/**
 * Chains an event to the end of a lane.
 *
 * @param event in canonical JSON, see `canonicalEvent`
 * @returns the row to store; as a `LaneHead` it is also where the lane stands once the row is committed
 */
export function chainEvent(head: LaneHead, event: string): AuditRow {
  const seq = head.seq + 1;
  const body = `{"event":${event},"lane":${JSON.stringify(head.lane)},"seq":${seq}}`;
  return { lane: head.lane, seq, body, hash: chainHash(head.hash, body) };
}
