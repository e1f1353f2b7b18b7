import { Refused } from '../errors.ts';
import type { CredentialStore } from './pass-store.ts';

/**
 * The person that every deployment begins with: who stands behind the bootstrap client, until somebody with a name takes them over by
 * enrolling as the first administrator. The identifier is the same everywhere.
 */
export const BOOTSTRAP_OPERATOR_ID = `usr_${'0'.repeat(32)}` as const;

/** The record is one that the server itself rests on. */
export type BuiltInRefusal = 'record-protected';

/** Whether it is the built-in person, and nobody is it yet. A person who is can be stopped like any other (I7). */
export async function isBuiltIn(
  credentials: Pick<CredentialStore, 'findCredential'>,
  id: string,
): Promise<boolean> {
  return id === BOOTSTRAP_OPERATOR_ID && (await credentials.findCredential(id)) === undefined;
}

/**
 * Keeps the built-in person out of reach of those who act by it: whoever could disable it could lock everyone out.
 *
 * @throws {Refused<BuiltInRefusal>} `record-protected`
 */
export async function assertNotBuiltIn(
  credentials: Pick<CredentialStore, 'findCredential'>,
  id: string,
): Promise<void> {
  if (!(await isBuiltIn(credentials, id))) return;
  throw new Refused<BuiltInRefusal>('record-protected', {
    parameter: 'id',
    sent: id,
    hint: 'it stands behind the client that the server was set up with; that client can be stopped',
  });
}
