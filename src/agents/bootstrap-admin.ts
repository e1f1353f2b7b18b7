import { isDeepStrictEqual } from 'node:util';
import { ADMIN_SCOPES } from '../admin-api/index.ts';
import {
  type AuditEvent,
  type CommitPort,
  eventOrigin,
  type Freshness,
  type Origin,
} from '../audit/index.ts';
import { type ClientCredential, digestSecret, newClientSecret } from '../clients/index.ts';
import { StoreUnavailable } from '../errors.ts';
import { BOOTSTRAP_OPERATOR_ID, type Person, type PersonChange, type PersonStore } from '../people/index.ts';
import {
  ADMIN_API_RESOURCE_ID,
  ADMIN_API_SCOPES,
  adminApiIdentifier,
  narrowsResource,
  type Resource,
  type ResourceChange,
  type ResourceStore,
} from '../resources/index.ts';
import { type Agent, type ResourceScopes, scopesAt } from './agent.ts';
import type { AgentChange, AgentStore } from './agent-store.ts';
import { type AgentDeps, eachAgentOf } from './check-agent.ts';
import { describeScopes } from './create-agent.ts';
import { retireAgent } from './kill-agent.ts';

const BOOTSTRAP_PURPOSE = 'Sets up everything else, until a person administers this server';
const ADMIN_TOKEN_TTL_SECONDS = 300;
/** As many processes as can start at one moment and each be first with something. */
const MAX_ATTEMPTS = 20;

export interface BootstrapAdminDeps {
  readonly agents: Pick<AgentStore, 'findAgent' | 'listAgents'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly store: CommitPort<BootstrapChange>;
  readonly freshness: Freshness;
}

/** The client with which everything else is set up, from configuration or made at first start. */
export interface BootstrapAdmin {
  readonly clientId: `agt_${string}`;
  readonly secret: string;
  /** A configured secret is applied whenever it is another than was configured before; one from a file only makes the client. */
  readonly from: 'configuration' | 'file';
}

export type BootstrapChange = AgentChange | PersonChange | ResourceChange;
export interface Step {
  readonly change: BootstrapChange;
  readonly events: readonly AuditEvent[];
  /** The agent that gets the new scopes. */
  readonly widened?: string | undefined;
}

/** What a start has done to our own API and those who administer by it. */
export interface AdminApiReport {
  /** The bootstrap client was made. */
  readonly created: boolean;
  /** It has another secret by now than it was set up with. */
  readonly isSecretReplaced: boolean;
  /** The scopes that our own API has learnt since the last start. */
  readonly newScopes: readonly string[];
  /** The bootstrap clients that got them. */
  readonly widened: readonly string[];
  /** What our own API was called until now: tokens and client configurations of that issuer are invalid from now on. */
  readonly movedFrom?: string | undefined;
  /** The resource server that has taken the name which our own API would have with this issuer; it keeps the one from before. */
  readonly nameTakenBy?: Pick<Resource, 'id' | 'identifier'> | undefined;
}

/** What has become of our own API since the last start. */
interface ApiMove {
  readonly from: string | undefined;
  readonly to: string;
  /** As it was; undefined at first start. */
  readonly catalogue: Resource | undefined;
  readonly news: readonly string[];
}

/**
 * Sees to it that somebody can administer the server: our own API as a resource server, a person, and the bootstrap client,
 * which may do everything there. What is there already stays as administrators have made it; only what configuration decides is
 * brought up to date: the issuer's name, and the client's secret where configuration has another one than it had. What was
 * replaced since stays replaced, however often the server starts. A killed client stays killed.
 *
 * Where our own API has learnt a scope since the last start, it goes to each bootstrap client that holds all the older ones still:
 * otherwise nobody could give it to anybody. Once: what is taken from it afterwards stays away.
 *
 * A name that another resource server has taken stays with it: agents are let act there by that name, and none of them is to administer
 * this server for it. Our own API then keeps the name that it had (`ownApiFirst`).
 *
 * One unit of commit, and safe when several processes start at once.
 *
 * @param bootstrap undefined once people administer the server: then no such client is made, or gets another secret
 * @returns whether the client was made by this call, whether it has another secret than `bootstrap` by now, and who got which new
 *   scopes
 * @throws {Error} when a newly configured secret is for an agent that authenticates in another way
 */
