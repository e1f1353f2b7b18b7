import type { z } from 'zod';
import type { AdminShell, Immutable } from '../admin-api/index.ts';
import type { AgentStore } from '../agents/index.ts';
import { getAgent } from '../agents/index.ts';
import type { Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { type Epochs, findDeadHandle, hasEnded, isFromTheFuture } from '../liveness.ts';
import { isTokenId } from './access-token-value.ts';
import { type ActClaim, actorsOf } from './act-claim.ts';
import { type shownToken, tokenCalls } from './api.ts';
import { cutOffToken } from './revoke-token.ts';
import type { TokenId, TokenRecord } from './token.ts';
import type { TokenStore } from './token-store.ts';

export type TokenRefusal = 'token-unknown';

export interface TokenAdminDeps {
  readonly tokens: TokenStore;
  readonly agents: Pick<AgentStore, 'findAgent'>;
}

/** What is shown of a token. */
export type TokenView = Immutable<z.output<typeof shownToken>>;

/** Binds the calls about tokens. */
export function tokenRoutes(deps: TokenAdminDeps, shell: AdminShell): void {
  const { tokens } = deps;
  shell.route(tokenCalls.getCaller, async ({ origin: { client = '', subject = client, scopes = [] } }) => ({
    body: { clientId: client, subject, scopes },
  }));
  shell.route(tokenCalls.listAgentTokens, async ({ params, query, origin }) => {
    const { id } = await getAgent(deps.agents, params.id);
    await tokens.fresh();
    const after = query.after as TokenId | undefined;
    const found = await tokens.listTokens(id, query.limit + 1, after);
    const items = found.slice(0, query.limit);
    const next = found.length > query.limit ? items.at(-1)?.jti : undefined;
    return {
      body: {
        items: items.map(token => viewToken(token, tokens.epochs, origin.latest)),
        ...(next !== undefined && { next }),
      },
    };
  });
  shell.route(tokenCalls.getToken, async ({ params, origin }) => ({
    body: viewToken(await getToken(tokens, params.jti), tokens.epochs, origin.latest),
  }));
  shell.route(tokenCalls.revokeToken, async ({ params, origin }) => {
    const token = await endToken(tokens, params.jti, origin);
    return { body: viewToken(token, tokens.epochs, origin.latest) };
  });
}

/**
 * Ends one token, whoever holds it. One that has ended stays as it is.
 *
 * @throws {Refused<TokenRefusal>}
 */
async function endToken(tokens: TokenStore, jti: string, origin: Origin): Promise<TokenRecord> {
  const token = await getToken(tokens, jti);
  if (hasEnded(token, tokens.epochs, origin.latest)) return token;
  const { change, event } = cutOffToken(token, origin);
  const outcome = await tokens.commit({ changes: [change], events: [event] });
  if (!outcome.committed) throw new StoreUnavailable('a cutoff cannot conflict with anything');
  return token;
}

/** @throws {Refused<TokenRefusal>} */
async function getToken(tokens: TokenStore, jti: string): Promise<TokenRecord> {
  const token = isTokenId(jti) ? await tokens.findToken(jti) : undefined;
  if (!token) throw new Refused<TokenRefusal>('token-unknown', { parameter: 'jti', sent: jti });
  return token;
}

/** What is read here of an introspection response. */
interface TokenAnswer {
  readonly sub: string;
  readonly aud: string;
  readonly scope: string;
  readonly cnf?: object;
  readonly act?: ActClaim;
  readonly delegation_id?: string;
}

function viewToken(token: TokenRecord, epochs: Epochs, nowMs: number): TokenView {
  const { sub, aud, scope, cnf, act, delegation_id: delegationId } = JSON.parse(token.answer) as TokenAnswer;
  const dead = findDeadHandle(token.lineage, epochs);
  const isExpired = nowMs >= token.expiresAt * 1000;
  return {
    jti: token.jti,
    clientId: token.clientId,
    subject: sub,
    ...(act && { actor: [...actorsOf(act)] }),
    ...(delegationId !== undefined && { delegationId }),
    resource: aud,
    scope,
    issuedAt: new Date(token.issuedAt * 1000).toISOString(),
    expiresAt: new Date(token.expiresAt * 1000).toISOString(),
    isBound: cnf !== undefined,
    status:
      dead !== undefined
        ? 'dead'
        : isExpired
          ? 'expired'
          : isFromTheFuture(token, nowMs)
            ? 'from-the-future'
            : 'live',
    ...(dead !== undefined && { endedBy: dead.slice(0, dead.lastIndexOf(':')) }),
  };
}
