import { type AuditEvent, type AuthorisedOrigin, eventOrigin, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { parseInput } from '../input/index.ts';
import { SIGNING_ALGS, type SigningAlg } from '../oauth.ts';
import { changeSigningKeys, type KeyChanges, type SigningKeyDeps } from './change-signing-keys.ts';
import { makeSigningKey } from './create-signing-key.ts';
import { type RotationInput, rotationInput } from './rotation-input.ts';
import { type SigningKey, statusAt } from './signing-key.ts';

/** A successor is published already and has not begun to sign. */
export type RotationRefusal = 'key-rotation-pending';

/**
 * Makes a successor for the signing key of one algorithm or of all: published from now on, signing after the overlap. The
 * present key signs until that very instant and verifies until its last token has expired. All of it stands in the records, so
 * every process follows by itself.
 *
 * @returns the successors
 * @throws {Refused<RotationRefusal | InputRefusal>} when one is pending: it can be retired, which ends the rotation
 */
export async function rotateSigningKeys(
  deps: SigningKeyDeps,
  input: RotationInput,
  origin: AuthorisedOrigin,
): Promise<readonly SigningKey[]> {
  const { alg: only, overlapSeconds } = parseInput(rotationInput, input);
  const activatesAt =
    origin.now + (overlapSeconds === undefined ? deps.timing.overlapMs : overlapSeconds * 1000);
  const algs = only === undefined ? SIGNING_ALGS : [only];
  return changeSigningKeys(
    deps,
    keys => {
      for (const alg of algs) assertNonePending(keys, alg, origin.now);
      return planRotation(deps, keys, algs, activatesAt, 'asked', origin);
    },
    origin.authority,
    origin.now,
  );
}

/**
 * Rotates each algorithm whose key has signed for long enough. Every process may call it: the first one's write makes the others
 * find that it is done.
 *
 * @param everyMs how long a key signs; 0 for as long as nobody rotates it
 */
export async function rotateBySchedule(deps: SigningKeyDeps, everyMs: number, origin: Origin): Promise<void> {
  if (everyMs === 0) return;
  const { now } = origin;
  await changeSigningKeys(
    deps,
    keys => {
      const due = SIGNING_ALGS.filter(alg => isDue(keys, alg, everyMs, now));
      return planRotation(deps, keys, due, now + deps.timing.overlapMs, 'schedule', origin);
    },
    { none: 'background' },
    now,
  );
}

function isDue(keys: readonly SigningKey[], alg: SigningAlg, everyMs: number, now: number): boolean {
  const own = keys.filter(key => key.alg === alg);
  if (own.some(key => statusAt(key, now) === 'published')) return false;
  const active = own.filter(key => statusAt(key, now) === 'active');
  return active.length > 0 && active.every(key => (key.activatesAt ?? key.createdAt) + everyMs <= now);
}

function assertNonePending(keys: readonly SigningKey[], alg: SigningAlg, now: number): void {
  const pending = keys.find(key => key.alg === alg && statusAt(key, now) === 'published');
  if (!pending) return;
  throw new Refused<RotationRefusal>('key-rotation-pending', {
    parameter: 'alg',
    sent: alg,
    hint: `${pending.id} is published and signs from ${new Date(pending.activatesAt ?? 0).toISOString()} on; retire it to end that rotation, or retire the present key to have it sign at once`,
  });
}

function planRotation(
  deps: SigningKeyDeps,
  keys: readonly SigningKey[],
  algs: readonly SigningAlg[],
  activatesAt: number,
  cause: 'asked' | 'schedule',
  origin: Origin,
): KeyChanges<readonly SigningKey[]> {
  const rotations = algs.map(alg => rotate(deps, keys, alg, activatesAt, cause, origin));
  return {
    replaced: rotations.flatMap(({ replaced }) => replaced),
    added: rotations.map(({ added }) => added),
    events: rotations.flatMap(({ events }) => events),
    result: () => rotations.map(({ added }) => added),
  };
}

interface Rotation {
  readonly replaced: readonly SigningKey[];
  readonly added: SigningKey;
  readonly events: readonly AuditEvent[];
}

function rotate(
  deps: SigningKeyDeps,
  keys: readonly SigningKey[],
  alg: SigningAlg,
  activatesAt: number,
  cause: 'asked' | 'schedule',
  origin: Origin,
): Rotation {
  const { key: added, event } = makeSigningKey(deps.sealing, alg, origin, activatesAt);
  const present = keys.filter(key => key.alg === alg && statusAt(key, origin.now) === 'active');
  return {
    added,
    replaced: present.map(key => ({
      ...key,
      status: 'active' as const,
      retiresAt: activatesAt,
      removesAt: activatesAt + deps.timing.verifiesMs,
    })),
    events: [
      event,
      ...present.map(
        (key): AuditEvent => ({
          type: 'key.rotated',
          outcome: 'done',
          ...eventOrigin(origin),
          target: key.id,
          detail: { successor: added.id, retiresAt: activatesAt, cause },
        }),
      ),
    ],
  };
}
