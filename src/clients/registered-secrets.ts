import { Refused } from '../errors.ts';
import type { ClientCredential } from './client.ts';

/**
 * - `credential-takes-no-secret`: the client was registered with public keys
 * - `secret-unknown`: it has no such secret, or has it no longer
 */
export type CredentialRefusal = 'credential-takes-no-secret' | 'secret-unknown';

/** A secret as it is registered: its digest, never its value. */
export interface RegisteredSecret {
  /** SHA-256, base64url. */
  readonly digest: string;
  /** Milliseconds since the epoch; null where it is not known. */
  readonly madeAt: number | null;
}

/** Enough of a digest to tell the two secrets of a client apart, and nothing that leads to a secret of 256 random bits. */
const ID_CHARACTERS = 12;

/** What a secret is called: from it nothing can be found but which one is meant. */
export function secretId({ digest }: RegisteredSecret): string {
  return `sec_${digest.slice(0, ID_CHARACTERS)}`;
}

/**
 * The secrets that are accepted, newest first.
 *
 * @throws {Refused<CredentialRefusal>} `credential-takes-no-secret`
 */
export function secretsOf(credential: ClientCredential): readonly RegisteredSecret[] {
  if (credential.method !== 'client_secret') {
    throw new Refused<CredentialRefusal>('credential-takes-no-secret', {
      hint: `its method is ${credential.method}`,
    });
  }
  const { secretDigests, secretsMadeAt = [] } = credential;
  return secretDigests.map((digest, index) => ({ digest, madeAt: secretsMadeAt[index] ?? null }));
}

export function credentialOf(secrets: readonly RegisteredSecret[]): ClientCredential {
  return {
    method: 'client_secret',
    secretDigests: secrets.map(({ digest }) => digest),
    secretsMadeAt: secrets.map(({ madeAt }) => madeAt),
  };
}

/**
 * The credential without one of its secrets. Without the last one nothing is accepted until another is made.
 *
 * @param id as `secretId` gives it
 * @throws {Refused<CredentialRefusal>}
 */
export function withoutSecret(credential: ClientCredential, id: string): ClientCredential {
  const secrets = secretsOf(credential);
  const kept = secrets.filter(secret => secretId(secret) !== id);
  if (kept.length < secrets.length) return credentialOf(kept);
  throw new Refused<CredentialRefusal>('secret-unknown', {
    parameter: 'secret',
    sent: id,
    permitted: secrets.map(secretId),
  });
}
