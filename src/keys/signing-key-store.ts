import type { CommitPort, RecordChange } from '../audit/index.ts';
import type { SigningKey } from './signing-key.ts';

export type SigningKeyChange = RecordChange<'signing-key', SigningKey>;

export interface SigningKeyStore extends CommitPort<SigningKeyChange> {
  findSigningKey(id: string): Promise<SigningKey | undefined>;
  /** All of them, oldest first: there are never many. */
  listSigningKeys(): Promise<readonly SigningKey[]>;
}