export async function ensureAdminApi(
  deps: BootstrapAdminDeps,
  issuer: string,
  bootstrap: BootstrapAdmin | undefined,
  origin: Origin,
): Promise<AdminApiReport> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const [resource, person, agent] = await Promise.all([
      deps.resources.findResource(ADMIN_API_RESOURCE_ID),
      deps.people.findPerson(BOOTSTRAP_OPERATOR_ID),
      bootstrap && deps.agents.findAgent(bootstrap.clientId),
    ]);
    const nameTakenBy = resource && (await findTaker(deps, issuer));
    const identifier = nameTakenBy ? resource.identifier : adminApiIdentifier(issuer);
    const news = newScopes(resource);
    const isRenamed = resource !== undefined && resource.identifier !== identifier;
    const builtIn = isRenamed || news.length > 0 ? await listBuiltInAgents(deps.agents) : [];
    const move: ApiMove = { from: resource?.identifier, to: identifier, catalogue: resource, news };
    const steps = [
      stepForResource(resource, identifier, origin),
      person ? undefined : stepForPerson(origin),
      bootstrap &&
        (agent
          ? stepForKnownAgent(agent, bootstrap, move, origin)
          : stepForNewAgent(bootstrap, identifier, origin)),
      ...builtIn
        .filter(({ id }) => id !== bootstrap?.clientId)
        .map(other => stepForOther(other, move, origin)),
    ].filter(step => step !== undefined);
    const done = {
      created: bootstrap !== undefined && agent === undefined,
      isSecretReplaced: bootstrap !== undefined && agent !== undefined && isReplaced(agent, bootstrap),
      newScopes: news,
      widened: steps.flatMap(step => step.widened ?? []),
      movedFrom: isRenamed ? resource.identifier : undefined,
      nameTakenBy,
    };
    if (steps.length === 0) return done;
    const outcome = await deps.store.commit({
      changes: steps.map(step => step.change),
      events: steps.flatMap(step => step.events),
      authority: { none: 'boot' },
    });
    if (outcome.committed) return done;
  }
  throw new StoreUnavailable('the admin API could not be set up: other processes kept changing it');
}

/** The other resource server that has the name of our own API, as it is with this issuer. */
async function findTaker(
  { resources }: Pick<BootstrapAdminDeps, 'resources'>,
  issuer: string,
): Promise<Resource | undefined> {
  const found = await resources.findResourceByIdentifier(adminApiIdentifier(issuer));
  return found?.id === ADMIN_API_RESOURCE_ID ? undefined : found;
}

/**
 * Retires the clients that the server was set up with: people administer it from now on. Whoever else the bootstrap operator owns by
 * then stays.
 */
export async function retireBootstrapClients(
  deps: Pick<AgentDeps, 'agents' | 'resources' | 'freshness'>,
  origin: Origin,
): Promise<void> {
  for (const agent of await listBuiltInAgents(deps.agents)) {
    if (isBootstrapClient(agent)) await retireAgent(deps, agent.id, origin);
  }
}

/** The agents of the bootstrap operator: few. */
async function listBuiltInAgents(agents: Pick<AgentStore, 'listAgents'>): Promise<readonly Agent[]> {
  const found: Agent[] = [];
  for await (const agent of eachAgentOf(agents, BOOTSTRAP_OPERATOR_ID)) found.push(agent);
  return found;
}

function isBootstrapClient({ purpose, status }: Agent): boolean {
  return purpose === BOOTSTRAP_PURPOSE && status !== 'retired';
}

