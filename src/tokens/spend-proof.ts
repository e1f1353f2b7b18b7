import type { Context } from 'koa';
import { eventOrigin, type Origin } from '../audit/index.ts';
import {
  type AuthenticateClientDeps,
  type DpopDeps,
  type DpopProofRefusal,
  receiveDpopProof,
} from '../clients/index.ts';
import { Refused } from '../errors.ts';
import type { TokenStore } from './token-store.ts';

/**
 * Takes the DPoP proof of a request that the engine answers, and uses it up before that: a request that is refused then needs another one.
 *
 * @param url what the request was sent to, by configuration
 * @returns the RFC 7638 thumbprint of the key; undefined for a request without a proof
 * @throws {Refused<DpopProofRefusal>} recorded
 */
export async function spendProof(
  deps: Pick<AuthenticateClientDeps, 'refusals'> & { readonly dpop: DpopDeps; readonly tokens: TokenStore },
  ctx: Pick<Context, 'headers' | 'method' | 'set'>,
  url: string,
  origin: Origin,
): Promise<string | undefined> {
  if (ctx.headers['dpop'] === undefined) return undefined;
  const { jkt, spent } = await receiveDpopProof(deps.dpop, ctx, { url }, origin);
  const { committed } = await deps.tokens.commit({ changes: [spent], events: [] });
  if (committed) return jkt;
  const reason: DpopProofRefusal = 'dpop-proof-replayed';
  await deps.refusals.note({
    type: 'client.dpop-refused',
    outcome: 'refused',
    reason,
    ...eventOrigin(origin),
  });
  throw new Refused<DpopProofRefusal>(reason);
}
