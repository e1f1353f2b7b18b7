import type { Agent, AgentStore } from '../agents/index.ts';
import { type AuditEvent, type Conflict, eventOrigin, type Origin, untrustedText } from '../audit/index.ts';
import {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  type DpopProofRefusal,
  refuseConflict,
  type SpentCredential,
  type VerifiedDpopProof,
} from '../clients/index.ts';
import type { Moment } from '../clock.ts';
import { DEPLOYMENT } from '../deployment-epoch.ts';
import { type RefusalDetail, Refused } from '../errors.ts';
import { handle, lineageOf } from '../liveness.ts';
import type { PersonStore } from '../people/index.ts';
import type { Resource, ResourceStore } from '../resources/index.ts';
import { newJwtId, newOpaqueToken } from './access-token-value.ts';
import { type Delegated, decideIssue, type IssueDecision, type IssueRefusal } from './decide-issue.ts';
import type { AccessTokenSigner } from './sign-access-token.ts';
import type { TokenId } from './token.ts';
import type { TokenStore } from './token-store.ts';

export type IssueTokenRefusal =
  | IssueRefusal
  | 'client-may-not-ask'
  | 'several-resources'
  | 'scope-needs-approval';

export interface IssueTokenDeps {
  readonly tokens: TokenStore;
  readonly agents: Pick<AgentStore, 'findAgent' | 'noteUse'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResourceByIdentifier'>;
  readonly signer: AccessTokenSigner;
  readonly refusals: AuthenticateClientDeps['refusals'];
  readonly limits: AuthenticateClientDeps['limits'];
  readonly issuer: string;
  readonly maxTtlSeconds: number;
}

export interface TokenRequest {
  /** Every `resource` parameter (RFC 8707 section 2). */
  readonly resources: readonly string[];
  readonly scope: string | undefined;
  /** Binds the token to the key that it proves (RFC 9449 section 5); undefined for a bearer token. */
  readonly proof: VerifiedDpopProof | undefined;
}

/** RFC 6749 section 5.1. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
}

/**
 * Issues a token to an agent for itself (RFC 6749 section 4.4, client credentials).
 *
 * Token, spent assertion and audit row commit together before the answer (I10). A refusal is committed too, with the spent
 * assertion: an assertion is used up by being presented, whatever came of it.
 *
 * @throws {Refused<IssueTokenRefusal>} recorded in the trail
 * @throws {Refused<'assertion-replayed' | 'dpop-proof-replayed'>} recorded too
 */
export async function issueClientCredentialsToken(
  deps: IssueTokenDeps,
  authenticated: AuthenticatedClient,
  request: TokenRequest,
  origin: Origin,
): Promise<TokenResponse> {
  const { client } = authenticated;
  await deps.tokens.fresh();
  const agent = client.kind === 'agent' ? await deps.agents.findAgent(client.principalId) : undefined;
  // An application gets nothing for itself: it acts for people, who let it.
  if (!agent || agent.application)
    return refuse(deps, authenticated, 'client-may-not-ask', {}, request, origin);
  const asked = { resources: request.resources, scope: request.scope, proofKey: request.proof?.jkt };
  const { decision, resource } = await decideRequest(deps, agent, asked, origin);
  if (decision.outcome === 'refuse') {
    return refuse(deps, authenticated, decision.reason, decision.detail, request, origin, resource);
  }
  if (decision.outcome === 'needs-approval') {
    return refuse(deps, authenticated, 'scope-needs-approval', decision.detail, request, origin, resource);
  }

  const scope = decision.scopes.join(' ');
  const claims = {
    iss: deps.issuer,
    sub: decision.subject,
    client_id: client.clientId,
    aud: decision.resource.identifier,
    scope,
    iat: decision.issuedAt,
    exp: decision.expiresAt,
    ...(request.proof && { cnf: { jkt: request.proof.jkt } }),
  };
  const tokenType = request.proof ? 'DPoP' : 'Bearer';
  const { value, jti } = mintToken(deps, decision, claims, origin.now);

  const outcome = await deps.tokens.commit({
    changes: [
      ...spentBy(authenticated, request),
      {
        kind: 'insert-token',
        token: {
          jti,
          clientId: client.clientId,
          resourceId: decision.resource.id,
          issuedAt: decision.issuedAt,
          expiresAt: decision.expiresAt,
          lineage: lineageOf([handle(jti, 0), ...decision.lineage]),
          answer: JSON.stringify({ active: true, token_type: tokenType, ...claims, jti }),
        },
      },
    ],
    events: [
      {
        type: 'token.issued',
        outcome: 'done',
        ...eventOrigin(origin),
        client: client.clientId,
        subject: decision.subject,
        actor: [agent.id],
        resource: decision.resource.identifier,
        scope,
        jti,
        detail: { grant: 'client_credentials', expiresAt: decision.expiresAt, owner: agent.ownerId },
      },
    ],
  });
  if (!outcome.committed) return refuseReplay(deps, authenticated, request, outcome.conflict, origin);
  deps.agents.noteUse(agent.id, origin.now);
  return {
    access_token: value,
    token_type: tokenType,
    expires_in: decision.expiresAt - decision.issuedAt,
    scope,
  };
}

export type IssueGranted = Extract<IssueDecision, { outcome: 'issue' }>;

