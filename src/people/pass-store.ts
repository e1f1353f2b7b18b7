import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { Pass, PassKind, PassOf } from './pass.ts';
import type { PersonCredential } from './person-credential.ts';

export type PassChange =
  /** Adds one. Conflict: `already-exists`. */
  | { readonly kind: 'issue-pass'; readonly pass: Pass }
  /** Replaces one that is still at `ifVersion`. Conflict: `version-changed`, also when it is gone: what has ended stays ended. */
  | { readonly kind: 'renew-pass'; readonly pass: Pass; readonly ifVersion: number }
  /** Uses one up, once for all processes (I1). Conflict: `already-used`, also when it is gone or has expired. */
  | { readonly kind: 'take-pass'; readonly passKind: PassKind; readonly key: string; readonly now: number }
  /** Deletes those of a kind that a person has, but for the one with the key `except`. */
  | {
      readonly kind: 'end-passes';
      readonly passKind: PassKind;
      readonly personId: string;
      readonly except?: string;
    };

export type CredentialChange = RecordChange<'person-credential', PersonCredential>;

/** Where passes are. Expiry is for the caller to check: rows may outlive it for a while. */
export interface PassStore extends CommitPort<PassChange> {
  /** Sees everything that any process committed before the call. */
  findPass<K extends PassKind>(kind: K, key: string): Promise<PassOf<K> | undefined>;
  /** Newest first. */
  listPasses<K extends PassKind>(kind: K, personId: string): Promise<readonly PassOf<K>[]>;
}

/** Conflict on insert: `already-exists` when the person has one. */
export interface CredentialStore extends CommitPort<CredentialChange> {
  findCredential(personId: string): Promise<PersonCredential | undefined>;
}
