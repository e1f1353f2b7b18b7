import { generateKeyPairSync } from 'node:crypto';
import { type AuditEvent, eventOrigin, type Freshness, type Origin } from '../audit/index.ts';
import { newId } from '../ids.ts';
import { SIGNING_ALGS, type SigningAlg } from '../oauth.ts';
import type { SealingKey } from './sealing.ts';
import type { SigningKey } from './signing-key.ts';
import type { SigningKeyStore } from './signing-key-store.ts';

export interface SigningKeyDeps {
  readonly keys: SigningKeyStore;
  readonly sealing: SealingKey;
  readonly freshness: Freshness;
}

/** A new key pair, active from now on, its private half sealed. */
export function makeSigningKey(
  sealing: SealingKey,
  alg: SigningAlg,
  origin: Origin,
): { readonly key: SigningKey; readonly event: AuditEvent } {
  const { publicKey, privateKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const id = newId('key', origin.now);
  const key: SigningKey = {
    id,
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
    alg,
    status: 'active',
    publicJwk: { ...(publicKey.export({ format: 'jwk' }) as { kty: string }), kid: id, alg, use: 'sig' },
    sealedPrivateKey: sealing.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), id),
  };
  const event: AuditEvent = {
    type: 'key.created',
    outcome: 'done',
    ...eventOrigin(origin),
    target: id,
    detail: { alg },
  };
  return { key, event };
}

/**
 * Sees to it that there is an active key for every algorithm. Processes that start together may each make one: then the oldest
 * active key signs in all of them, and the other is published as well.
 */
export async function ensureSigningKeys(deps: SigningKeyDeps, origin: Origin): Promise<void> {
  await deps.freshness.fresh();
  const known = await deps.keys.listSigningKeys();
  const made = SIGNING_ALGS.filter(alg => !known.some(key => key.alg === alg && key.status === 'active')).map(
    alg => makeSigningKey(deps.sealing, alg, origin),
  );
  if (made.length === 0) return;
  await deps.keys.commit({
    changes: made.map(({ key }) => ({ kind: 'insert', collection: 'signing-key', record: key })),
    events: made.map(({ event }) => event),
  });
}
