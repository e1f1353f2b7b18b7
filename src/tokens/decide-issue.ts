import { type Agent, agentStatus, scopesAt } from '../agents/index.ts';
import { CLOCK_RETRY_SECONDS, type ClockRefusal } from '../audit/index.ts';
import { issuedForOthers, isTooFarAhead, type Moment, toSeconds } from '../clock.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import type { RefusalDetail } from '../errors.ts';
import { type Handle, handle } from '../liveness.ts';
import { SCOPE_TOKEN } from '../oauth.ts';
import type { Person } from '../people/index.ts';
import { mayBeDelegated, type Resource, standingScopes } from '../resources/index.ts';
import type { ApprovalClaim, ApprovalRefusal, Approved } from './approved.ts';
import {
  type Delegated,
  endOfStanding,
  heldScopes,
  judgeStanding,
  presentedLineage,
  type Standing,
  type SubjectRefusal,
} from './delegated.ts';

/** No token that can be verified without asking us outlives this (I7). */
export const MAX_JWT_TTL_SECONDS = 300;

export type IssueRefusal =
  | 'deployment-quarantined'
  | ClockRefusal
  | 'agent-suspended'
  | 'agent-retired'
  | 'agent-expired'
  | 'owner-unknown'
  | 'owner-disabled'
  | 'dpop-required'
  | 'resource-missing'
  | 'resource-not-permitted'
  | 'resource-disabled'
  | 'scope-malformed'
  | 'scope-unknown'
  | 'scope-beyond-envelope'
  | 'scope-none-by-default'
  | 'scope-high-risk'
  | 'scope-beyond-delegation'
  | 'scope-beyond-subject-token'
  | 'scope-none-left'
  | 'no-signing-key'
  | ApprovalRefusal
  | SubjectRefusal;

/** Why a request that somebody could countersign is refused where it does not wait for that. */
export type BeyondRefusal =
  | 'scope-needs-approval'
  | Extract<IssueRefusal, 'scope-high-risk' | 'scope-beyond-delegation'>;

/** Everything the decision rests on, read beforehand. */
export interface IssueQuestion {
  /** The authenticated client's agent. */
  readonly agent: Agent;
  /** For whom it acts; itself where absent. */
  readonly delegation?: Delegated | undefined;
  /** What somebody has countersigned for this very request; undefined where nobody has. */
  readonly approval?: Approved | undefined;
  readonly owner: Person | undefined;
  /** The `resource` parameter as it was sent; undefined where none was. */
  readonly requestedResource: string | undefined;
  /** The resource server which that names, or the agent's default; undefined where it names none. */
  readonly resource: Resource | undefined;
  /** The `scope` parameter as it was sent; undefined where none was. */
  readonly requestedScope: string | undefined;
  /** The deployment's cap, in seconds. */
  readonly maxTtlSeconds: number;
  readonly deploymentEpoch: number;
  /** The key that would sign, for a resource server that wants JWTs. */
  readonly signingKey: { readonly id: string; readonly epoch: number } | undefined;
  /** The thumbprint of the key that the request has proved (RFC 9449); undefined without a proof. */
  readonly proofKey: string | undefined;
  readonly moment: Moment;
}

