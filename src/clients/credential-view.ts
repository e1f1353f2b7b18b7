import type { JWK } from 'jose';
import type { ClientCredential } from './client.ts';
import { publicKeyId, registeredKeysOf } from './registered-keys.ts';
import { secretId, secretsOf } from './registered-secrets.ts';

/** What is shown of a credential: how many secrets are accepted, or the public keys or where they are. Never a digest. */
export type CredentialView =
  | { readonly method: 'client_secret'; readonly secrets: number }
  | { readonly method: 'private_key_jwt'; readonly keys: readonly JWK[] }
  | { readonly method: 'private_key_jwt'; readonly jwksUri: string }
  | { readonly method: 'none' };

export function viewCredential(credential: ClientCredential): CredentialView {
  if (credential.method === 'client_secret') {
    return { method: 'client_secret', secrets: credential.secretDigests.length };
  }
  if (credential.method === 'none') return credential;
  return 'jwksUri' in credential
    ? { method: 'private_key_jwt', jwksUri: credential.jwksUri }
    : { method: 'private_key_jwt', keys: credential.keys };
}

/** The public keys of a client, and what they are called. */
export function viewKeys(credential: ClientCredential): {
  readonly items: readonly ({ readonly id: string } & JWK)[];
} {
  return { items: registeredKeysOf(credential).map(key => ({ id: publicKeyId(key), ...key })) };
}

/** The secrets of a client by what they are called: never a value, nor a digest. */
export function viewSecrets(credential: ClientCredential): {
  readonly items: readonly { readonly id: string; readonly createdAt?: string }[];
} {
  const items = secretsOf(credential).map(secret => ({
    id: secretId(secret),
    ...(secret.madeAt !== null && { createdAt: new Date(secret.madeAt).toISOString() }),
  }));
  return { items };
}
