import { randomBytes } from 'node:crypto';
import { type Agent, type AgentStore, withinApplication } from '../agents/index.ts';
import { eventOrigin, type Origin } from '../audit/index.ts';
import { type RefusalDetail, Refused, StoreUnavailable } from '../errors.ts';
import { handle, lineageOf } from '../liveness.ts';
import { untrustedText } from '../text/index.ts';
import {
  decideRequest,
  type IssueTokenDeps,
  MOST_TEXT,
  mintToken,
  type RequestDecision,
} from './issue-token.ts';

/** - `grant-ended`: the person, an administrator or a replayed refresh token has ended what it rests on */
export type GrantRefusal = 'grant-ended';

/** A token that an application asks for, for the person who let it act for them. */
export interface TokenForPerson {
  /** What the protocol calls the application. */
  readonly clientId: string;
  /** What it may is said here: its own record, or that of the template which admits it. */
  readonly application: Agent;
  /** The agent through which it acts for this person, who owns it. */
  readonly agent: Agent;
  /** The grant that the person gave: all its tokens die with it. */
  readonly grantId: string;
  readonly resource: string | undefined;
  readonly scope: string | undefined;
  /** The thumbprint of the key that the request proves. */
  readonly proofKey: string | undefined;
  /** When the person had signed in, in seconds since the epoch, and how well; where it is known. */
  readonly authentication: { readonly authTime: number; readonly acr: string } | undefined;
  /** How it was asked for, for the trail. */
  readonly grantType: string;
}

export interface IssuedForPerson {
  readonly value: string;
  readonly tokenType: 'Bearer' | 'DPoP';
  readonly expiresIn: number;
  readonly scope: string;
}

/** What a grant rests on, as it was when the person gave it. */
export interface GrantEpochs {
  readonly agent: number;
  readonly person: number;
  readonly application: number;
}

const GRANT_ID = /^[\w-]{43}\.(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/;

/**
 * Names a new grant. The name holds the epochs that it was given at, so that a grant which was cut off does not come back when what cut it
 * off is restored: what had died stays dead.
 */
export function newGrantId({ agent, person, application }: GrantEpochs): string {
  return [randomBytes(32).toString('base64url'), agent, person, application].join('.');
}

function epochsOf(grantId: string): GrantEpochs | undefined {
  const [, agent, person, application] = GRANT_ID.exec(grantId) ?? [];
  if (agent === undefined) return undefined;
  return { agent: Number(agent), person: Number(person), application: Number(application) };
}

/** What a grant of a person dies with; the part of its name that is random does. */
export function grantHandleId(grantId: string): string {
  return `grt_${grantId.slice(0, 43)}`;
}

/**
 * Issues a token by which an application acts for a person, by the one decision. It lives by the person, their agent, the application and
 * the grant, and dies with any of them.
 *
 * @throws {Refused<IssueTokenRefusal | GrantRefusal>} recorded in the trail
 */
export async function issueForPerson(
  deps: Pick<
    IssueTokenDeps,
    'tokens' | 'people' | 'resources' | 'signer' | 'refusals' | 'issuer' | 'maxTtlSeconds'
  > & {
    readonly agents: Pick<AgentStore, 'noteUse'>;
  },
  request: TokenForPerson,
  origin: Origin,
): Promise<IssuedForPerson> {
  const {
    clientId,
    application,
    agent,
    grantId,
    resource,
    scope: askedScope,
    proofKey,
    grantType,
    authentication,
  } = request;
  await deps.tokens.fresh();
  const lineage = [handle(application.id, application.epoch), handle(grantHandleId(grantId), 0)];
  const decision: RequestDecision | GrantEnded = (await isGrantAlive(deps, request))
    ? (
        await decideRequest(
          deps,
          withinApplication(agent, application, origin.latest),
          { resources: resource === undefined ? [] : [resource], scope: askedScope, proofKey },
          origin,
          { subject: agent.ownerId, lineage },
        )
      ).decision
    : { outcome: 'refuse', reason: 'grant-ended', detail: {} };
  const about = {
    ...eventOrigin(origin),
    client: clientId,
    subject: agent.ownerId,
    actor: [agent.id],
  };
  if (decision.outcome !== 'issue') {
    const { reason } = decision;
    const events = deps.refusals.take({
      type: 'token.issue-refused',
      outcome: 'refused',
      reason: reason === 'scope-needs-approval' ? 'needs-approval' : reason,
      ...about,
      detail: {
        grant: grantType,
        ...(askedScope !== undefined && { requestedScope: untrustedText(askedScope, MOST_TEXT) }),
      },
    });
    if (events.length > 0) await deps.tokens.commit({ changes: [], events });
    throw new Refused(reason, decision.detail);
  }
  const scope = decision.scopes.join(' ');
  const claims = {
    iss: deps.issuer,
    sub: decision.subject,
    client_id: clientId,
    act: { sub: agent.id },
    aud: decision.resource.identifier,
    scope,
    iat: decision.issuedAt,
    exp: decision.expiresAt,
    // RFC 9470 section 6.2: a resource server asks for more where this is not enough.
    ...(authentication && { auth_time: authentication.authTime, acr: authentication.acr }),
    ...(proofKey !== undefined && { cnf: { jkt: proofKey } }),
  };
  const tokenType = proofKey === undefined ? 'Bearer' : 'DPoP';
  const { value, jti } = mintToken(deps, decision, claims, origin.now);
  const outcome = await deps.tokens.commit({
    changes: [
      {
        kind: 'insert-token',
        token: {
          jti,
          clientId,
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
        ...about,
        resource: decision.resource.identifier,
        scope,
        jti,
        detail: { grant: grantType, expiresAt: decision.expiresAt, owner: agent.ownerId },
      },
    ],
  });
  if (!outcome.committed) throw new StoreUnavailable('a token value was made twice');
  deps.agents.noteUse(agent.id, origin.now);
  return { value, tokenType, expiresIn: decision.expiresAt - decision.issuedAt, scope };
}

interface GrantEnded {
  readonly outcome: 'refuse';
  readonly reason: GrantRefusal;
  readonly detail: RefusalDetail;
}

/** Whether nothing that the grant rests on was cut off since the person gave it. */
export async function isGrantAlive(
  { tokens, people }: Pick<IssueTokenDeps, 'tokens' | 'people'>,
  { application, agent, grantId }: Pick<TokenForPerson, 'application' | 'agent' | 'grantId'>,
): Promise<boolean> {
  const given = epochsOf(grantId);
  const person = await people.findPerson(agent.ownerId);
  return (
    given !== undefined &&
    given.agent === agent.epoch &&
    given.person === person?.epoch &&
    given.application === application.epoch &&
    tokens.epochs.raisedTo(grantHandleId(grantId)) === 0
  );
}