export type IssueDecision =
  | {
      readonly outcome: 'issue';
      readonly subject: string;
      readonly resource: Resource;
      readonly scopes: readonly string[];
      /** Seconds since the epoch. */
      readonly issuedAt: number;
      readonly expiresAt: number;
      /** All that the token descends from, at the epochs this decision read; its own handle is added when it gets one. */
      readonly lineage: readonly Handle[];
      /** Who acts for the subject, newest first; nobody where an agent acts for itself. */
      readonly actors: readonly string[];
      /** The standing permission that it rests on. */
      readonly standing?: Pick<Standing, 'id' | 'mayActNext'>;
      /** Who countersigned it, and what. */
      readonly approval?: ApprovalClaim;
      /** The key to sign with; absent for an opaque token. */
      readonly signingKeyId?: string;
    }
  | {
      /** Within the envelope, beyond the baseline or the standing permission: a human would have to countersign. */
      readonly outcome: 'needs-approval';
      readonly resource: Resource;
      /** Everything that is asked for. */
      readonly scopes: readonly string[];
      /** What of it nobody has granted yet. */
      readonly beyond: readonly string[];
      readonly subject: string;
      /** Who would act for the subject, newest first; nobody where an agent acts for itself. */
      readonly actors: readonly string[];
      /** All that the token would descend from, at the epochs this decision read. */
      readonly lineage: readonly Handle[];
      /**
       * Who alone could countersign: the owner for the agent itself, the delegating person for a delegation. Nobody where the request
       * rests on something that would be dead before a person has decided: a token, or a consent grant.
       */
      readonly approver: string | undefined;
      /** The end of what it rests on, in seconds since the epoch. */
      readonly endsAt: number;
      /** What is said to whoever does not wait. */
      readonly reason: BeyondRefusal;
      readonly detail: RefusalDetail;
    }
  | { readonly outcome: 'refuse'; readonly reason: IssueRefusal; readonly detail: RefusalDetail };

/**
 * The one decision to issue a token (I2, I9). Pure: no clock, no I/O. Every grant calls it, and scope, audience and lifetime
 * only ever narrow along it.
 *
 * - One audience, always (RFC 8707 section 2): the resource asked for, or the agent's default.
 * - A scope that is unknown or beyond the envelope is refused by name, never dropped; no scope asked means the baseline.
 * - Under a person's standing permission it is what that allows, not the baseline, and no more than the token that is exchanged holds;
 *   no scope asked means all of that. Nothing of high risk, and nowhere but where the permission is for.
 * - Beyond these, but within the envelope, is only what one elevation holds that somebody has countersigned: the owner for the agent
 *   itself, and beyond a delegation the person who gave it. Its token is opaque, and ends with what was approved: ordinary caps do not
 *   apply.
 * - The token ends with the shortest of: deployment, resource, agent cap, agent's own end, and 300 s for a JWT; of a delegated one
 *   also with the permission and with each token that was presented.
 */
