import type { CommitPort } from '../audit/index.ts';
import type { TokenChange } from '../tokens/index.ts';

/** What the protocol engine keeps between two requests: a session, a code, a grant. */
export interface EngineRecord {
  /** The engine's name of the kind, such as `AuthorizationCode`. */
  readonly model: string;
  /** A digest of the value that its holder presents: the value itself is stored nowhere (I11). */
  readonly key: string;
  /** Text that only the adapter reads. */
  readonly payload: string;
  /** The grant it belongs to: what is revoked together has the same one. */
  readonly grantId?: string;
  /** A second name by which a session is found; no secret. */
  readonly uid?: string;
  /** Milliseconds since the epoch; nobody finds it from then on. */
  readonly expiresAt: number;
}

/** A record as it is found. */
export interface StoredEngineRecord extends EngineRecord {
  /** When it was used up, in milliseconds since the epoch. */
  readonly consumedAt?: number;
}

export type EngineChange =
  /** Adds a record, or replaces it. Whether it has been used up stays as it was. */
  | { readonly kind: 'engine-put'; readonly record: EngineRecord }
  /** Uses up a record, once for all processes (I1). Conflict: `already-used`, also when it is gone or has expired. */
  | { readonly kind: 'engine-consume'; readonly model: string; readonly key: string; readonly now: number }
  /** Deletes a record, if there is one. */
  | { readonly kind: 'engine-destroy'; readonly model: string; readonly key: string }
  /** Deletes every record of a kind that belongs to a grant. */
  | { readonly kind: 'engine-revoke-grant'; readonly model: string; readonly grantId: string };

/** Where the engine's records are. Expiry is for the caller to check: rows may outlive it for a while. */
export interface EngineStore extends CommitPort<EngineChange | Extract<TokenChange, { kind: 'use-once' }>> {
  /** Sees everything that any process committed before the call. */
  findEngineRecord(model: string, key: string): Promise<StoredEngineRecord | undefined>;
  findEngineRecordByUid(model: string, uid: string): Promise<StoredEngineRecord | undefined>;
}
