import { eventOrigin, type Origin } from '../audit/index.ts';
import {
  makeKeyCheck,
  opensKeyCheck,
  SealBroken,
  type SealingKey,
  type SigningKey,
  sealedWith,
} from '../keys/index.ts';
import type { Deployment } from './deployment.ts';
import { type QuarantineDeps, reviseDeployment } from './quarantine.ts';

/**
 * Whether nothing in a store is sealed yet: no server has got so far on it. Only beside such a store may a start make files that it
 * needs: made beside any other, they would hide that those which belong to it are lost.
 */
export function isNewStore(deployment: Deployment | undefined, signingKeys: readonly SigningKey[]): boolean {
  return (deployment?.keyChecks ?? []).length === 0 && signingKeys.length === 0;
}

/** The key-encryption keys that something in the store may be sealed with and that are not configured, by their names. */
export function missingKeyEncryptionKeys(
  deployment: Deployment | undefined,
  sealing: SealingKey,
): readonly string[] {
  const checks = deployment?.keyChecks ?? [];
  return [...new Set(checks.filter(check => !opensKeyCheck(sealing, check)).map(sealedWith))];
}

/**
 * Notes the key-encryption key that this process seals with, before it seals anything: from now on none starts without it.
 *
 * @throws {SealBroken} when another process has noted one meanwhile that is not configured here
 */
export function noteKeyEncryptionKey(
  deps: QuarantineDeps,
  sealing: SealingKey,
  origin: Origin,
): Promise<Deployment> {
  return reviseDeployment(deps, origin, current => {
    const { keyChecks = [] } = current;
    for (const check of keyChecks) assertOpens(sealing, check);
    if (keyChecks.some(sealing.isCurrent)) return undefined;
    return {
      record: { ...current, keyChecks: [...keyChecks, makeKeyCheck(sealing)] },
      more: [],
      event: {
        type: 'deployment.key-noted',
        outcome: 'done',
        ...eventOrigin(origin),
        target: current.storeId,
        detail: { keyEncryptionKey: sealing.keyName },
      },
    };
  });
}

/** Once everything is sealed with the present key-encryption key: the older ones are needed no longer. */
export async function forgetOlderKeyEncryptionKeys(
  deps: QuarantineDeps,
  sealing: SealingKey,
  origin: Origin,
): Promise<void> {
  await reviseDeployment(deps, origin, current => {
    const { keyChecks = [] } = current;
    const forgotten = keyChecks.filter(check => !sealing.isCurrent(check));
    if (forgotten.length === 0) return undefined;
    return {
      record: { ...current, keyChecks: keyChecks.filter(sealing.isCurrent) },
      more: [],
      event: {
        type: 'deployment.key-forgotten',
        outcome: 'done',
        ...eventOrigin(origin),
        target: current.storeId,
        detail: { keyEncryptionKeys: forgotten.map(sealedWith) },
      },
    };
  });
}

function assertOpens(sealing: SealingKey, check: string): void {
  if (opensKeyCheck(sealing, check)) return;
  throw new SealBroken(
    `the store is sealed with the key-encryption key ${sealedWith(check)}, which is not configured`,
  );
}