function newScopes(resource: Resource | undefined): readonly string[] {
  const known = resource?.scopes.map(({ name }) => name);
  return known ? ADMIN_SCOPES.filter(scope => !known.includes(scope)) : [];
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
      events: [{ type: 'resource.created', ...about, detail: { name: record.name } }],
    };
  }
  const wanted: Resource = { ...current, identifier, scopes: ADMIN_API_SCOPES };
  if (isDeepStrictEqual(wanted, current)) return undefined;
  const cutsOff = current.identifier !== identifier || narrowsResource(current, wanted);
  const record = revised(current, wanted, cutsOff, origin.now);
  return {
    change: { kind: 'replace', collection: 'resource', record, ifVersion: current.version },
    events: [{ type: 'resource.updated', ...about, detail: { before: current.identifier, cutsOff } }],
  };
}

function stepForPerson(origin: Origin): Step {
  return stepForNewPerson(BOOTSTRAP_OPERATOR_ID, 'Bootstrap operator', ['admin'], origin);
}

/** Registers somebody to stand behind an administrator. */
export function stepForNewPerson(
  id: Person['id'],
  name: string,
  roles: Person['roles'],
  origin: Origin,
): Step {
  const record: Person = { ...newRecord(id, origin.now), name, roles, status: 'active' };
  return {
    change: { kind: 'insert', collection: 'person', record },
    events: [
      {
        type: 'person.created',
        outcome: 'done',
        ...eventOrigin(origin),
        target: record.id,
        detail: { name: record.name, roles: record.roles },
      },
    ],
  };
}

function stepForNewAgent(bootstrap: BootstrapAdmin, identifier: string, origin: Origin): Step {
  return stepForNewAdministrator(
    {
      id: bootstrap.clientId,
      name: 'Bootstrap administrator',
      purpose: BOOTSTRAP_PURPOSE,
      ownerId: BOOTSTRAP_OPERATOR_ID,
      credential: credentialOf(bootstrap.secret),
      configuredSecretDigest: digestToKeep(bootstrap),
    },
    identifier,
    origin,
  );
}