export function decideIssue(question: IssueQuestion): IssueDecision {
  const { agent, owner, resource, moment } = question;

  if (isQuarantineEpoch(question.deploymentEpoch)) return refuse('deployment-quarantined');
  if (isTooFarAhead(moment)) return refuse('clock-ahead', { retryAfterSeconds: CLOCK_RETRY_SECONDS });
  const status = agentStatus(agent, moment.latest);
  if (status !== 'active') return refuse(`agent-${status}`);
  const isJwt = resource?.tokenFormat.kind === 'jwt';
  const issuedAt = toSeconds(isJwt ? issuedForOthers(moment) : moment.now);
  const agentEnd = agent.expiresAt === undefined ? Number.POSITIVE_INFINITY : toSeconds(agent.expiresAt);
  // Tokens live for whole seconds. Nobody is asked to countersign for one that could not live at all.
  if (agentEnd <= issuedAt) return refuse('agent-expired');
  if (!owner) return refuse('owner-unknown');
  if (owner.status !== 'active') return refuse('owner-disabled');
  if (agent.dpop === 'required' && question.proofKey === undefined) {
    return refuse('dpop-required', {
      parameter: 'DPoP',
      permitted: ['a header with a DPoP proof (RFC 9449)'],
    });
  }

  const standing = question.delegation?.standing;
  const actors = standing
    ? judgeStanding(standing, { agentId: agent.id, proofKey: question.proofKey, issuedAt })
    : question.delegation
      ? [agent.id]
      : [];
  if (typeof actors === 'string') return refuse(actors);

  const permittedResources = agent.envelope
    .map(entry => entry.resource)
    .filter(identifier => !standing || identifier === standing.resource);
  if (!standing && question.requestedResource === undefined && agent.defaultResource === undefined) {
    return refuse('resource-missing', { parameter: 'resource', permitted: permittedResources });
  }
  const isOutOfReach =
    resource && ((question.delegation && !mayBeDelegated(resource)) || isElsewhere(standing, resource));
  // Unknown, and known but not this agent's, look alike to the caller (I15).
  if (!resource || isOutOfReach || !permittedResources.includes(resource.identifier)) {
    return refuse('resource-not-permitted', {
      parameter: 'resource',
      sent: question.requestedResource ?? standing?.resource ?? agent.defaultResource ?? '',
      permitted: permittedResources,
    });
  }
  if (resource.status !== 'active') {
    return refuse('resource-disabled', { parameter: 'resource', sent: resource.identifier });
  }
  const { approval } = question;
  const subject = question.delegation?.subject ?? agent.id;
  const refused = approval && judgeApproval(approval, question, resource, { subject, issuedAt });
  if (refused) return refuse(refused);
  if (isJwt && !question.signingKey) return refuse('no-signing-key');

  const asked = decideScopes(question, resource);
  if ('outcome' in asked) return asked;

  const standingEnd = standing ? endOfStanding(standing) : Number.POSITIVE_INFINITY;
  const lineage = [
    handle(agent.id, agent.epoch),
    handle(owner.id, owner.epoch),
    handle(resource.id, resource.epoch),
    handle(DEPLOYMENT, question.deploymentEpoch),
  ];
  if (isJwt && question.signingKey) lineage.push(handle(question.signingKey.id, question.signingKey.epoch));
  if (question.delegation) lineage.push(...question.delegation.lineage);
  if (standing) lineage.push(...presentedLineage(standing));
  if (approval) lineage.push(...(approval.lineage.split(' ') as Handle[]));

  const about = {
    subject,
    resource,
    scopes: asked.scopes,
    lineage: standing || approval ? [...new Set(lineage)] : lineage,
    actors,
  };
  if (asked.beyond.length > 0) {
    return {
      outcome: 'needs-approval',
      ...about,
      beyond: asked.beyond,
      approver: approverOf(question),
      endsAt: Math.min(agentEnd, standingEnd),
      reason: asked.reason,
      detail: asked.detail,
    };
  }
  const expiresAt = Math.min(
    ...(approval
      ? [toSeconds(approval.expiresAt)]
      : [
          issuedAt + question.maxTtlSeconds,
          issuedAt + resource.accessTokenTtlSeconds,
          issuedAt + (agent.accessTokenTtlSeconds ?? Number.POSITIVE_INFINITY),
          isJwt ? issuedAt + MAX_JWT_TTL_SECONDS : Number.POSITIVE_INFINITY,
        ]),
    agentEnd,
    standingEnd,
  );
  return {
    outcome: 'issue',
    ...about,
    issuedAt,
    expiresAt,
    ...(standing && { standing: { id: standing.id, mayActNext: standing.mayActNext } }),
    ...(approval && { approval: approval.claim }),
    ...(isJwt && question.signingKey && { signingKeyId: question.signingKey.id }),
  };
}

/** Who could countersign a request beyond its source, where it can wait for that. */
function approverOf({ agent, delegation }: IssueQuestion): string | undefined {
  if (!delegation) return agent.ownerId;
  const { standing } = delegation;
  return standing && !standing.token && !standing.actorToken ? delegation.subject : undefined;
}

/** Whether what was countersigned is for this request, and by whoever may countersign for it. */
function judgeApproval(
  approval: Approved,
  question: IssueQuestion,
  resource: Resource,
  { subject, issuedAt }: { readonly subject: string; readonly issuedAt: number },
): ApprovalRefusal | undefined {
  if (approval.by !== approverOf(question)) return 'approval-by-another';
  if (approval.subject !== subject) return 'approval-for-another';
  if (approval.resourceId !== resource.id) return 'approval-elsewhere';
  if (approval.proofKey !== question.proofKey) return 'approval-key-differs';
  // Tokens live for whole seconds.
  if (toSeconds(approval.expiresAt) <= issuedAt) return 'approval-over';
  return resource.tokenFormat.kind === 'jwt' ? 'approval-needs-opaque' : undefined;
}

