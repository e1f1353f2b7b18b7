import type { Freshness, Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { PersonStore } from '../people/index.ts';
import { ADMIN_API_RESOURCE_ID, identifierKey, type ResourceStore } from '../resources/index.ts';
import { type Agent, type Application, type ResourceScopes, scopesAt } from './agent.ts';
import { AGENT_FACETS } from './agent-facets.ts';
import type { AgentStore } from './agent-store.ts';

export type AgentRefusal =
  | 'agent-unknown'
  | 'agent-exists'
  | 'agent-is-retired'
  | 'owner-not-registered'
  | 'owner-not-active'
  | 'envelope-resource-unknown'
  | 'envelope-resource-repeated'
  | 'envelope-scope-unknown'
  | 'baseline-beyond-envelope'
  | 'default-resource-beyond-envelope'
  | 'expiry-in-the-past'
  | 'application-not-possible'
  | 'admin-scope-not-held';

export interface AgentDeps {
  readonly agents: AgentStore;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly freshness: Freshness;
}

/**
 * Everything that must be true of an agent besides the form of its fields; the same for a new one and for a changed one (I9).
 * Of a changed one, what it had before is not held against it: a scope may have left the catalogue since.
 *
 * @param before the agent as it was; undefined for a new one
 * @returns the agent with resource identifiers in their registered spelling
 * @throws {Refused<AgentRefusal>}
 */
export async function checkAgent(
  deps: Pick<AgentDeps, 'people' | 'resources'>,
  before: Agent | undefined,
  after: Agent,
  origin: Origin,
): Promise<Agent> {
  if (after.ownerId !== before?.ownerId) await assertOwner(deps, after.ownerId);
  if (
    after.expiresAt !== undefined &&
    after.expiresAt !== before?.expiresAt &&
    after.expiresAt <= origin.latest
  ) {
    throw new Refused<AgentRefusal>('expiry-in-the-past', {
      parameter: 'expiresAt',
      sent: new Date(after.expiresAt).toISOString(),
      permitted: [`later than ${new Date(origin.latest).toISOString()}`],
    });
  }
  assertApplication(before, after);
  const envelope = await resolveEnvelope(deps, before, after.envelope);
  const baseline = withinEnvelope(envelope, after.baseline);
  const agent: Agent = {
    ...after,
    envelope,
    baseline,
    ...(after.defaultResource !== undefined && {
      defaultResource: defaultWithinEnvelope(envelope, after.defaultResource),
    }),
  };
  await assertMayGrant(deps, before, agent, origin);
  await assertNoAdministratorForAll(deps, agent);
  return agent;
}

/**
 * Nobody hands on more of our own API than they hold themselves (I2): whoever may register agents could otherwise make one that
 * may do everything.
 *
 * @param before what the agent could do already; undefined to count all that it can do now
 * @throws {Refused<AgentRefusal>} `admin-scope-not-held`
 */
export async function assertMayGrant(
  deps: Pick<AgentDeps, 'resources'>,
  before: Agent | undefined,
  after: Agent,
  origin: Origin,
): Promise<void> {
  if (origin.client === undefined) return;
  const adminApi = await deps.resources.findResource(ADMIN_API_RESOURCE_ID);
  if (!adminApi) return;
  const held = origin.scopes ?? [];
  for (const list of ['envelope', 'baseline'] as const) {
    const had = before ? scopesAt(before[list], adminApi.identifier) : [];
    const beyond = scopesAt(after[list], adminApi.identifier).filter(
      scope => !had.includes(scope) && !held.includes(scope),
    );
    if (beyond.length === 0) continue;
    throw new Refused<AgentRefusal>('admin-scope-not-held', {
      parameter: list,
      sent: beyond.join(' '),
      permitted: held,
      hint: `scopes of ${adminApi.identifier} are given only by those who hold them`,
    });
  }
}

/**
 * Nobody acts on an agent that may do more with our own API than they may themselves: restored, renamed, given another owner or
 * another secret, it would be theirs to use, and narrowed it could not undo what they do. To kill it stays open to whoever may kill.
 *
 * @throws {Refused<AgentRefusal>} `admin-scope-not-held`
 */
export async function assertNotStronger(
  deps: Pick<AgentDeps, 'resources'>,
  agent: Agent,
  origin: Origin,
): Promise<void> {
  const beyond = await adminScopesBeyond(deps, [agent], origin);
  if (beyond.length === 0) return;
  throw new Refused<AgentRefusal>('admin-scope-not-held', {
    parameter: 'id',
    sent: agent.id,
    permitted: origin.scopes ?? [],
    hint: `it may ${beyond.join(' ')} at this API, which this token may not`,
  });
}

/** The same of all agents of a person: they stand and fall with their owner. */
export async function strongerAgentsOf(
  deps: Pick<AgentDeps, 'agents' | 'resources'>,
  ownerId: string,
  origin: Origin,
): Promise<readonly string[]> {
  if (origin.client === undefined) return [];
  const beyond = new Set<string>();
  for await (const agent of eachAgentOf(deps.agents, ownerId)) {
    if (agent.status === 'retired') continue;
    for (const scope of await adminScopesBeyond(deps, [agent], origin)) beyond.add(scope);
  }
  return [...beyond];
}

/** Every agent of a person, however many there are. */
export function eachAgentOf(agents: Pick<AgentStore, 'listAgents'>, ownerId: string): AsyncGenerator<Agent> {
  return eachAgent(agents, [AGENT_FACETS.owner(ownerId)]);
}

/** Every agent that has an end, come or still to come. */
export function eachAgentWithEnd(agents: Pick<AgentStore, 'listAgents'>): AsyncGenerator<Agent> {
  return eachAgent(agents, [AGENT_FACETS.expires]);
}

async function* eachAgent(
  agents: Pick<AgentStore, 'listAgents'>,
  facets: readonly string[],
): AsyncGenerator<Agent> {
  let after: string | undefined;
  do {
    const page = await agents.listAgents({ limit: 100, facets, ...(after !== undefined && { after }) });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}

/** What agents may do at our own API that whoever asks may not; nothing where the operator acts in person. */
export async function adminScopesBeyond(
  { resources }: Pick<AgentDeps, 'resources'>,
  agents: readonly Agent[],
  origin: Origin,
): Promise<readonly string[]> {
  const adminApi =
    origin.client === undefined ? undefined : await resources.findResource(ADMIN_API_RESOURCE_ID);
  if (!adminApi) return [];
  const held = origin.scopes ?? [];
  const all = agents.flatMap(agent => scopesAt(agent.envelope, adminApi.identifier));
  return [...new Set(all)].filter(scope => !held.includes(scope));
}

/** What an application may, everybody may who can sign in and lets it act for them: nobody administers this server by that. */
async function assertNoAdministratorForAll(
  { resources }: Pick<AgentDeps, 'resources'>,
  { application, envelope }: Agent,
): Promise<void> {
  const adminApi = application && (await resources.findResource(ADMIN_API_RESOURCE_ID));
  if (!adminApi || scopesAt(envelope, adminApi.identifier).length === 0) return;
  throw new Refused<AgentRefusal>('application-not-possible', {
    parameter: 'envelope',
    sent: adminApi.identifier,
    permitted: ['resource servers other than this API'],
    hint: 'whoever signs in could administer this server by it',
  });
}

/** What an agent is, it is from the start: one that has acted for itself does not begin to act for people, nor the other way round. */
function assertApplication(before: Agent | undefined, after: Agent): void {
  if (!before && after.credential.method === 'none' && !after.application) {
    throw new Refused<AgentRefusal>('application-not-possible', {
      parameter: 'credential',
      sent: 'none',
      permitted: ['client_secret', 'private_key_jwt'],
      hint: 'only an application, which has redirect URIs, may be without a credential',
    });
  }
  if (before && (before.application === undefined) !== (after.application === undefined)) {
    throw new Refused<AgentRefusal>('application-not-possible', {
      parameter: 'application',
      hint: 'register another agent that is one from the start',
    });
  }
  if (after.application) assertOneKind(after.application, after.credential.method);
}

/** An application is one, or it stands for those that describe themselves: then it has nothing to prove itself with. */
function assertOneKind(application: Application, method: string): void {
  const isTemplate = application.metadataHosts !== undefined || application.selfRegistration !== undefined;
  if (isTemplate === application.redirectUris.length > 0) {
    throw new Refused<AgentRefusal>('application-not-possible', {
      parameter: 'application',
      permitted: ['redirectUris', 'metadataHosts and selfRegistration'],
      hint: 'either it has redirect URIs, or it admits applications that bring their own',
    });
  }
  if (isTemplate && method !== 'none') {
    throw new Refused<AgentRefusal>('application-not-possible', {
      parameter: 'credential',
      sent: method,
      permitted: ['none'],
      hint: 'those that it admits prove themselves, or are public clients',
    });
  }
}

/** @throws {Refused<AgentRefusal>} `agent-unknown` */
export async function getAgent(agents: Pick<AgentStore, 'findAgent'>, id: string): Promise<Agent> {
  const agent = await agents.findAgent(id);
  if (!agent) throw new Refused<AgentRefusal>('agent-unknown', { parameter: 'id', sent: id });
  return agent;
}

/** Retired is final (I6). */
export function assertNotRetired(agent: Agent): void {
  if (agent.status !== 'retired') return;
  throw new Refused<AgentRefusal>('agent-is-retired', {
    parameter: 'id',
    sent: agent.id,
    hint: 'register a new agent instead',
  });
}

async function assertOwner(deps: Pick<AgentDeps, 'people'>, ownerId: string): Promise<void> {
  const owner = await deps.people.findPerson(ownerId);
  if (owner?.status === 'active') return;
  throw new Refused<AgentRefusal>(owner ? 'owner-not-active' : 'owner-not-registered', {
    parameter: 'ownerId',
    sent: ownerId,
    permitted: ['the id of an active person'],
  });
}

async function resolveEnvelope(
  deps: Pick<AgentDeps, 'resources'>,
  before: Agent | undefined,
  envelope: readonly ResourceScopes[],
): Promise<readonly ResourceScopes[]> {
  const resolved = new Map<string, ResourceScopes>();
  for (const { resource: identifier, scopes } of envelope) {
    const resource = await deps.resources.findResourceByIdentifier(identifier);
    if (!resource) {
      throw new Refused<AgentRefusal>('envelope-resource-unknown', {
        parameter: 'envelope',
        sent: identifier,
        permitted: ['the identifier of a registered resource server'],
      });
    }
    if (resolved.has(resource.identifier)) {
      throw new Refused<AgentRefusal>('envelope-resource-repeated', {
        parameter: 'envelope',
        sent: identifier,
        permitted: ['each resource server once'],
      });
    }
    const catalogue = resource.scopes.map(scope => scope.name);
    const had = before ? scopesAt(before.envelope, resource.identifier) : [];
    const unknown = scopes.filter(scope => !catalogue.includes(scope) && !had.includes(scope));
    if (unknown.length > 0) {
      throw new Refused<AgentRefusal>('envelope-scope-unknown', {
        parameter: 'envelope',
        sent: unknown.join(' '),
        permitted: catalogue,
        hint: `these are the scopes of ${resource.identifier}`,
      });
    }
    resolved.set(resource.identifier, { resource: resource.identifier, scopes });
  }
  return [...resolved.values()];
}

function withinEnvelope(
  envelope: readonly ResourceScopes[],
  baseline: readonly ResourceScopes[],
): readonly ResourceScopes[] {
  const within = new Map<string, ResourceScopes>();
  for (const { resource, scopes } of baseline) {
    const entry = findEntry(envelope, resource);
    const beyond = scopes.filter(scope => !entry?.scopes.includes(scope));
    if (!entry || beyond.length > 0 || within.has(entry.resource)) {
      throw new Refused<AgentRefusal>('baseline-beyond-envelope', {
        parameter: 'baseline',
        sent: `${resource}: ${beyond.join(' ')}`,
        permitted: entry ? entry.scopes : envelope.map(each => each.resource),
        hint: 'the baseline names each resource server of the envelope at most once, and no scope that is not in it',
      });
    }
    within.set(entry.resource, { resource: entry.resource, scopes });
  }
  return [...within.values()];
}

function defaultWithinEnvelope(envelope: readonly ResourceScopes[], identifier: string): string {
  const entry = findEntry(envelope, identifier);
  if (entry) return entry.resource;
  throw new Refused<AgentRefusal>('default-resource-beyond-envelope', {
    parameter: 'defaultResource',
    sent: identifier,
    permitted: envelope.map(each => each.resource),
  });
}

function findEntry(envelope: readonly ResourceScopes[], identifier: string): ResourceScopes | undefined {
  const key = identifierKey(identifier);
  return envelope.find(entry => identifierKey(entry.resource) === key);
}