/** Registers an agent that may do everything at our own API. */
export function stepForNewAdministrator(
  agent: Pick<Agent, 'id' | 'name' | 'purpose' | 'ownerId' | 'credential' | 'configuredSecretDigest'>,
  identifier: string,
  origin: Origin,
): Step {
  const everything: readonly ResourceScopes[] = [{ resource: identifier, scopes: ADMIN_SCOPES }];
  const { id, ...described } = agent;
  const record: Agent = {
    ...newRecord(id, origin.now),
    ...described,
    status: 'active',
    envelope: everything,
    baseline: everything,
    defaultResource: identifier,
  };
  return {
    change: { kind: 'insert', collection: 'agent', record },
    events: [
      {
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
    ],
  };
}

function stepForKnownAgent(
  current: Agent,
  bootstrap: BootstrapAdmin,
  move: ApiMove,
  origin: Origin,
): Step | undefined {
  const isNewlyConfigured = mustApply(current, bootstrap);
  if (isNewlyConfigured && current.credential.method !== 'client_secret') {
    throw new Error(`the bootstrap client ${current.id} is an agent that authenticates with its own keys`);
  }
  const isWidened = holdsAllOlder(current, move);
  const issues = isNewlyConfigured && !knowsSecret(current, bootstrap.secret);
  const wanted: Agent = {
    ...moved(isWidened ? withNews(current, move) : current, move),
    ...(issues && { credential: credentialOf(bootstrap.secret) }),
    ...(bootstrap.from === 'configuration' && { configuredSecretDigest: digestToKeep(bootstrap) }),
  };
  return stepForChange(current, wanted, { move, isWidened, issues }, origin);
}

/** Whoever else answers to the bootstrap operator goes along when the server gets another name; its other clients get what is new. */
function stepForOther(current: Agent, move: ApiMove, origin: Origin): Step | undefined {
  const isWidened = isBootstrapClient(current) && holdsAllOlder(current, move);
  const wanted = moved(isWidened ? withNews(current, move) : current, move);
  return stepForChange(current, wanted, { move, isWidened, issues: false }, origin);
}

function stepForChange(
  current: Agent,
  wanted: Agent,
  { move, isWidened, issues }: { move: ApiMove; isWidened: boolean; issues: boolean },
  origin: Origin,
): Step | undefined {
  if (isDeepStrictEqual(wanted, current)) return undefined;
  const record = revised(current, wanted, false, origin.now);
  const configured: AuditEvent = {
    type: issues ? 'agent.secret-issued' : 'agent.updated',
    outcome: 'done',
    ...eventOrigin(origin),
    target: current.id,
    detail: { by: 'configuration' },
  };
  return {
    change: { kind: 'replace', collection: 'agent', record, ifVersion: current.version },
    events: [
      ...(isWidened ? [widening(record, move, origin)] : []),
      ...(isWidened && !issues ? [] : [configured]),
    ],
    widened: isWidened ? current.id : undefined,
  };
}

/** Whether there is something new, and the agent may do everything else at our own API. */
function holdsAllOlder({ envelope }: Agent, { from, catalogue, news }: ApiMove): boolean {
  if (from === undefined || !catalogue || news.length === 0) return false;
  const held = scopesAt(envelope, from);
  return catalogue.scopes.every(({ name }) => held.includes(name));
}

/** The agent with the new scopes: within its envelope, and without asking anybody where it asks nobody for the older ones. */
function withNews(agent: Agent, { from, catalogue, news }: ApiMove): Agent {
  const older = catalogue?.scopes.map(({ name }) => name) ?? [];
  const widen = (list: readonly ResourceScopes[]): readonly ResourceScopes[] =>
    list.map(entry =>
      entry.resource === from && older.every(name => entry.scopes.includes(name))
        ? { ...entry, scopes: [...new Set([...entry.scopes, ...news])] }
        : entry,
    );
  return { ...agent, envelope: widen(agent.envelope), baseline: widen(agent.baseline) };
}

function widening(agent: Agent, { news }: ApiMove, origin: Origin): AuditEvent {
  return {
    type: 'agent.updated',
    outcome: 'done',
    ...eventOrigin(origin),
    target: agent.id,
    detail: {
      by: 'upgrade',
      newScopes: news,
      fields: ['envelope', 'baseline'],
      owner: agent.ownerId,
      envelope: describeScopes(agent.envelope),
      baseline: describeScopes(agent.baseline),
    },
  };
}

/** The agent, with our own API under its present name. */
function moved(agent: Agent, { from, to }: ApiMove): Agent {
  const rename = (name: string): string => (name === from ? to : name);
  const renameAll = (list: readonly ResourceScopes[]): readonly ResourceScopes[] =>
    list.map(({ resource, scopes }) => ({ resource: rename(resource), scopes }));
  return {
    ...agent,
    envelope: renameAll(agent.envelope),
    baseline: renameAll(agent.baseline),
    ...(agent.defaultResource !== undefined && { defaultResource: rename(agent.defaultResource) }),
  };
}

/**
 * Whether a secret is to take the place of what the client has: only one that was configured since another was, or none. Clients that
 * an earlier version made keep what they have, as it is not known what they were given last: their secret may have been replaced.
 */
function mustApply(current: Agent, bootstrap: BootstrapAdmin): boolean {
  if (bootstrap.from === 'file' || current.configuredSecretDigest === digestToKeep(bootstrap)) return false;
  return current.configuredSecretDigest !== undefined || current.purpose !== BOOTSTRAP_PURPOSE;
}

function isReplaced(current: Agent, bootstrap: BootstrapAdmin): boolean {
  return !mustApply(current, bootstrap) && !knowsSecret(current, bootstrap.secret);
}

function knowsSecret({ credential }: Agent, secret: string): boolean {
  return credential.method === 'client_secret' && credential.secretDigests.includes(digestSecret(secret));
}

function digestToKeep({ from, secret }: BootstrapAdmin): string {
  return from === 'file' ? '' : digestSecret(secret);
}

export function credentialOf(secret: string): ClientCredential {
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
