import type { z } from 'zod';
import type { AdminShell, Immutable } from '../admin-api/index.ts';
import { type shownSigningKey, signingKeyCalls } from './api.ts';
import type { SigningKeyDeps } from './change-signing-keys.ts';
import { type KillRefusal, killSigningKey } from './kill-signing-key.ts';
import { type ResealRefusal, resealSigningKeys } from './reseal-signing-keys.ts';
import { type RetirementRefusal, retireSigningKey } from './retire-signing-key.ts';
import { type RotationRefusal, rotateSigningKeys } from './rotate-signing-keys.ts';
import { sealedWith } from './sealing.ts';
import { type SigningKey, statusAt } from './signing-key.ts';

export type SigningKeyRefusal = KillRefusal | ResealRefusal | RetirementRefusal | RotationRefusal;

/** What is shown of a signing key: never its private half, sealed or not. */
export type SigningKeyView = Immutable<z.output<typeof shownSigningKey>>;

/** Binds the calls about signing keys. */
export function signingKeyRoutes(deps: SigningKeyDeps, shell: AdminShell): void {
  shell.route(signingKeyCalls.listSigningKeys, async ({ origin }) => ({
    body: { items: (await deps.keys.listSigningKeys()).map(key => viewKey(key, origin.now)) },
  }));
  shell.route(signingKeyCalls.rotateSigningKeys, async ({ body, origin, keeping }) => {
    const made = (keys: readonly SigningKey[]) => ({
      body: { items: keys.map(key => viewKey(key, origin.now)) },
    });
    // The others are those that the new ones take the place of.
    const isNew = ({ version }: SigningKey) => version === 1;
    const keys = keeping(deps.keys, (written: readonly SigningKey[]) => made(written.filter(isNew)));
    return made(await rotateSigningKeys({ ...deps, keys }, body, origin));
  });
  shell.route(signingKeyCalls.resealSigningKeys, async ({ origin }) => ({
    body: await resealSigningKeys(deps, origin),
  }));
  shell.route(signingKeyCalls.retireSigningKey, async ({ params, ifMatch, origin }) =>
    answer(await retireSigningKey(deps, params.id, origin, ifMatch), origin.now),
  );
  shell.route(signingKeyCalls.killSigningKey, async ({ params, body, ifMatch, origin }) =>
    answer(await killSigningKey(deps, params.id, origin, ifMatch, body), origin.now),
  );
}

function answer(key: SigningKey, now: number) {
  return { body: viewKey(key, now), version: key.version };
}

function viewKey(key: SigningKey, now: number): SigningKeyView {
  const { id, alg, createdAt, updatedAt, activatesAt, retiresAt, removesAt, sealedPrivateKey } = key;
  return {
    id,
    alg,
    status: statusAt(key, now),
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
    ...(activatesAt !== undefined && { activatesAt: new Date(activatesAt).toISOString() }),
    ...(retiresAt !== undefined && { retiresAt: new Date(retiresAt).toISOString() }),
    ...(removesAt !== undefined && { removesAt: new Date(removesAt).toISOString() }),
    ...(sealedPrivateKey !== undefined && { sealedWith: sealedWith(sealedPrivateKey) }),
  };
}
