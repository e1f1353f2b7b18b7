import { generateKeyPairSync } from 'node:crypto';
import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { newId } from '../ids.ts';
import { SIGNING_ALGS, type SigningAlg } from '../oauth.ts';
import { changeSigningKeys, type SigningKeyDeps } from './change-signing-keys.ts';
import type { SealingKey } from './sealing.ts';
import { type SigningKey, statusAt } from './signing-key.ts';

/**
 * A new key pair, its private half sealed: published from now on.
 *
 * @param activatesAt when it begins to sign, in milliseconds since the epoch; at once where absent
 */
export function makeSigningKey(
  sealing: SealingKey,
  alg: SigningAlg,
  origin: Origin,
  activatesAt = origin.now,
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
    status: activatesAt > origin.now ? 'published' : 'active',
    activatesAt,
    publicJwk: { ...(publicKey.export({ format: 'jwk' }) as { kty: string }), kid: id, alg, use: 'sig' },
    sealedPrivateKey: sealing.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), id),
  };
  const event: AuditEvent = {
    type: 'key.created',
    outcome: 'done',
    ...eventOrigin(origin),
    target: id,
    detail: { alg, activatesAt },
  };
  return { key, event };
}

/**
 * Sees to it that there is an active key for every algorithm. Processes that start together may each make one: then the oldest
 * active key signs in all of them, and the other is published as well.
 */
export async function ensureSigningKeys(
  deps: Pick<SigningKeyDeps, 'keys' | 'sealing' | 'freshness'>,
  origin: Origin,
): Promise<void> {
  await changeSigningKeys(
    deps,
    known => {
      const made = SIGNING_ALGS.filter(
        alg => !known.some(key => key.alg === alg && statusAt(key, origin.now) === 'active'),
      ).map(alg => makeSigningKey(deps.sealing, alg, origin));
      return {
        added: made.map(({ key }) => key),
        events: made.map(({ event }) => event),
        result: () => undefined,
      };
    },
    { none: 'boot' },
    origin.now,
  );
}
