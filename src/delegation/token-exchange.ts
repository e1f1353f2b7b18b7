import type { Agent, AgentStore } from '../agents/index.ts';
import type { Origin } from '../audit/index.ts';
import type { RefusalDetail } from '../errors.ts';
import { handle, isFromTheFuture, isLive } from '../liveness.ts';
import { type FormFields, GRANT_TYPES, TOKEN_TYPES } from '../oauth.ts';
import type { PersonStore } from '../people/index.ts';
import type { ResourceStore } from '../resources/index.ts';
import {
  type AccessTokenSigner,
  type ActClaim,
  actorsOf,
  type BasisRefused,
  type Delegated,
  type GrantBasis,
  locateToken,
  type PresentedToken,
  type Standing,
  type TokenGrant,
  type TokenRecord,
  type TokenStore,
} from '../tokens/index.ts';
import type { Delegation } from './delegation.ts';
import type { DelegationStore } from './delegation-store.ts';
import { delegationHandle, delegationStatus } from './judge-delegation.ts';

/**
 * Why an exchange is refused by what was sent, before anything is decided. Whatever is wrong with a subject or actor token looks alike
 * to the caller (RFC 8693 section 2.2.2).
 *
 * - `subject-token-missing`, `actor-token-incomplete`: a token comes with its type, and the other way round
 * - `requested-token-type-not-supported`, `audience-not-supported`, `authorization-details-not-supported`: what cannot be asked for
 * - `…-token-type-not-supported`, `…-token-too-long`, `…-token-unknown`: it is nothing of ours
 * - `…-token-not-live`, `…-token-from-the-future`: it expired, was revoked or cut off, or a wrong clock has issued it
 * - `subject-token-not-delegated`: an agent's own token, or one under a consent grant, which is not handed on
 * - `actor-token-foreign`: the caller is who acts, and shows that by a token of its own or by none
 */
export type ExchangeRefusal =
  | 'subject-token-missing'
  | 'actor-token-incomplete'
  | 'requested-token-type-not-supported'
  | 'audience-not-supported'
  | 'authorization-details-not-supported'
  | 'subject-token-not-delegated'
  | 'actor-token-foreign'
  | `${'actor' | 'subject'}-token-${'type-not-supported' | 'too-long' | 'unknown' | 'not-live' | 'from-the-future'}`;

export interface TokenExchangeDeps {
  readonly delegations: Pick<DelegationStore, 'findDelegation'>;
  readonly tokens: Pick<TokenStore, 'findToken' | 'epochs'>;
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource'>;
  readonly signer: AccessTokenSigner;
}

/** No token of ours is longer. */
const MAX_TOKEN_CHARACTERS = 8_192;

const DELEGATION_ID = /^dlg_[0-9a-f]{32}$/;

type Read<Value> = Value | BasisRefused<ExchangeRefusal>;

/**
 * Token exchange (RFC 8693): an agent gets a token by which it acts for a person. The authenticated client is the actor; it presents a
 * delegation by its identifier, or a delegated token of its own, or one of an agent that the delegation lets it follow.
 */
export function tokenExchange(deps: TokenExchangeDeps): TokenGrant<ExchangeRefusal> {
  return {
    type: GRANT_TYPES.tokenExchange,
    async readBasis(agent, form, origin): Promise<GrantBasis | BasisRefused<ExchangeRefusal>> {
      const refused = refuseUnsupported(form);
      if (refused) return refused;
      const subject = await readSubject(deps, form, origin);
      if ('outcome' in subject) return subject;
      const actorToken = await readActorToken(deps, agent, form, origin);
      if (actorToken && 'outcome' in actorToken) return actorToken;
      const { delegation, token } = subject;
      return {
        outcome: 'basis',
        delegation: await standOn(deps, delegation, { token: token?.presented, actorToken }, origin.latest),
        answer: { issued_token_type: TOKEN_TYPES.accessToken },
        detail: { delegation: delegation.id, ...(token && { subjectToken: token.jti }) },
      };
    },
  };
}

/**
 * What the decision to issue rests on, of a delegation and the tokens that are presented under it.
 *
 * @param nowMs milliseconds since the epoch: the latest that it may be
 */
export async function standOn(
  deps: Pick<TokenExchangeDeps, 'agents' | 'people' | 'resources'>,
  delegation: Delegation,
  presented: Pick<Standing, 'actorToken' | 'token'>,
  nowMs: number,
): Promise<Delegated> {
  const { id, personId, agentId, mayActNext, resourceId, resource, scopes, expiresAt } = delegation;
  const [person, agent, place] = await Promise.all([
    deps.people.findPerson(personId),
    deps.agents.findAgent(agentId),
    deps.resources.findResource(resourceId),
  ]);
  const status = delegationStatus(delegation, { person, agent, resource: place }, nowMs);
  return {
    subject: personId,
    lineage: [...(person ? [handle(person.id, person.epoch)] : []), delegationHandle(delegation)],
    standing: { id, status, agentId, mayActNext, resourceId, resource, scopes, expiresAt, ...presented },
  };
}

