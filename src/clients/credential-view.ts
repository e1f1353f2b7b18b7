import type { JWK } from 'jose';
import type { ClientCredential } from './client.ts';

/** What is shown of a credential: how many secrets are accepted, or the public keys. Never a digest. */
export type CredentialView =
  | { readonly method: 'client_secret'; readonly secrets: number }
  | { readonly method: 'private_key_jwt'; readonly keys: readonly JWK[] };

export function viewCredential(credential: ClientCredential): CredentialView {
  return credential.method === 'client_secret'
    ? { method: 'client_secret', secrets: credential.secretDigests.length }
    : { method: 'private_key_jwt', keys: credential.keys };
}
