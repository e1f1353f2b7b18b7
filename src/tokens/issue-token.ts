import type { Agent, AgentStore } from '../agents/index.ts';
import { type AuditEvent, type CommitPort, type Conflict, eventOrigin, type Origin } from '../audit/index.ts';
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
import { type FormFields, GRANT_TYPES } from '../oauth.ts';
import type { PersonStore } from '../people/index.ts';
import { identifierKey, type Resource, type ResourceStore } from '../resources/index.ts';
import { untrustedText } from '../text/index.ts';
import { newJwtId, newOpaqueToken } from './access-token-value.ts';
import { actorClaim } from './act-claim.ts';
import type { ApprovalRefusal, Approved } from './approved.ts';
import { decideIssue, type IssueDecision, type IssueRefusal } from './decide-issue.ts';
import type { Deferral } from './deferral.ts';
import type { Delegated } from './delegated.ts';
import type { AccessTokenSigner } from './sign-access-token.ts';
import type { TokenId } from './token.ts';
import type { BasisRefused, TokenResponse } from './token-response.ts';
import type { TokenChange, TokenStore } from './token-store.ts';

/** What was countersigned is judged where it is fetched: no other request brings an approval. */
export type IssueTokenRefusal =
  | Exclude<IssueRefusal, ApprovalRefusal>
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
  /** How a request waits for a countersignature. */
  readonly deferral: Pick<Deferral, 'defer' | 'hint'>;
}

interface TokenRequest {
  /** Every `resource` parameter (RFC 8707 section 2). */
  readonly resources: readonly string[];
  readonly scope: string | undefined;
  /** Binds the token to the key that it proves (RFC 9449 section 5); undefined for a bearer token. */
  readonly proof: VerifiedDpopProof | undefined;
}

/**
 * What a grant adds to what the token endpoint does for all of them: it reads what the token is to rest on. Everything else, from the
 * authentication of the client to the row in the trail, is done outside of it, so that no grant can forget it.
 */
export interface TokenGrant<Reason extends string = string> {
  /** `grant_type` (RFC 6749 section 4.5). */
  readonly type: string;
  /** Changes nothing and records nothing. The process is up to date. */
  readBasis(agent: Agent, form: FormFields, origin: Origin): Promise<GrantBasis | BasisRefused<Reason>>;
}

/** What a token is to rest on, besides the agent that asks. */
export interface GrantBasis {
  readonly outcome: 'basis';
  /** For whom the agent acts; itself where absent. */
  readonly delegation?: Delegated;
  /** What the answer has besides. */
  readonly answer?: { readonly issued_token_type: string };
  /** What the trail has besides, also of a refusal. */
  readonly detail?: Readonly<Record<string, string>>;
}

/** RFC 6749 section 4.4: an agent acts for itself. */
export const CLIENT_CREDENTIALS: TokenGrant<never> = {
  type: GRANT_TYPES.clientCredentials,
  readBasis: async () => ({ outcome: 'basis' }),
};

/** An authenticated request, with what the trail has of it. */
interface Asked {
  readonly authenticated: AuthenticatedClient;
  readonly request: TokenRequest;
  readonly grant: string;
  readonly origin: Origin;
}

/**
 * Issues a token to an agent, by a grant.
 *
 * Token, spent assertion and audit row commit together before the answer (I10). A refusal is committed too, with the spent
 * assertion: an assertion is used up by being presented, whatever came of it.
 *
 * What somebody would have to countersign waits for that, where the request says that it would (`deferral.ts`).
 *
 * @throws {Refused<IssueTokenRefusal>} or with a reason of the grant, or of what does not wait; recorded in the trail
 * @throws {Refused<'assertion-replayed' | 'dpop-proof-replayed'>} recorded too
 */
