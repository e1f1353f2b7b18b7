import { type AuditEvent, type AuditEventType, eventOrigin, type Origin } from '../audit/index.ts';
import { changeSigningKeys, type SigningKeyDeps } from './change-signing-keys.ts';
import { type SigningKey, type SigningKeyStatus, statusAt, withoutPrivateKey } from './signing-key.ts';

const STEPS: Readonly<Partial<Record<SigningKeyStatus, AuditEventType>>> = {
  active: 'key.activated',
  retired: 'key.retired',
  removed: 'key.removed',
};

/**
 * Writes down the steps that keys have taken by themselves, so that no clock set back can take them back, and destroys the
 * private halves that sign no longer. To be called every few seconds, by every process: whoever is first writes.
 */
export async function advanceSigningKeys(
  deps: Pick<SigningKeyDeps, 'keys' | 'freshness'>,
  origin: Origin,
): Promise<void> {
  await changeSigningKeys(
    deps,
    keys => {
      const replaced = keys.flatMap(key => {
        const status = statusAt(key, origin.now);
        return status === key.status ? [] : [{ ...endSigning(key, status), status }];
      });
      return { replaced, events: replaced.map(key => stepEvent(key, origin)), result: () => undefined };
    },
    { none: 'background' },
    origin.now,
  );
}

function endSigning(key: SigningKey, status: SigningKeyStatus): SigningKey {
  return status === 'active' ? key : withoutPrivateKey(key);
}

function stepEvent(key: SigningKey, origin: Origin): AuditEvent {
  return {
    type: STEPS[key.status] ?? 'key.removed',
    outcome: 'done',
    ...eventOrigin(origin),
    target: key.id,
    ...(key.status === 'retired' && { detail: { removesAt: key.removesAt ?? null } }),
  };
}
