import { type Agent, type AgentStore, agentStatus, scopesAt } from '../agents/index.ts';
import type { Freshness, Origin, RefusalCounter } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { PersonStore } from '../people/index.ts';
import { mayBeDelegated, type Resource, type ResourceStore, standingScopes } from '../resources/index.ts';
import type { Delegation } from './delegation.ts';
import type { ParsedDelegation } from './delegation-input.ts';
import type { DelegationStore } from './delegation-store.ts';

/**
 * - `delegation-unknown`: there is no such delegation, or it is somebody else's
 * - `delegation-ended`: it was ended while another one was about to take its place
 * - `delegation-person-not-active`: whoever gives it is not there, or is disabled
 * - `delegation-agent-unknown`, `delegation-agent-not-active`: whom it names cannot act
 * - `delegation-agent-is-application`: what people use in their browser gets what a consent page gives
 * - `delegation-next-agent-not-possible`: the work cannot be handed on to one of these
 * - `delegation-resource-unknown`, `delegation-resource-disabled`, `delegation-resource-not-possible`: not there
 * - `delegation-scope-unknown`, `delegation-scope-beyond-envelope`, `delegation-scope-high-risk`: not that
 * - `delegation-end-not-possible`: not until then
 */
export type DelegationRefusal =
  | 'delegation-unknown'
  | 'delegation-ended'
  | 'delegation-person-not-active'
  | 'delegation-agent-unknown'
  | 'delegation-agent-not-active'
  | 'delegation-agent-is-application'
  | 'delegation-next-agent-not-possible'
  | 'delegation-resource-unknown'
  | 'delegation-resource-disabled'
  | 'delegation-resource-not-possible'
  | 'delegation-scope-unknown'
  | 'delegation-scope-beyond-envelope'
  | 'delegation-scope-high-risk'
  | 'delegation-end-not-possible';

export interface DelegationDeps {
  readonly delegations: DelegationStore;
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly freshness: Freshness;
  readonly refusals: Pick<RefusalCounter, 'note'>;
}

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** What stands longer than that, nobody remembers to have given. */
export const MAX_DELEGATION_DAYS = 90;

/** What a delegation allows, checked. */
export type DelegationTerms = Pick<
  Delegation,
  'personId' | 'agentId' | 'resourceId' | 'resource' | 'scopes' | 'expiresAt' | 'mayActNext'
>;

/**
 * Everything that must be true of a delegation when it is given, besides the form of its fields.
 *
 * @throws {Refused<DelegationRefusal>} naming the value at fault and what is permitted
 */
export async function checkDelegation(
  deps: Pick<DelegationDeps, 'agents' | 'people' | 'resources'>,
  personId: `usr_${string}`,
  input: ParsedDelegation,
  origin: Pick<Origin, 'now' | 'latest'>,
): Promise<DelegationTerms> {
  const person = await deps.people.findPerson(personId);
  if (person?.status !== 'active') {
    throw new Refused<DelegationRefusal>('delegation-person-not-active', {
      parameter: 'personId',
      sent: personId,
      permitted: ['a person who is active'],
    });
  }
  const agent = await activeAgent(deps, input.agentId, origin.latest);
  const resource = await delegableResource(deps, agent, input.resource);
  assertScopes(agent, resource, input.scopes);
  await assertNext(deps, input, origin.latest);
  return {
    personId,
    agentId: agent.id,
    resourceId: resource.id,
    resource: resource.identifier,
    scopes: input.scopes,
    expiresAt: endOf(input.expiresAt, origin),
    mayActNext: input.mayActNext,
  };
}

async function activeAgent(
  { agents }: Pick<DelegationDeps, 'agents'>,
  id: string,
  latest: number,
): Promise<Agent> {
  const agent = await agents.findAgent(id);
  if (!agent) {
    throw new Refused<DelegationRefusal>('delegation-agent-unknown', {
      parameter: 'agentId',
      sent: id,
      permitted: ['the id of a registered agent'],
    });
  }
  if (isOfApplication(agent)) {
    throw new Refused<DelegationRefusal>('delegation-agent-is-application', {
      parameter: 'agentId',
      sent: id,
      permitted: ['an agent that works by itself'],
      hint: 'an application asks for what it needs in the browser, at the consent page',
    });
  }
  const status = agentStatus(agent, latest);
  if (status !== 'active') {
    throw new Refused<DelegationRefusal>('delegation-agent-not-active', {
      parameter: 'agentId',
      sent: id,
      permitted: ['an agent that is active'],
      hint: `this one is ${status}`,
    });
  }
  return agent;
}