/** What is read to decide on a request. */
export interface DecideRequestDeps {
  readonly tokens: Pick<TokenStore, 'epochs'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResourceByIdentifier'>;
  readonly signer: Pick<AccessTokenSigner, 'activeKey'>;
  readonly maxTtlSeconds: number;
}

/** A request as far as it is decided on; see `TokenRequest`. */
export interface AskedToken {
  readonly resources: readonly string[];
  readonly scope: string | undefined;
  /** The thumbprint of the key that it proves. */
  readonly proofKey: string | undefined;
}

export type RequestDecision =
  | Exclude<IssueDecision, { readonly outcome: 'refuse' }>
  | {
      readonly outcome: 'refuse';
      readonly reason: IssueRefusal | 'several-resources';
      readonly detail: RefusalDetail;
    };

/**
 * Reads what the decision rests on, and decides. Nothing is changed by it, so that a request can be decided on without being made.
 * The caller sees to it that the process is up to date.
 */
export async function decideRequest(
  deps: DecideRequestDeps,
  agent: Agent,
  asked: AskedToken,
  moment: Moment,
  delegation?: Delegated,
): Promise<{ readonly decision: RequestDecision; readonly resource: Resource | undefined }> {
  if (asked.resources.length > 1) {
    const detail = {
      parameter: 'resource',
      sent: asked.resources.join(' '),
      hint: 'a token has exactly one audience: send one resource',
    };
    return { decision: { outcome: 'refuse', reason: 'several-resources', detail }, resource: undefined };
  }
  const requestedResource = asked.resources[0];
  const identifier = requestedResource ?? agent.defaultResource;
  const [owner, resource] = await Promise.all([
    deps.people.findPerson(agent.ownerId),
    identifier === undefined ? undefined : deps.resources.findResourceByIdentifier(identifier),
  ]);
  const decision = decideIssue({
    agent,
    delegation,
    owner,
    requestedResource,
    resource,
    requestedScope: asked.scope,
    maxTtlSeconds: deps.maxTtlSeconds,
    deploymentEpoch: deps.tokens.epochs.raisedTo(DEPLOYMENT),
    signingKey:
      resource?.tokenFormat.kind === 'jwt'
        ? await deps.signer.activeKey(resource.tokenFormat.alg)
        : undefined,
    proofKey: asked.proofKey,
    moment,
  });
  return { decision, resource };
}

/** Makes the value of a token, by which it is stored or signed. */
export function mintToken(
  deps: Pick<IssueTokenDeps, 'signer'>,
  decision: IssueGranted,
  claims: Readonly<Record<string, unknown>>,
  now: number,
): { readonly value: string; readonly jti: TokenId } {
  if (decision.signingKeyId === undefined) return newOpaqueToken(now);
  const jti = newJwtId(now);
  return { value: deps.signer.sign(decision.signingKeyId, { ...claims, jti }), jti };
}

/** Records the refusal of an authenticated client, with its spent assertion, and throws. */
async function refuse(
  deps: IssueTokenDeps,
  authenticated: AuthenticatedClient,
  reason: IssueTokenRefusal,
  detail: Refused['detail'],
  request: TokenRequest,
  origin: Origin,
  resource?: Resource,
): Promise<never> {
  const { client } = authenticated;
  const event: AuditEvent = {
    type: 'token.issue-refused',
    outcome: 'refused',
    reason: reason === 'scope-needs-approval' ? 'needs-approval' : reason,
    ...eventOrigin(origin),
    client: client.clientId,
    subject: client.principalId,
    ...(resource && { resource: resource.identifier }),
    detail: {
      grant: 'client_credentials',
      ...(request.scope !== undefined && { requestedScope: untrustedText(request.scope, 1_000) }),
      ...(request.resources.length > 0 && {
        requestedResources: request.resources.slice(0, 4).map(each => untrustedText(each, 500)),
      }),
    },
  };
  const outcome = await deps.tokens.commit({ changes: spentBy(authenticated, request), events: [event] });
  if (!outcome.committed) return refuseReplay(deps, authenticated, request, outcome.conflict, origin);
  throw new Refused<IssueTokenRefusal>(reason, detail);
}

/** The single-use values that a request presents: used up whatever comes of it. */
function spentBy({ spent }: AuthenticatedClient, { proof }: TokenRequest): readonly SpentCredential[] {
  return proof ? [...spent, proof.spent] : spent;
}

/**
 * What a failed commit means: the assertion, or the proof, had been used before. Which of the two, shows by using up the
 * assertion alone, as it has to be anyway.
 *
 * @throws always
 */
async function refuseReplay(
  deps: IssueTokenDeps,
  authenticated: AuthenticatedClient,
  { proof }: TokenRequest,
  conflict: Conflict,
  origin: Origin,
): Promise<never> {
  const { client, spent } = authenticated;
  if (!proof || conflict !== 'already-used') return refuseConflict(deps, client.clientId, conflict, origin);
  const reason: DpopProofRefusal = 'dpop-proof-replayed';
  const outcome = await deps.tokens.commit({
    changes: spent,
    events: [
      {
        type: 'client.dpop-refused',
        outcome: 'refused',
        reason,
        ...eventOrigin(origin),
        client: client.clientId,
        subject: client.principalId,
      },
    ],
  });
  if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  throw new Refused<DpopProofRefusal>(reason);
}
