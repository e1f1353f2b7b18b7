import {
  type AuditEvent,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  TAKES_AWAY,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { changeSigningKeys, type SigningKeyDeps } from './change-signing-keys.ts';
import { type SigningKey, statusAt, withoutPrivateKey } from './signing-key.ts';

export type RetirementRefusal = 'key-unknown' | 'key-without-successor';

/**
 * Has a signing key sign no longer, from now on. What it signed stays valid to its end, and the key verifies until then.
 *
 * - An active key needs another one that can sign: a pending successor begins at once, whether or not its overlap is over.
 * - A key that is published and does not sign yet is gone at once, and the one before it goes on: the rotation is off.
 * - A key that signs no longer stays as it is.
 *
 * @throws {Refused<RetirementRefusal>}
 */
export async function retireSigningKey(
  deps: SigningKeyDeps,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
): Promise<SigningKey> {
  const { now } = origin;
  return changeSigningKeys(
    deps,
    keys => {
      const current = keys.find(key => key.id === id);
      if (!current) throw new Refused<RetirementRefusal>('key-unknown', { parameter: 'id', sent: id });
      assertVersion(current, ifMatch);
      const status = statusAt(current, now);
      if (status !== 'active' && status !== 'published') return { events: [], result: () => current };
      const others = keys.filter(key => key.id !== id && key.alg === current.alg);
      const replaced =
        status === 'published'
          ? [endKey(current, now, 0), ...others.flatMap(key => keepSigning(key, current, now))]
          : [endKey(current, now, deps.timing.verifiesMs), ...successors(others, current, now)];
      return {
        replaced,
        events: replaced.flatMap(key => eventsOf(key, id, origin)),
        result: written => written.find(key => key.id === id) ?? current,
      };
    },
    TAKES_AWAY,
    now,
  );
}

/** A key that has ceased to sign, without its private half. */
export function endKey(key: SigningKey, now: number, verifiesMs: number): SigningKey {
  return { ...withoutPrivateKey(key), status: 'retired', retiresAt: now, removesAt: now + verifiesMs };
}

/** The present key as it was before its successor was made. */
export function keepSigning(key: SigningKey, successor: SigningKey, now: number): readonly SigningKey[] {
  if (statusAt(key, now) !== 'active' || key.retiresAt !== successor.activatesAt) return [];
  const { retiresAt: _at, removesAt: _until, ...kept } = key;
  return [kept];
}

/** A published key that signs from now on. */
export function activate(key: SigningKey, now: number): SigningKey {
  return { ...key, status: 'active', activatesAt: now };
}

function successors(others: readonly SigningKey[], current: SigningKey, now: number): readonly SigningKey[] {
  if (others.some(key => statusAt(key, now) === 'active')) return [];
  const pending = others.find(key => statusAt(key, now) === 'published');
  if (pending) return [activate(pending, now)];
  throw new Refused<RetirementRefusal>('key-without-successor', {
    parameter: 'id',
    sent: current.id,
    hint: `no other ${current.alg} key could sign: rotate first, or kill this one`,
  });
}

function eventsOf(key: SigningKey, id: string, origin: Origin): readonly AuditEvent[] {
  const shared = { outcome: 'done', ...eventOrigin(origin), target: key.id } as const;
  if (key.id === id)
    return [{ type: 'key.retired', ...shared, detail: { removesAt: key.removesAt ?? null } }];
  // The other key either begins at once, or goes on because its successor is gone.
  return key.activatesAt === origin.now
    ? [{ type: 'key.activated', ...shared }]
    : [{ type: 'key.rotation-ended', ...shared, detail: { successor: id } }];
}
