import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Origin } from '../audit/index.ts';
import {
  type AssertionRules,
  isRegisteredSecret,
  type PublishedKeys,
  readAssertion,
  spendAssertion,
  verifyClientAssertion,
} from '../clients/index.ts';
import type { Moment } from '../clock.ts';
import { StoreUnavailable } from '../errors.ts';
import { type EngineClients, SECRET_DIGESTS } from './client-metadata.ts';
import type { EngineStore } from './engine-store.ts';
import { cannotAnswer, clientNotProven } from './errors.ts';

export interface AssertionCheckDeps extends AssertionRules {
  readonly clients: EngineClients;
  readonly publishedKeys: PublishedKeys;
  readonly records: EngineStore;
  readonly moment: () => Moment;
}

/**
 * The engine's last step in authenticating a client by `private_key_jwt`. It would take more audiences than the issuer, any
 * lifetime, and its own note of which assertions were used. So the assertion is verified once more by the rules that hold at
 * every endpoint, and used up in the table that all of them share.
 */
export function assertionCheck(deps: AssertionCheckDeps) {
  return async (ctx: KoaContextWithOIDC, claims: { readonly iss?: unknown }): Promise<void> => {
    const clientId = String(claims.iss);
    const now = deps.moment().latest;
    const origin = ctx.state['origin'] as Origin;
    const client = await deps.clients.findClient(clientId, { origin, mayFetch: false });
    const keys = client ? await deps.publishedKeys.keysOf(client, origin) : [];
    const assertion = String(ctx.oidc.params?.['client_assertion']);
    const verified = verifyClientAssertion(readAssertion(assertion), clientId, keys, deps, now);
    if (typeof verified === 'string') throw clientNotProven(verified);
    let isFirstUse: boolean;
    try {
      const outcome = await deps.records.commit({
        changes: [spendAssertion(clientId, verified)],
        events: [],
      });
      isFirstUse = outcome.committed;
    } catch (error) {
      throw error instanceof StoreUnavailable ? cannotAnswer(error) : error;
    }
    if (!isFirstUse) throw clientNotProven('assertion-replayed');
  };
}

interface EngineKeyStore {
  selectForVerify(asked: {
    readonly alg: string;
    readonly kid?: string;
  }): readonly { readonly kid?: string }[];
}

/**
 * Has the engine compare secrets by their digests, expect assertions to name the issuer, with or without a slash, and take `kid` for a
 * hint, as `verifyClientAssertion` does: it would look for no key but one of that name.
 */
export function useOurClientProofs(provider: Provider, issuer: string): void {
  Object.defineProperty(provider.Client.prototype, 'compareClientSecret', {
    value(this: Readonly<Record<string, unknown>>, presented: string): boolean {
      const digests = this[SECRET_DIGESTS];
      return Array.isArray(digests) && isRegisteredSecret(presented, digests);
    },
  });
  Object.defineProperty(provider.OIDCContext.prototype, 'clientJwtAuthExpectedAudience', {
    value(this: { readonly client: { readonly asymmetricKeyStore: EngineKeyStore } }): ReadonlySet<string> {
      takeKidAsHint(this.client.asymmetricKeyStore);
      return new Set([issuer, `${issuer}/`]);
    },
  });
}

function takeKidAsHint(keys: EngineKeyStore): void {
  if (Object.hasOwn(keys, 'selectForVerify')) return;
  const select = keys.selectForVerify.bind(keys);
  keys.selectForVerify = ({ kid, ...asked }) =>
    select(asked).filter(key => kid === undefined || key.kid === undefined || key.kid === kid);
}
