import { isDeepStrictEqual } from 'node:util';
import { ADMIN_SCOPES } from '../admin-call.ts';
import {
  type AuditEvent,
  type CommitPort,
  eventOrigin,
  type Freshness,
  type Origin,
} from '../audit/index.ts';
import { type ClientCredential, digestSecret, newClientSecret } from '../clients/index.ts';
import { StoreUnavailable } from '../errors.ts';
import type { Person, PersonChange, PersonStore } from '../people/index.ts';
import {
  ADMIN_API_RESOURCE_ID,
  ADMIN_API_SCOPES,
  adminApiIdentifier,
  narrowsResource,
  type Resource,
  type ResourceChange,
  type ResourceStore,
} from '../resources/index.ts';
import type { Agent, ResourceScopes } from './agent.ts';
import { AGENT_FACETS } from './agent-facets.ts';
import type { AgentChange, AgentStore } from './agent-store.ts';
import { retireAgent } from './kill-agent.ts';

/** The person who stands behind the bootstrap client until somebody with a name takes over. */
export const BOOTSTRAP_OPERATOR_ID = `usr_${'0'.repeat(32)}` as const;

const BOOTSTRAP_PURPOSE = 'Sets up everything else, until a person administers this server';
const ADMIN_TOKEN_TTL_SECONDS = 300;
/** As many processes as can start at one moment and each be first with something. */
const MAX_ATTEMPTS = 20;

export interface BootstrapAdminDeps {
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource'>;
  readonly store: CommitPort<BootstrapChange>;
  readonly freshness: Freshness;
}

/** The client with which everything else is set up, from configuration or made at first start. */
export interface BootstrapAdmin {
  readonly clientId: `agt_${string}`;
  readonly secret: string;
}

type BootstrapChange = AgentChange | PersonChange | ResourceChange;
interface Step {
  readonly change: BootstrapChange;
  readonly event: AuditEvent;
}

/**
 * Sees to it that somebody can administer the server: our own API as a resource server, a person, and the bootstrap client,
 * which may do everything there. What is there already stays as administrators have made it; only what configuration decides is
 * brought up to date: the issuer's name, and the client's secret. A killed client stays killed.
 *
 * One unit of commit, and safe when several processes start at once.
 *
 * @param bootstrap undefined once people administer the server: then no such client is made or changed
 * @returns whether the client was made by this call
 * @throws {Error} when the configured client is an agent that authenticates in another way
 */
export async function ensureAdminApi(
  deps: BootstrapAdminDeps,
  issuer: string,
  bootstrap: BootstrapAdmin | undefined,
  origin: Origin,
): Promise<{ readonly created: boolean }> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const [resource, person, agent] = await Promise.all([
      deps.resources.findResource(ADMIN_API_RESOURCE_ID),
      deps.people.findPerson(BOOTSTRAP_OPERATOR_ID),
      bootstrap && deps.agents.findAgent(bootstrap.clientId),
    ]);
    const identifier = adminApiIdentifier(issuer);
    const steps = [
      stepForResource(resource, identifier, origin),
      person ? undefined : stepForPerson(origin),
      bootstrap &&
        (agent
          ? stepForKnownAgent(agent, bootstrap, resource?.identifier, identifier, origin)
          : stepForNewAgent(bootstrap, identifier, origin)),
    ].filter(step => step !== undefined);
    const done = { created: bootstrap !== undefined && agent === undefined };
    if (steps.length === 0) return done;
    const outcome = await deps.store.commit({
      changes: steps.map(step => step.change),
      events: steps.map(step => step.event),
    });
    if (outcome.committed) return done;
  }
  throw new StoreUnavailable('the admin API could not be set up: other processes kept changing it');
}

/**
 * Retires the clients that the server was set up with: people administer it from now on. Whoever else the bootstrap operator owns by
 * then stays.
 */
export async function retireBootstrapClients(
  deps: { readonly agents: AgentStore; readonly freshness: Freshness },
  origin: Origin,
): Promise<void> {
  const facets = [AGENT_FACETS.owner(BOOTSTRAP_OPERATOR_ID)];
  let after: string | undefined;
  do {
    const page = await deps.agents.listAgents({ limit: 100, facets, ...(after !== undefined && { after }) });
    for (const agent of page.items) {
      if (agent.purpose === BOOTSTRAP_PURPOSE) await retireAgent(deps, agent.id, origin);
    }
    after = page.next;
  } while (after !== undefined);
}

