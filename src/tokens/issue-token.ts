import type { Agent, AgentStore } from '../agents/index.ts';
import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { type AuthenticateClientDeps, type AuthenticatedClient, refuseConflict } from '../clients/index.ts';
import { Refused } from '../errors.ts';
import { handle, lineageOf } from '../liveness.ts';
import type { PersonStore } from '../people/index.ts';
import type { Resource, ResourceStore } from '../resources/index.ts';
import { newJwtId, newOpaqueToken } from './access-token-value.ts';
import { DEPLOYMENT, decideIssue, type IssueDecision, type IssueRefusal } from './decide-issue.ts';
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
  readonly issuer: string;
  readonly maxTtlSeconds: number;
}

export interface TokenRequest {
  /** Every `resource` parameter (RFC 8707 section 2). */
  readonly resources: readonly string[];
  readonly scope: string | undefined;
}

/** RFC 6749 section 5.1. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
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
 * @throws {Refused<'assertion-replayed'>} by way of `refuseConflict`
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
  if (!agent) return refuse(deps, authenticated, 'client-may-not-ask', {}, request, origin);
  if (request.resources.length > 1) {
    const detail = {
      parameter: 'resource',
      sent: request.resources.join(' '),
      hint: 'a token has exactly one audience: send one resource',
    };
    return refuse(deps, authenticated, 'several-resources', detail, request, origin);
  }

  const { decision, resource } = await decideFor(deps, agent, request, origin.now);
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
  };
  const { value, jti } = mintToken(deps, decision, claims, origin.now);

  const outcome = await deps.tokens.commit({
    changes: [
      ...authenticated.spent,
      {
        kind: 'insert-token',
        token: {
          jti,
          clientId: client.clientId,
          resourceId: decision.resource.id,
          issuedAt: decision.issuedAt,
          expiresAt: decision.expiresAt,
          lineage: lineageOf([handle(jti, 0), ...decision.lineage]),
          answer: JSON.stringify({ active: true, token_type: 'Bearer', ...claims, jti }),
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
  if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  deps.agents.noteUse(agent.id, origin.now);
  return {
    access_token: value,
    token_type: 'Bearer',
    expires_in: decision.expiresAt - decision.issuedAt,
    scope,
  };
}

type IssueGranted = Extract<IssueDecision, { outcome: 'issue' }>;

async function decideFor(
  deps: IssueTokenDeps,
  agent: Agent,
  request: TokenRequest,
  now: number,
): Promise<{ decision: IssueDecision; resource: Resource | undefined }> {
  const requestedResource = request.resources[0];
  const identifier = requestedResource ?? agent.defaultResource;
  const [owner, resource] = await Promise.all([
    deps.people.findPerson(agent.ownerId),
    identifier === undefined ? undefined : deps.resources.findResourceByIdentifier(identifier),
  ]);
  const decision = decideIssue({
    agent,
    owner,
    requestedResource,
    resource,
    requestedScope: request.scope,
    maxTtlSeconds: deps.maxTtlSeconds,
    deploymentEpoch: deps.tokens.epochs.raisedTo(DEPLOYMENT),
    signingKey:
      resource?.tokenFormat.kind === 'jwt'
        ? await deps.signer.activeKey(resource.tokenFormat.alg)
        : undefined,
    now,
  });
  return { decision, resource };
}

function mintToken(
  deps: IssueTokenDeps,
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
      ...(request.scope !== undefined && { requestedScope: request.scope.slice(0, 1_000) }),
      ...(request.resources.length > 0 && {
        requestedResources: request.resources.slice(0, 4).map(r => r.slice(0, 500)),
      }),
    },
  };
  const outcome = await deps.tokens.commit({ changes: authenticated.spent, events: [event] });
  if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  throw new Refused<IssueTokenRefusal>(reason, detail);
}
