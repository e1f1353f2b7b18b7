import { canonicalEvent } from '../../audit/chain.ts';
import type { HeldAuthority, Unit } from '../../audit/index.ts';
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

/** Every field of a token, in the order in which they cross. */
const FIELDS = Object.keys({
  jti: true,
  clientId: true,
  resourceId: true,
  issuedAt: true,
  expiresAt: true,
  lineage: true,
  answer: true,
} satisfies Record<keyof TokenRecord, true>) as (keyof TokenRecord)[];

export function flatten(units: readonly Unit<Change>[]): FlatBatch {
  const flat: (string | number | HeldAuthority | Change)[] = [];
  for (const { changes, events, authority } of units) {
    flat.push(authority && 'lineage' in authority ? authority : NO_AUTHORITY, changes.length);
    for (const change of changes) {
      if (change.kind === 'insert-token') {
        flat.push(TOKEN);
        for (const field of FIELDS) flat.push(change.token[field]);
      } else flat.push(change);
    }
    flat.push(events.length);
    for (const event of events) flat.push(canonicalEvent(event));
  }
  return flat;
}

export function unflatten(flat: FlatBatch): readonly UnitToWrite[] {
  const units: UnitToWrite[] = [];
  let at = 0;
  const next = () => flat[at++];
  while (at < flat.length) {
    const authority = next();
    const changes = Array.from({ length: next() as number }, () => {
      const change = next();
      return change === TOKEN ? readToken(next) : (change as Change);
    });
    const events = Array.from({ length: next() as number }, () => next() as string);
    units.push({
      changes,
      events,
      ...(authority !== NO_AUTHORITY && { authority: authority as HeldAuthority }),
    });
  }
  return units;
}

function readToken(next: () => FlatBatch[number] | undefined): Change {
  const token: Partial<Record<keyof TokenRecord, unknown>> = {};
  for (const field of FIELDS) token[field] = next();
  return { kind: 'insert-token', token: token as TokenRecord };
}