export async function issueToken(
  deps: IssueTokenDeps,
  grant: TokenGrant,
  authenticated: AuthenticatedClient,
  form: FormFields,
  proof: VerifiedDpopProof | undefined,
  origin: Origin,
): Promise<TokenResponse> {
  const request = { resources: form.getAll('resource'), scope: form.get('scope'), proof };
  const asked: Asked = { authenticated, request, grant: grant.type, origin };
  const { client } = authenticated;
  await deps.tokens.fresh();
  const agent = client.kind === 'agent' ? await deps.agents.findAgent(client.principalId) : undefined;
  // An application gets nothing for itself: it acts for people, who let it.
  if (!agent || agent.application) return refuse(deps, asked, 'client-may-not-ask', {});
  const basis = await grant.readBasis(agent, form, origin);
  if (basis.outcome === 'refuse') return refuse(deps, asked, basis.reason, basis.detail);
  const { decision, resource } = await decideRequest(
    deps,
    agent,
    { resources: request.resources, scope: request.scope, proofKey: proof?.jkt },
    origin,
    basis.delegation,
  );
  if (decision.outcome === 'needs-approval') {
    const delegationId = basis.delegation?.standing?.id;
    const request = { authenticated, agent, form, proof, decision, delegationId };
    const waits = await deps.deferral.defer(request, origin);
    if (waits?.outcome === 'conflict') return refuseReplay(deps, { ...asked, proof }, waits.conflict);
    const { reason, detail } = waits ?? { ...decision, detail: withHint(deps, decision) };
    return refuse(deps, asked, reason, detail, { basis, resource });
  }
  if (decision.outcome === 'refuse') {
    return refuse(deps, asked, decision.reason, decision.detail, { basis, resource });
  }

  const { changes, events, response } = makeToken(
    deps,
    decision,
    {
      clientId: client.clientId,
      agent,
      proofKey: proof?.jkt,
      grant: grant.type,
      answer: basis.answer,
      detail: basis.detail,
    },
    origin,
  );
  const outcome = await deps.tokens.commit({
    changes: [...spentBy(authenticated, request), ...changes],
    events,
  });
  if (!outcome.committed) return refuseReplay(deps, { ...asked, proof: request.proof }, outcome.conflict);
  deps.agents.noteUse(agent.id, origin.now);
  return response;
}

/** What is said of a request that somebody would have to countersign: also how it would come to that, and what makes it needless. */
function withHint(
  { deferral }: Pick<IssueTokenDeps, 'deferral'>,
  { approver, resource, reason, detail }: Extract<IssueDecision, { readonly outcome: 'needs-approval' }>,
): RefusalDetail {
  const couldWait = approver !== undefined && resource.tokenFormat.kind === 'opaque';
  const hints = [
    ...(couldWait ? [deferral.hint] : []),
    // By itself an agent gets its baseline; what it may do for a person is for the person to say.
    ...(reason === 'scope-needs-approval' ? ["an administrator can add it to the agent's baseline"] : []),
  ];
  return hints.length > 0 ? { ...detail, hint: hints.join('; or ') } : detail;
}

/** To whom, and by which request, a token is issued that was decided on. */
export interface NewToken {
  readonly clientId: string;
  readonly agent: Pick<Agent, 'id' | 'ownerId'>;
  /** The thumbprint of the key that the request has proved (RFC 9449); undefined for a bearer token. */
  readonly proofKey: string | undefined;
  /** How it was asked for, for the trail. */
  readonly grant: string;
  /** What the answer has besides. */
  readonly answer?: GrantBasis['answer'] | undefined;
  /** What the trail has besides. */
  readonly detail?: GrantBasis['detail'] | undefined;
}

/** What making a token needs. */
export type NewTokenDeps = Pick<IssueTokenDeps, 'issuer' | 'signer'>;

/**
 * Makes a token of a decision: what has to be committed for it, together, and what is answered once that is done. Changes nothing.
 */
