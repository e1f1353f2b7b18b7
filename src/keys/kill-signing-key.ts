import {
  type AuditEvent,
  assertVersion,
  eventOrigin,
  type IfMatch,
  type Origin,
  TAKES_AWAY,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { type KillInput, killDetail, killInput, parseInput } from '../input/index.ts';
import { changeSigningKeys, type SigningKeyDeps } from './change-signing-keys.ts';
import { makeSigningKey } from './create-signing-key.ts';
import { activate, keepSigning } from './retire-signing-key.ts';
import { type SigningKey, statusAt, withoutPrivateKey } from './signing-key.ts';

export type KillRefusal = 'key-unknown';

/**
 * Withdraws a signing key: it is gone from the JWKS, and every token that it signed is dead, in one write. Where no other key
 * signs, one does in the same write: a successor that is published already, or a new one. Killing a killed key changes nothing.
 *
 * @throws {Refused<KillRefusal>}
 */
export async function killSigningKey(
  deps: Pick<SigningKeyDeps, 'keys' | 'sealing' | 'freshness'>,
  id: string,
  origin: Origin,
  ifMatch?: IfMatch,
  input: KillInput = {},
): Promise<SigningKey> {
  const why = killDetail(parseInput(killInput, input));
  const { now } = origin;
  return changeSigningKeys(
    deps,
    keys => {
      const current = keys.find(key => key.id === id);
      if (!current) throw new Refused<KillRefusal>('key-unknown', { parameter: 'id', sent: id });
      assertVersion(current, ifMatch);
      if (current.status === 'killed') return { events: [], result: () => current };
      const killed: SigningKey = {
        ...withoutPrivateKey(current),
        status: 'killed',
        epoch: current.epoch + 1,
      };
      const event = (type: AuditEvent['type'], target: string, detail: AuditEvent['detail']): AuditEvent => ({
        type,
        outcome: 'done',
        ...eventOrigin(origin),
        target,
        ...(detail && { detail }),
      });
      const events = [event('key.killed', id, { epoch: killed.epoch, ...why })];
      const replaced: SigningKey[] = [killed];
      const added: SigningKey[] = [];

      const others = keys.filter(key => key.id !== id && key.alg === current.alg);
      if (statusAt(current, now) === 'published') {
        const kept = others.flatMap(key => keepSigning(key, current, now));
        replaced.push(...kept);
        events.push(...kept.map(key => event('key.rotation-ended', key.id, { successor: id })));
      } else if (!others.some(key => statusAt(key, now) === 'active')) {
        const pending = others.find(key => statusAt(key, now) === 'published');
        if (pending) {
          replaced.push(activate(pending, now));
          events.push(event('key.activated', pending.id, undefined));
        } else {
          const successor = makeSigningKey(deps.sealing, current.alg, origin);
          added.push(successor.key);
          events.push(successor.event);
        }
      }
      return {
        replaced,
        added,
        events,
        result: written => written.find(key => key.id === id) ?? killed,
      };
    },
    TAKES_AWAY,
    now,
  );
}