function stepForResource(
  current: Resource | undefined,
  identifier: string,
  origin: Origin,
): Step | undefined {
  const about = {
    outcome: 'done',
    ...eventOrigin(origin),
    resource: identifier,
    target: ADMIN_API_RESOURCE_ID,
  } as const;
  if (!current) {
    const record: Resource = {
      ...newRecord(ADMIN_API_RESOURCE_ID, origin.now),
      identifier,
      name: 'Countersign admin API',
      scopes: ADMIN_API_SCOPES,
      tokenFormat: { kind: 'opaque' },
      accessTokenTtlSeconds: ADMIN_TOKEN_TTL_SECONDS,
      status: 'active',
      // Nobody asks about its tokens from outside: the secret is made and forgotten.
      credential: credentialOf(newClientSecret()),
    };
    return {
      change: { kind: 'insert', collection: 'resource', record },
      event: { type: 'resource.created', ...about, detail: { name: record.name } },
    };
  }
  const wanted: Resource = { ...current, identifier, scopes: ADMIN_API_SCOPES };
  if (isDeepStrictEqual(wanted, current)) return undefined;
  const cutsOff = current.identifier !== identifier || narrowsResource(current, wanted);
  const record = revised(current, wanted, cutsOff, origin.now);
  return {
    change: { kind: 'replace', collection: 'resource', record, ifVersion: current.version },
    event: { type: 'resource.updated', ...about, detail: { before: current.identifier, cutsOff } },
  };
}

function stepForPerson(origin: Origin): Step {
  const record: Person = {
    ...newRecord(BOOTSTRAP_OPERATOR_ID, origin.now),
    name: 'Bootstrap operator',
    roles: ['admin'],
    status: 'active',
  };
  return {
    change: { kind: 'insert', collection: 'person', record },
    event: {
      type: 'person.created',
      outcome: 'done',
      ...eventOrigin(origin),
      target: record.id,
      detail: { name: record.name, roles: record.roles },
    },
  };
}

function stepForNewAgent(bootstrap: BootstrapAdmin, identifier: string, origin: Origin): Step {
  const everything: readonly ResourceScopes[] = [{ resource: identifier, scopes: ADMIN_SCOPES }];
  const record: Agent = {
    ...newRecord(bootstrap.clientId, origin.now),
    name: 'Bootstrap administrator',
    purpose: BOOTSTRAP_PURPOSE,
    ownerId: BOOTSTRAP_OPERATOR_ID,
    status: 'active',
    envelope: everything,
    baseline: everything,
    defaultResource: identifier,
    credential: credentialOf(bootstrap.secret),
  };
  return {
    change: { kind: 'insert', collection: 'agent', record },
    event: {
      type: 'agent.created',
      outcome: 'done',
      ...eventOrigin(origin),
      target: record.id,
      detail: {
        name: record.name,
        owner: record.ownerId,
        envelope: [`${identifier}: ${ADMIN_SCOPES.join(' ')}`],
      },
    },
  };
}

function stepForKnownAgent(
  current: Agent,
  bootstrap: BootstrapAdmin,
  identifierBefore: string | undefined,
  identifier: string,
  origin: Origin,
): Step | undefined {
  if (current.credential.method !== 'client_secret') {
    throw new Error(`the bootstrap client ${current.id} is an agent that authenticates with its own keys`);
  }
  const rename = (name: string): string => (name === identifierBefore ? identifier : name);
  const renameAll = (list: readonly ResourceScopes[]): readonly ResourceScopes[] =>
    list.map(({ resource, scopes }) => ({ resource: rename(resource), scopes }));
  const isKnownSecret = current.credential.secretDigests.includes(digestSecret(bootstrap.secret));
  const wanted: Agent = {
    ...current,
    envelope: renameAll(current.envelope),
    baseline: renameAll(current.baseline),
    ...(current.defaultResource !== undefined && { defaultResource: rename(current.defaultResource) }),
    ...(!isKnownSecret && { credential: credentialOf(bootstrap.secret) }),
  };
  if (isDeepStrictEqual(wanted, current)) return undefined;
  const record = revised(current, wanted, false, origin.now);
  return {
    change: { kind: 'replace', collection: 'agent', record, ifVersion: current.version },
    event: {
      type: isKnownSecret ? 'agent.updated' : 'agent.secret-issued',
      outcome: 'done',
      ...eventOrigin(origin),
      target: current.id,
      detail: { by: 'configuration' },
    },
  };
}

function credentialOf(secret: string): ClientCredential {
  return { method: 'client_secret', secretDigests: [digestSecret(secret)] };
}

function newRecord<Id extends string>(
  id: Id,
  now: number,
): { id: Id; version: number; epoch: number; createdAt: number; updatedAt: number } {
  return { id, version: 1, epoch: 0, createdAt: now, updatedAt: now };
}

function revised<R extends Agent | Resource>(current: R, wanted: R, cutsOff: boolean, now: number): R {
  return {
    ...wanted,
    version: current.version + 1,
    epoch: current.epoch + (cutsOff ? 1 : 0),
    updatedAt: Math.max(now, current.updatedAt),
  };
}
