import { hash } from 'node:crypto';
import type { CommitPort } from '../audit/index.ts';
import type { SelfDescription } from './application.ts';

interface KeptRecord {
  readonly model: string;
  readonly key: string;
  readonly payload: string;
  readonly expiresAt: number;
}

/** Where descriptions are kept: among what the protocol engine keeps between two requests, and deleted as that is. */
export interface DescriptionStore
  extends CommitPort<{ readonly kind: 'engine-put'; readonly record: KeptRecord }> {
  findEngineRecord(model: string, key: string): Promise<KeptRecord | undefined>;
}

const MODEL = 'SelfDescription';

/** A change that keeps what an application has said of itself. */
export function keepDescription(description: SelfDescription, expiresAt: number) {
  return {
    kind: 'engine-put',
    record: {
      model: MODEL,
      key: keyOf(description.clientId),
      payload: JSON.stringify(description),
      expiresAt,
    },
  } as const;
}

/** What an application has said of itself when it was last heard; undefined when that is forgotten. */
export async function findDescription(
  store: DescriptionStore,
  clientId: string,
  now: number,
): Promise<SelfDescription | undefined> {
  const record = await store.findEngineRecord(MODEL, keyOf(clientId));
  return record && record.expiresAt > now ? (JSON.parse(record.payload) as SelfDescription) : undefined;
}

function keyOf(clientId: string): string {
  return hash('sha256', `description of ${clientId}`, 'base64url');
}