function refuseUnsupported(form: FormFields): BasisRefused<ExchangeRefusal> | undefined {
  const requested = form.get('requested_token_type');
  if (requested !== undefined && requested !== TOKEN_TYPES.accessToken) {
    return refuse('requested-token-type-not-supported', {
      parameter: 'requested_token_type',
      sent: requested,
      permitted: [TOKEN_TYPES.accessToken],
    });
  }
  if (form.getAll('audience').length > 0) return refuse('audience-not-supported', { parameter: 'audience' });
  if (form.get('authorization_details') !== undefined) {
    return refuse('authorization-details-not-supported', { parameter: 'authorization_details' });
  }
  const missing = ['subject_token', 'subject_token_type'].find(name => form.get(name) === undefined);
  if (missing !== undefined) return refuse('subject-token-missing', { parameter: missing });
  const actor = ['actor_token', 'actor_token_type'].filter(name => form.get(name) === undefined);
  if (actor.length === 1) return refuse('actor-token-incomplete', { parameter: actor[0] ?? '' });
  return undefined;
}

interface Subject {
  readonly delegation: Delegation;
  /** Absent where the delegation itself is presented. */
  readonly token?: { readonly jti: string; readonly presented: PresentedToken };
}

async function readSubject(
  deps: TokenExchangeDeps,
  form: FormFields,
  origin: Origin,
): Promise<Read<Subject>> {
  if (form.get('subject_token_type') === TOKEN_TYPES.delegation) {
    const id = form.get('subject_token') ?? '';
    if (id.length > MAX_TOKEN_CHARACTERS) return refuse('subject-token-too-long');
    const delegation = DELEGATION_ID.test(id) ? await deps.delegations.findDelegation(id) : undefined;
    return delegation ? { delegation } : refuse('subject-token-unknown');
  }
  const token = await readToken(deps, 'subject', form, origin);
  if ('outcome' in token) return token;
  const { act, delegation_id: id, scope, cnf } = JSON.parse(token.answer) as DelegatedAnswer;
  const delegation = id === undefined ? undefined : await deps.delegations.findDelegation(id);
  if (!delegation) return refuse('subject-token-not-delegated');
  const presented: PresentedToken = {
    actors: actorsOf(act),
    resourceId: token.resourceId,
    scopes: scope.split(' '),
    expiresAt: token.expiresAt,
    lineage: token.lineage,
    boundTo: cnf?.jkt,
  };
  return { delegation, token: { jti: token.jti, presented } };
}

/** The caller is who acts already. By a token of its own it can only say so once more, and is held to that token's end. */
async function readActorToken(
  deps: TokenExchangeDeps,
  agent: Agent,
  form: FormFields,
  origin: Origin,
): Promise<Read<Standing['actorToken']>> {
  if (form.get('actor_token') === undefined) return undefined;
  const token = await readToken(deps, 'actor', form, origin);
  if ('outcome' in token) return token;
  const { sub, cnf } = JSON.parse(token.answer) as DelegatedAnswer;
  if (token.clientId !== agent.id || sub !== agent.id) return refuse('actor-token-foreign');
  return { lineage: token.lineage, expiresAt: token.expiresAt, boundTo: cnf?.jkt };
}

/** A live token of this server that is presented as subject or actor. */
async function readToken(
  { tokens, signer }: Pick<TokenExchangeDeps, 'signer' | 'tokens'>,
  role: 'actor' | 'subject',
  form: FormFields,
  { latest }: Origin,
): Promise<Read<TokenRecord>> {
  if (form.get(`${role}_token_type`) !== TOKEN_TYPES.accessToken) {
    return refuse(`${role}-token-type-not-supported`);
  }
  const value = form.get(`${role}_token`) ?? '';
  if (value.length > MAX_TOKEN_CHARACTERS) return refuse(`${role}-token-too-long`);
  const jti = await locateToken(signer, value);
  const token = jti && (await tokens.findToken(jti));
  if (!token) return refuse(`${role}-token-unknown`);
  if (isFromTheFuture(token, latest)) return refuse(`${role}-token-from-the-future`);
  return isLive(token, tokens.epochs, latest) ? token : refuse(`${role}-token-not-live`);
}

/** What is read here of an introspection response. */
interface DelegatedAnswer {
  readonly sub: string;
  readonly scope: string;
  readonly act?: ActClaim;
  readonly delegation_id?: string;
  readonly cnf?: { readonly jkt: string };
}

function refuse(reason: ExchangeRefusal, detail: RefusalDetail = {}): BasisRefused<ExchangeRefusal> {
  return { outcome: 'refuse', reason, detail };
}
