import { type Agent, agentStatus, scopesAt } from '../agents/index.ts';
import { CLOCK_RETRY_SECONDS, type ClockRefusal } from '../audit/index.ts';
import { issuedForOthers, isTooFarAhead, type Moment, toSeconds } from '../clock.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import type { RefusalDetail } from '../errors.ts';
import { type Handle, handle } from '../liveness.ts';
import { SCOPE_TOKEN } from '../oauth.ts';
import type { Person } from '../people/index.ts';
import { mayBeDelegated, type Resource } from '../resources/index.ts';

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
  | 'no-signing-key';

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

/** That an agent acts for a person, and what that rests on. */
export interface Delegated {
  /** The person: `sub` of the token. */
  readonly subject: string;
  /** What the token dies with, besides everything that a token of the agent dies with. */
  readonly lineage: readonly Handle[];
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
 * - The token ends with the shortest of: deployment, resource, agent cap, agent's own end, and 300 s for a JWT.
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

  const permittedResources = agent.envelope.map(entry => entry.resource);
  if (question.requestedResource === undefined && agent.defaultResource === undefined) {
    return refuse('resource-missing', { parameter: 'resource', permitted: permittedResources });
  }
  const isOutOfReach = question.delegation !== undefined && resource && !mayBeDelegated(resource);
  // Unknown, and known but not this agent's, look alike to the caller (I15).
  if (!resource || isOutOfReach || !permittedResources.includes(resource.identifier)) {
    return refuse('resource-not-permitted', {
      parameter: 'resource',
      sent: question.requestedResource ?? agent.defaultResource ?? '',
      permitted: permittedResources,
    });
  }
  if (resource.status !== 'active') {
    return refuse('resource-disabled', { parameter: 'resource', sent: resource.identifier });
  }
  if (isJwt && !question.signingKey) return refuse('no-signing-key');

  const catalogue = resource.scopes.map(scope => scope.name);
  const envelope = scopesAt(agent.envelope, resource.identifier).filter(scope => catalogue.includes(scope));
  const baseline = scopesAt(agent.baseline, resource.identifier).filter(scope => envelope.includes(scope));

  const requested = parseScope(question.requestedScope);
  if (requested === 'malformed') {
    return refuse('scope-malformed', {
      parameter: 'scope',
      sent: question.requestedScope ?? '',
      permitted: envelope,
      hint: 'scope is a list of names, separated by single spaces',
    });
  }
  const scopes = requested ?? baseline;
  if (scopes.length === 0) {
    return refuse('scope-none-by-default', { parameter: 'scope', permitted: envelope });
  }
  const unknown = scopes.filter(scope => !catalogue.includes(scope));
  if (unknown.length > 0) {
    return refuse('scope-unknown', { parameter: 'scope', sent: unknown.join(' '), permitted: envelope });
  }
  const beyondEnvelope = scopes.filter(scope => !envelope.includes(scope));
  if (beyondEnvelope.length > 0) {
    return refuse('scope-beyond-envelope', {
      parameter: 'scope',
      sent: beyondEnvelope.join(' '),
      permitted: envelope,
    });
  }
  const beyondBaseline = scopes.filter(scope => !baseline.includes(scope));
  if (beyondBaseline.length > 0) {
    const detail = { parameter: 'scope', sent: beyondBaseline.join(' '), permitted: baseline };
    return { outcome: 'needs-approval', resource, beyondBaseline, detail };
  }

  const expiresAt = Math.min(
    issuedAt + question.maxTtlSeconds,
    issuedAt + resource.accessTokenTtlSeconds,
    issuedAt + (agent.accessTokenTtlSeconds ?? Number.POSITIVE_INFINITY),
    isJwt ? issuedAt + MAX_JWT_TTL_SECONDS : Number.POSITIVE_INFINITY,
    agentEnd,
  );

  const lineage = [
    handle(agent.id, agent.epoch),
    handle(owner.id, owner.epoch),
    handle(resource.id, resource.epoch),
    handle(DEPLOYMENT, question.deploymentEpoch),
  ];
  if (isJwt && question.signingKey) lineage.push(handle(question.signingKey.id, question.signingKey.epoch));
  if (question.delegation) lineage.push(...question.delegation.lineage);

  const granted = {
    subject: question.delegation?.subject ?? agent.id,
    resource,
    scopes,
    issuedAt,
    expiresAt,
    lineage,
  };
  return {
    outcome: 'issue',
    ...granted,
    ...(isJwt && question.signingKey && { signingKeyId: question.signingKey.id }),
  };
}

/** RFC 6749 section 3.3. Names are kept in the order asked for, each once. */
function parseScope(scope: string | undefined): readonly string[] | undefined | 'malformed' {
  if (scope === undefined) return undefined;
  const names = scope.split(' ');
  if (!names.every(name => SCOPE_TOKEN.test(name))) return 'malformed';
  return names.length === 1 ? names : [...new Set(names)];
}

function refuse(reason: IssueRefusal, detail: RefusalDetail = {}): IssueDecision {
  return { outcome: 'refuse', reason, detail };
}
