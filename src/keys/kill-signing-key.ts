import { eventOrigin, type Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { makeSigningKey, type SigningKeyDeps } from './create-signing-key.ts';
import type { SigningKey } from './signing-key.ts';

export type SigningKeyRefusal = 'key-unknown';

const MAX_ATTEMPTS = 20;

/**
 * Withdraws a signing key: it is gone from the JWKS, and every token that it signed is dead, in one write. A new key takes its
 * place in the same write where no other one is active. Killing a killed key changes nothing.
 *
 * @throws {Refused<SigningKeyRefusal>}
 */
export async function killSigningKey(deps: SigningKeyDeps, id: string, origin: Origin): Promise<SigningKey> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const keys = await deps.keys.listSigningKeys();
    const current = keys.find(key => key.id === id);
    if (!current) throw new Refused<SigningKeyRefusal>('key-unknown', { parameter: 'id', sent: id });
    if (current.status === 'killed') return current;
    const record: SigningKey = {
      ...current,
      status: 'killed',
      version: current.version + 1,
      epoch: current.epoch + 1,
      updatedAt: Math.max(origin.now, current.updatedAt),
    };
    const isReplaced = keys.some(key => key.id !== id && key.alg === current.alg && key.status === 'active');
    const successor = isReplaced ? undefined : makeSigningKey(deps.sealing, current.alg, origin);
    const outcome = await deps.keys.commit({
      changes: [
        { kind: 'replace', collection: 'signing-key', record, ifVersion: current.version },
        ...(successor ? [{ kind: 'insert', collection: 'signing-key', record: successor.key } as const] : []),
      ],
      events: [
        {
          type: 'key.killed',
          outcome: 'done',
          ...eventOrigin(origin),
          target: id,
          detail: { epoch: record.epoch },
        },
        ...(successor ? [successor.event] : []),
      ],
    });
    if (outcome.committed) return record;
  }
  throw new StoreUnavailable('the signing key was changed again and again while it was being killed');
}
