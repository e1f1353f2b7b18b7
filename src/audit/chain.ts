import { hash } from 'node:crypto';
import type { AuditEvent } from './audit-event.ts';

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
 * Canonical JSON (RFC 8785) of an event. `JSON.stringify` writes text and numbers as the RFC asks; what is left is the order of
 * the members. Every token waits for this, and a general library takes twice as long.
 */
export function canonicalEvent(event: AuditEvent): string {
  return JSON.stringify(inOrder(event));
}

/**
 * Chains an event to the end of a lane.
 *
 * @param event the event, or its canonical JSON where that has been made elsewhere
 * @returns the row to store; as a `LaneHead` it is also where the lane stands once the row is committed
 */
export function chainEvent(head: LaneHead, event: AuditEvent | string): AuditRow {
  const seq = head.seq + 1;
  const text = typeof event === 'string' ? event : canonicalEvent(event);
  const body = `{"event":${text},"lane":${JSON.stringify(head.lane)},"seq":${seq}}`;
  return { lane: head.lane, seq, body, hash: chainHash(head.hash, body) };
}

function inOrder(value: object): object {
  const ordered: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) {
    const member = (value as Record<string, unknown>)[name];
    ordered[name] =
      typeof member === 'object' && member !== null && !Array.isArray(member) ? inOrder(member) : member;
  }
  return ordered;
}