export function makeToken(
  deps: NewTokenDeps,
  decision: IssueGranted,
  { clientId, agent, proofKey, grant, answer, detail }: NewToken,
  origin: Origin,
): {
  readonly jti: TokenId;
  readonly changes: readonly Extract<TokenChange, { kind: 'insert-token' }>[];
  readonly events: readonly AuditEvent[];
  readonly response: TokenResponse;
} {
  const { subject, resource, issuedAt, expiresAt, actors, approval } = decision;
  const scope = decision.scopes.join(' ');
  const claims = {
    iss: deps.issuer,
    sub: subject,
    client_id: clientId,
    ...delegationClaims(decision),
    aud: resource.identifier,
    scope,
    iat: issuedAt,
    exp: expiresAt,
    ...(approval && { approval }),
    ...(proofKey !== undefined && { cnf: { jkt: proofKey } }),
  };
  const tokenType = proofKey === undefined ? 'Bearer' : 'DPoP';
  const { value, jti } = mintToken(deps, decision, claims, origin.now);
  return {
    jti,
    changes: [
      {
        kind: 'insert-token',
        token: {
          jti,
          clientId,
          resourceId: resource.id,
          issuedAt,
          expiresAt,
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
        client: clientId,
        subject,
        actor: actors.length > 0 ? actors : [agent.id],
        resource: resource.identifier,
        scope,
        jti,
        // By name: an event in order is written at once (`canonical-event.ts`).
        detail: {
          ...(approval && { approver: approval.by, elevation: approval.id }),
          expiresAt,
          grant,
          owner: agent.ownerId,
          ...detail,
        },
      },
    ],
    response: {
      access_token: value,
      ...answer,
      token_type: tokenType,
      expires_in: expiresAt - issuedAt,
      scope,
    },
  };
}

/** What a delegated token says of who acts, and by what (RFC 8693 sections 4.1 and 4.4). */
function delegationClaims({ actors, standing }: IssueGranted): Readonly<Record<string, unknown>> {
  if (!standing) return {};
  // The claim is one object: it says who may act next only where that is one.
  const [next, ...others] = standing.mayActNext;
  return {
    act: actorClaim(actors),
    delegation_id: standing.id,
    ...(next !== undefined && others.length === 0 && { may_act: { sub: next } }),
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
  approval?: Approved,
): Promise<{ readonly decision: RequestDecision; readonly resource: Resource | undefined }> {
  if (asked.resources.length > 1 && new Set(asked.resources.map(identifierKey)).size > 1) {
    const detail = {
      parameter: 'resource',
      sent: asked.resources.join(' '),
      hint: 'a token has exactly one audience: send one resource',
    };
    return { decision: { outcome: 'refuse', reason: 'several-resources', detail }, resource: undefined };
  }
  const requestedResource = asked.resources[0];
  const identifier = requestedResource ?? delegation?.standing?.resource ?? agent.defaultResource;
  const [owner, resource] = await Promise.all([
    deps.people.findPerson(agent.ownerId),
    identifier === undefined ? undefined : deps.resources.findResourceByIdentifier(identifier),
  ]);
  const decision = decideIssue({
    agent,
    delegation,
    approval,
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

/** What is kept of each text that was asked for and refused: enough to see what was meant, in a row that stays small. */
export const MOST_TEXT = 300;

/** Records the refusal of an authenticated client, with its spent assertion, and throws. */
async function refuse(
  deps: IssueTokenDeps,
  asked: Asked,
  reason: string,
  detail: Refused['detail'],
  about: { readonly basis?: GrantBasis; readonly resource?: Resource | undefined } = {},
): Promise<never> {
  const {
    authenticated: { client },
    request,
    origin,
  } = asked;
  const { basis, resource } = about;
  const event: AuditEvent = {
    type: 'token.issue-refused',
    outcome: 'refused',
    reason: reason === 'scope-needs-approval' ? 'needs-approval' : reason,
    ...eventOrigin(origin),
    client: client.clientId,
    subject: basis?.delegation?.subject ?? client.principalId,
    ...(basis?.delegation && { actor: [client.principalId] }),
    ...(resource && { resource: resource.identifier }),
    detail: {
      grant: asked.grant,
      ...basis?.detail,
      ...(request.scope !== undefined && { requestedScope: untrustedText(request.scope, MOST_TEXT) }),
      ...(request.resources.length > 0 && {
        requestedResources: request.resources.slice(0, 4).map(each => untrustedText(each, MOST_TEXT)),
      }),
    },
  };
  const unit = { changes: spentBy(asked.authenticated, request), events: deps.refusals.take(event) };
  if (unit.changes.length > 0 || unit.events.length > 0) {
    const outcome = await deps.tokens.commit(unit);
    if (!outcome.committed) return refuseReplay(deps, { ...asked, proof: request.proof }, outcome.conflict);
  }
  throw new Refused(reason, detail);
}

/** The single-use values that a request presents: used up whatever comes of it. */
export function spentBy(
  { spent }: Pick<AuthenticatedClient, 'spent'>,
  { proof }: Pick<TokenRequest, 'proof'>,
): readonly SpentCredential[] {
  return proof ? [...spent, proof.spent] : spent;
}

/** An authenticated request, as far as it presents what is good for one use. */
export interface PresentedOnce {
  readonly authenticated: AuthenticatedClient;
  readonly proof: VerifiedDpopProof | undefined;
  readonly origin: Origin;
}

/**
 * What a failed commit means: the assertion, or the proof, had been used before. Which of the two, shows by using up the
 * assertion alone, as it has to be anyway.
 *
 * @throws always
 */
export async function refuseReplay(
  deps: Pick<IssueTokenDeps, 'refusals' | 'limits'> & { readonly tokens: CommitPort<SpentCredential> },
  { authenticated: { client, spent }, proof, origin }: PresentedOnce,
  conflict: Conflict,
): Promise<never> {
  if (!proof || conflict !== 'already-used') return refuseConflict(deps, client.clientId, conflict, origin);
  const reason: DpopProofRefusal = 'dpop-proof-replayed';
  const outcome = await deps.tokens.commit({
    changes: spent,
    events: deps.refusals.take({
      type: 'client.dpop-refused',
      outcome: 'refused',
      reason,
      ...eventOrigin(origin),
      client: client.clientId,
      subject: client.principalId,
    }),
  });
  if (!outcome.committed) return refuseConflict(deps, client.clientId, outcome.conflict, origin);
  throw new Refused<DpopProofRefusal>(reason);
}