/** An application, or somebody's own agent for one: those act by consent grants. */
function isOfApplication({ application, applicationId }: Agent): boolean {
  return application !== undefined || applicationId !== undefined;
}

async function delegableResource(
  { resources }: Pick<DelegationDeps, 'resources'>,
  agent: Agent,
  identifier: string,
): Promise<Resource> {
  const refuse = async (reason: DelegationRefusal, hint?: string): Promise<never> => {
    throw new Refused<DelegationRefusal>(reason, {
      parameter: 'resource',
      sent: identifier,
      permitted: await placesOf(resources, agent),
      ...(hint !== undefined && { hint }),
    });
  };
  const resource = await resources.findResourceByIdentifier(identifier);
  if (!resource) return refuse('delegation-resource-unknown');
  if (!mayBeDelegated(resource)) {
    return refuse('delegation-resource-not-possible', 'nobody administers this server by a delegation');
  }
  if (resource.status !== 'active') return refuse('delegation-resource-disabled');
  return resource;
}

/** Where an agent can be let act: of its envelope, what is registered and active and not our own API. */
async function placesOf(
  resources: DelegationDeps['resources'],
  { envelope }: Agent,
): Promise<readonly string[]> {
  const found = await Promise.all(
    envelope.map(({ resource }) => resources.findResourceByIdentifier(resource)),
  );
  return found
    .filter(resource => resource?.status === 'active' && mayBeDelegated(resource))
    .map(resource => (resource as Resource).identifier);
}

function assertScopes(agent: Agent, resource: Resource, scopes: readonly string[]): void {
  const catalogue = resource.scopes.map(({ name }) => name);
  const envelope = scopesAt(agent.envelope, resource.identifier);
  const standing = standingScopes(resource);
  const permitted = standing.filter(scope => envelope.includes(scope));
  const refuseBeyond = (reason: DelegationRefusal, allowed: readonly string[], hint: string): void => {
    const beyond = scopes.filter(scope => !allowed.includes(scope));
    if (beyond.length === 0) return;
    throw new Refused<DelegationRefusal>(reason, {
      parameter: 'scopes',
      sent: beyond.join(' '),
      permitted,
      hint,
    });
  };
  refuseBeyond('delegation-scope-unknown', catalogue, `${resource.identifier} has no such scope`);
  refuseBeyond('delegation-scope-beyond-envelope', envelope, 'it is not in the envelope of the agent');
  refuseBeyond(
    'delegation-scope-high-risk',
    standing,
    'what is of high risk needs a countersignature each time, and no permission stands for it',
  );
}

/** Whom the work may be handed on to: agents that could be let act themselves, each another than the first. */
async function assertNext(
  { agents }: Pick<DelegationDeps, 'agents'>,
  { agentId, mayActNext }: ParsedDelegation,
  latest: number,
): Promise<void> {
  for (const id of mayActNext) {
    const next = id === agentId ? undefined : await agents.findAgent(id);
    if (next && !isOfApplication(next) && agentStatus(next, latest) === 'active') continue;
    throw new Refused<DelegationRefusal>('delegation-next-agent-not-possible', {
      parameter: 'mayActNext',
      sent: id,
      permitted: ['the ids of other agents that are active and work by themselves'],
    });
  }
}

/** @param latest an end must be later than the latest that it may be now */
function endOf(asked: number | undefined, { now, latest }: Pick<Origin, 'now' | 'latest'>): number {
  const last = now + MAX_DELEGATION_DAYS * DAY_MS;
  const end = asked ?? now + DEFAULT_DAYS * DAY_MS;
  if (end > latest && end <= last) return end;
  const [from, to] = [latest, last].map(at => new Date(at).toISOString());
  throw new Refused<DelegationRefusal>('delegation-end-not-possible', {
    parameter: 'expiresAt',
    sent: new Date(end).toISOString(),
    permitted: [`later than ${from}, and at the latest ${to}: ${MAX_DELEGATION_DAYS} days`],
  });
}