/** Whether a token for a resource server would be for another one than what it rests on. */
function isElsewhere(standing: Standing | undefined, { id }: Resource): boolean {
  return standing !== undefined && (standing.resourceId !== id || (standing.token?.resourceId ?? id) !== id);
}

/** What is asked for, and what of it nobody has granted: neither its source, nor whoever countersigned it. */
interface AskedScopes {
  readonly scopes: readonly string[];
  readonly beyond: readonly string[];
  readonly reason: BeyondRefusal;
  readonly detail: RefusalDetail;
}

function decideScopes(
  { agent, delegation, approval, requestedScope }: IssueQuestion,
  resource: Resource,
): AskedScopes | Extract<IssueDecision, { readonly outcome: 'refuse' }> {
  const catalogue = resource.scopes.map(scope => scope.name);
  const envelope = scopesAt(agent.envelope, resource.identifier).filter(scope => catalogue.includes(scope));
  const standing = delegation?.standing;
  const lasting = standingScopes(resource);
  const permitted = standing
    ? heldScopes(standing).filter(scope => envelope.includes(scope) && lasting.includes(scope))
    : envelope;

  const requested = parseScope(requestedScope);
  if (requested === 'malformed') {
    return refuse('scope-malformed', {
      parameter: 'scope',
      sent: requestedScope ?? '',
      permitted,
      hint: 'scope is a list of names, separated by single spaces',
    });
  }
  const baseline = scopesAt(agent.baseline, resource.identifier).filter(scope => envelope.includes(scope));
  const scopes = requested ?? (standing ? permitted : baseline);
  if (scopes.length === 0) {
    if (standing) return refuse('scope-none-left', { parameter: 'scope', permitted });
    const within = `within its envelope: ${envelope.join(' | ') || 'nothing'}`;
    const hint = `it has no baseline at this resource; ${within}, if a person countersigns it (completion_mode=deferred) or an administrator adds it to the baseline`;
    return refuse('scope-none-by-default', { parameter: 'scope', permitted: baseline, hint });
  }
  const held = standing
    ? ([
        ['scope-high-risk', lasting],
        ['scope-beyond-delegation', standing.scopes],
        ['scope-beyond-subject-token', heldScopes(standing)],
      ] as const)
    : ([['scope-needs-approval', baseline]] as const);
  const past = (allowed: readonly string[]) => scopes.filter(scope => !allowed.includes(scope));
  for (const [reason, allowed] of [
    ['scope-unknown', catalogue],
    ['scope-beyond-envelope', envelope],
  ] as const) {
    const beyond = past(allowed);
    if (beyond.length > 0) return refuse(reason, { parameter: 'scope', sent: beyond.join(' '), permitted });
  }
  const countersigned = approval?.scopes ?? [];
  const [exceeded] = held.filter(([, allowed]) => past([...allowed, ...countersigned]).length > 0);
  if (!exceeded) return { scopes, beyond: [], reason: 'scope-needs-approval', detail: {} };
  const [reason, allowed] = exceeded;
  if (reason === 'scope-beyond-subject-token' || standing?.token || standing?.actorToken) {
    return refuse(reason as IssueRefusal, { parameter: 'scope', sent: past(allowed).join(' '), permitted });
  }
  const source = standing ? permitted : baseline;
  const beyond = past([...source, ...countersigned]);
  return {
    scopes,
    beyond,
    reason,
    detail: { parameter: 'scope', sent: beyond.join(' '), permitted: source },
  };
}

/** RFC 6749 section 3.3. Names are kept in the order asked for, each once. */
function parseScope(scope: string | undefined): readonly string[] | undefined | 'malformed' {
  if (scope === undefined) return undefined;
  const names = scope.split(' ');
  if (!names.every(name => SCOPE_TOKEN.test(name))) return 'malformed';
  return names.length === 1 ? names : [...new Set(names)];
}

function refuse(
  reason: IssueRefusal,
  detail: RefusalDetail = {},
): Extract<IssueDecision, { readonly outcome: 'refuse' }> {
  return { outcome: 'refuse', reason, detail };
}
