import { type Agent, agentStatus, scopesAt } from '../agents/index.ts';
import { CLOCK_RETRY_SECONDS, type ClockRefusal } from '../audit/index.ts';
import { issuedForOthers, isTooFarAhead, type Moment, toSeconds } from '../clock.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import type { RefusalDetail } from '../errors.ts';
import { type Handle, handle } from '../liveness.ts';
import { SCOPE_TOKEN } from '../oauth.ts';
import type { Person } from '../people/index.ts';
import { mayBeDelegated, type Resource, standingScopes } from '../resources/index.ts';
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
  | SubjectRefusal;

/** Everything the decision rests on, read beforehand. */
export interface IssueQuestion {
  /** The authenticated client's agent. */
  readonly agent: Agent;
  /** For whom it acts; itself where absent. */
  readonly delegation?: Delegated | undefined;
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
      /** The key to sign with; absent for an opaque token. */
      readonly signingKeyId?: string;
    }
  | {
      /** Within the envelope, beyond the baseline: a human would have to countersign. */
      readonly outcome: 'needs-approval';
      readonly resource: Resource;
      readonly beyondBaseline: readonly string[];
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
  if (isJwt && !question.signingKey) return refuse('no-signing-key');

  const scopes = decideScopes(question, resource);
  if (!isList(scopes)) return scopes;

  const expiresAt = Math.min(
    issuedAt + question.maxTtlSeconds,
    issuedAt + resource.accessTokenTtlSeconds,
    issuedAt + (agent.accessTokenTtlSeconds ?? Number.POSITIVE_INFINITY),
    isJwt ? issuedAt + MAX_JWT_TTL_SECONDS : Number.POSITIVE_INFINITY,
    agentEnd,
    standing ? endOfStanding(standing) : Number.POSITIVE_INFINITY,
  );

  const lineage = [
    handle(agent.id, agent.epoch),
    handle(owner.id, owner.epoch),
    handle(resource.id, resource.epoch),
    handle(DEPLOYMENT, question.deploymentEpoch),
  ];
  if (isJwt && question.signingKey) lineage.push(handle(question.signingKey.id, question.signingKey.epoch));
  if (question.delegation) lineage.push(...question.delegation.lineage);
  if (standing) lineage.push(...presentedLineage(standing));

  const granted = {
    subject: question.delegation?.subject ?? agent.id,
    resource,
    scopes,
    issuedAt,
    expiresAt,
    lineage: standing ? [...new Set(lineage)] : lineage,
    actors,
  };
  return {
    outcome: 'issue',
    ...granted,
    ...(standing && { standing: { id: standing.id, mayActNext: standing.mayActNext } }),
    ...(isJwt && question.signingKey && { signingKeyId: question.signingKey.id }),
  };
}

/** Whether a token for a resource server would be for another one than what it rests on. */
function isElsewhere(standing: Standing | undefined, { id }: Resource): boolean {
  return standing !== undefined && (standing.resourceId !== id || (standing.token?.resourceId ?? id) !== id);
}

function decideScopes(
  { agent, delegation, requestedScope }: IssueQuestion,
  resource: Resource,
): readonly string[] | Exclude<IssueDecision, { readonly outcome: 'issue' }> {
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
    return refuse(standing ? 'scope-none-left' : 'scope-none-by-default', { parameter: 'scope', permitted });
  }
  const limits: readonly (readonly [reason: IssueRefusal, allowed: readonly string[]])[] = [
    ['scope-unknown', catalogue],
    ['scope-beyond-envelope', envelope],
    ...(standing
      ? ([
          ['scope-high-risk', lasting],
          ['scope-beyond-delegation', standing.scopes],
          ['scope-beyond-subject-token', heldScopes(standing)],
        ] as const)
      : []),
  ];
  for (const [reason, allowed] of limits) {
    const beyond = scopes.filter(scope => !allowed.includes(scope));
    if (beyond.length > 0) return refuse(reason, { parameter: 'scope', sent: beyond.join(' '), permitted });
  }
  const beyondBaseline = standing ? [] : scopes.filter(scope => !baseline.includes(scope));
  if (beyondBaseline.length > 0) {
    const detail = { parameter: 'scope', sent: beyondBaseline.join(' '), permitted: baseline };
    return { outcome: 'needs-approval', resource, beyondBaseline, detail };
  }
  return scopes;
}

/** `Array.isArray` does not narrow to a list that is read only. */
function isList<T extends object>(value: readonly string[] | T): value is readonly string[] {
  return Array.isArray(value);
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
