import type { AuditEvent, HeldAuthority, Unit } from '../../audit/index.ts';
import type { TokenRecord } from '../../tokens/index.ts';
import type { Change } from '../store.ts';
import type { UnitToWrite } from './apply-unit.ts';

/**
 * A batch as it crosses to the writing thread: one flat list. Structured clone costs little for text and much for each object,
 * and nearly all that is written is tokens. Each unit is its authority, the number of its changes, the changes, the number of its
 * events, and the events in canonical JSON; a token is its fields in order, behind a mark.
 */
export type FlatBatch = readonly (string | number | HeldAuthority | Change)[];

/** Stands before the fields of a token; every other change stands as it is. */
const TOKEN = 0;

/** Stands for an authority where nobody's is needed. */
const NO_AUTHORITY = '';

/** @param canonical `canonicalEvent`: handed in, so that the writing thread need not load what it needs */
export function flatten(units: readonly Unit<Change>[], canonical: (event: AuditEvent) => string): FlatBatch {
  const flat: (string | number | HeldAuthority | Change)[] = [];
  for (const { changes, events, authority } of units) {
    flat.push(authority && 'lineage' in authority ? authority : NO_AUTHORITY, changes.length);
    for (const change of changes) {
      if (change.kind === 'insert-token') {
        const { jti, clientId, resourceId, issuedAt, expiresAt, lineage, answer } = change.token;
        flat.push(TOKEN, jti, clientId, resourceId, issuedAt, expiresAt, lineage, answer);
      } else flat.push(change);
    }
    flat.push(events.length);
    for (const event of events) flat.push(canonical(event));
  }
  return flat;
}

export function unflatten(flat: FlatBatch): readonly UnitToWrite[] {
  const units: UnitToWrite[] = [];
  let at = 0;
  const next = () => flat[at++];
  while (at < flat.length) {
    const authority = next();
    const changes: Change[] = [];
    for (let left = next() as number; left > 0; left -= 1) {
      const change = next();
      changes.push(change === TOKEN ? { kind: 'insert-token', token: readToken(next) } : (change as Change));
    }
    const events: string[] = [];
    for (let left = next() as number; left > 0; left -= 1) events.push(next() as string);
    units.push({
      changes,
      events,
      ...(authority !== NO_AUTHORITY && { authority: authority as HeldAuthority }),
    });
  }
  return units;
}

/** The fields in the order in which `flatten` writes them. */
function readToken(next: () => FlatBatch[number] | undefined): TokenRecord {
  return {
    jti: next() as TokenRecord['jti'],
    clientId: next() as string,
    resourceId: next() as string,
    issuedAt: next() as number,
    expiresAt: next() as number,
    lineage: next() as string,
    answer: next() as string,
  };
}
