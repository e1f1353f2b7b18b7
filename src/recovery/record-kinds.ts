import { type Agent, type AgentStore, getAgent, killAgent, retireAgent } from '../agents/index.ts';
import {
  type AuditStore,
  eventOrigin,
  type ManagedRecord,
  type Origin,
  reviseRecord,
} from '../audit/index.ts';
import { type ClientCredential, makeCredential } from '../clients/index.ts';
import { type Delegation, type DelegationStore, endDelegation } from '../delegation/index.ts';
import type { Page, PageRequest } from '../input/index.ts';
import { mapPage } from '../input/index.ts';
import { killSigningKey, type SigningKey, type SigningKeyDeps } from '../keys/index.ts';
import { type CredentialStore, killPerson, type Person, type PersonStore } from '../people/index.ts';
import {
  ADMIN_API_RESOURCE_ID,
  getResource,
  killResource,
  type Resource,
  type ResourceStore,
} from '../resources/index.ts';
import type { QuarantineDeps } from './quarantine.ts';

export interface RecoveryDeps extends QuarantineDeps {
  readonly agents: AgentStore;
  readonly people: PersonStore;
  readonly credentials: CredentialStore;
  readonly resources: ResourceStore;
  readonly delegations: DelegationStore;
  readonly signingKeys: Pick<SigningKeyDeps, 'keys' | 'sealing' | 'freshness'>;
  readonly trail: Pick<AuditStore, 'listLanes' | 'readLane'>;
}

export type RecordKindName = 'agent' | 'person' | 'resource' | 'key' | 'delegation';

/** What an operator sees of a record that came out of a backup, to decide whether it is as it should be. */
export interface BackedUpRecord {
  readonly id: string;
  readonly kind: RecordKindName;
  readonly name: string;
  readonly status: string;
  /** What else it brings back: whom it answers to, with what it proves itself. */
  readonly about: string;
  /** Whether it brings back a secret, which may have been replaced or withdrawn since. */
  readonly hasSecret: boolean;
  /** Ended for good: there is nothing to decide. */
  readonly isEnded: boolean;
  /** When it was last changed, in milliseconds since the epoch. */
  readonly updatedAt: number;
}

/** What recovery has to know of a kind of record. A new capability that can grant anything adds a row to `RECORD_KINDS`. */
interface RecordKind {
  readonly prefix: string;
  list(deps: RecoveryDeps, page: PageRequest): Promise<Page<BackedUpRecord>>;
  find(deps: RecoveryDeps, id: string): Promise<BackedUpRecord | undefined>;
  /** Takes away what it may do, as a kill does. */
  close(deps: RecoveryDeps, id: string, origin: Origin): Promise<unknown>;
  /** Replaces all its secrets by one new one. @returns the secret, to be shown once */
  renewSecret?(deps: RecoveryDeps, id: string, origin: Origin): Promise<string>;
}

export const RECORD_KINDS: Readonly<Record<RecordKindName, RecordKind>> = {
  person: {
    prefix: 'usr_',
    list: async (deps, page) => mapPage(await deps.people.listPeople(page), describePerson),
    find: async (deps, id) => describe(await deps.people.findPerson(id), describePerson),
    close: (deps, id, origin) => killPerson(deps, id, origin),
  },
  resource: {
    prefix: 'res_',
    list: async (deps, page) => mapPage(await deps.resources.listResources(page), describeResource),
    find: async (deps, id) => describe(await deps.resources.findResource(id), describeResource),
    close: (deps, id, origin) => killResource(deps, id, origin),
    renewSecret: renewResourceSecret,
  },
  key: {
    prefix: 'key_',
    list: async deps => ({ items: (await deps.signingKeys.keys.listSigningKeys()).map(describeKey) }),
    find: async (deps, id) => describe(await deps.signingKeys.keys.findSigningKey(id), describeKey),
    close: (deps, id, origin) => killSigningKey(deps.signingKeys, id, origin),
  },
  agent: {
    prefix: 'agt_',
    list: async (deps, page) => mapPage(await deps.agents.listAgents(page), describeAgent),
    find: async (deps, id) => describe(await deps.agents.findAgent(id), describeAgent),
    close: (deps, id, origin) => killAgent(deps, id, origin),
    renewSecret: renewAgentSecret,
  },
  delegation: {
    prefix: 'dlg_',
    list: async (deps, page) => mapPage(await deps.delegations.listDelegations(page), describeDelegation),
    find: async (deps, id) => describe(await deps.delegations.findDelegation(id), describeDelegation),
    // For good: the person gives another one.
    close: (deps, id, origin) => endDelegation(deps, id, origin),
  },
};

/** The kind that an identifier belongs to. */
export function kindOf(id: string): RecordKind | undefined {
  return Object.values(RECORD_KINDS).find(({ prefix }) => id.startsWith(prefix));
}

/** Ends an agent for good once more. */
export function closeForGood(deps: RecoveryDeps, id: string, origin: Origin): Promise<unknown> {
  return retireAgent(deps, id, origin);
}

/** Takes all roles of a person away: which ones were left is not in the trail. */
export function withoutRoles(deps: RecoveryDeps, id: string, origin: Origin): Promise<unknown> {
  return reviseRecord(
    deps.people,
    deps.freshness,
    'person',
    async () => {
      const person = await deps.people.findPerson(id);
      if (!person) throw new Error(`there is no person ${id}`);
      return person;
    },
    current => ({
      record: { ...current, roles: [] },
      events: [
        {
          type: 'person.updated',
          outcome: 'done',
          ...eventOrigin(origin),
          target: id,
          detail: { fields: ['roles'], by: 'recovery' },
        },
      ],
    }),
    { none: 'host-command' },
    origin.now,
  );
}

async function renewAgentSecret(deps: RecoveryDeps, id: string, origin: Origin): Promise<string> {
  const { credential, secret = '' } = makeCredential({ method: 'client_secret' }, origin.now);
  await reviseRecord(
    deps.agents,
    deps.freshness,
    'agent',
    () => getAgent(deps.agents, id),
    current => ({
      record: { ...current, credential },
      events: [
        {
          type: 'agent.secret-issued',
          outcome: 'done',
          ...eventOrigin(origin),
          target: id,
          detail: { by: 'recovery', replaces: 'all' },
        },
      ],
    }),
    { none: 'host-command' },
    origin.now,
  );
  return secret;
}

async function renewResourceSecret(deps: RecoveryDeps, id: string, origin: Origin): Promise<string> {
  const { credential, secret = '' } = makeCredential({ method: 'client_secret' }, origin.now);
  await reviseRecord(
    deps.resources,
    deps.freshness,
    'resource',
    () => getResource(deps.resources, id),
    current => ({
      record: { ...current, credential },
      events: [
        {
          type: 'resource.secret-issued',
          outcome: 'done',
          ...eventOrigin(origin),
          resource: current.identifier,
          target: id,
          detail: { by: 'recovery', replaces: 'all' },
        },
      ],
    }),
    { none: 'host-command' },
    origin.now,
  );
  return secret;
}

function describe<R>(record: R | undefined, view: (record: R) => BackedUpRecord): BackedUpRecord | undefined {
  return record && view(record);
}

function describeAgent(agent: Agent): BackedUpRecord {
  const about = [`owner ${agent.ownerId}`, describeCredential(agent.credential)];
  for (const { resource, scopes } of agent.envelope) about.push(`${resource}: ${scopes.join(' ')}`);
  return {
    ...describeRecord(agent, 'agent'),
    name: agent.name,
    status: agent.status,
    about: about.join('; '),
    hasSecret: agent.credential.method === 'client_secret',
    isEnded: agent.status === 'retired',
  };
}

function describePerson(person: Person): BackedUpRecord {
  return {
    ...describeRecord(person, 'person'),
    name: person.name,
    status: person.status,
    about: [person.email, `roles ${person.roles.join(' ') || 'none'}`]
      .filter(part => part !== undefined)
      .join('; '),
    hasSecret: false,
    isEnded: false,
  };
}

function describeResource(resource: Resource): BackedUpRecord {
  return {
    ...describeRecord(resource, 'resource'),
    name: resource.name,
    status: resource.status,
    about: [resource.identifier, describeCredential(resource.credential)].join('; '),
    // Nobody has the secret of our own API.
    hasSecret: resource.credential.method === 'client_secret' && resource.id !== ADMIN_API_RESOURCE_ID,
    isEnded: false,
  };
}

function describeDelegation(delegation: Delegation): BackedUpRecord {
  const { personId, agentId, resource, scopes, expiresAt, status } = delegation;
  return {
    ...describeRecord(delegation, 'delegation'),
    name: `${agentId} for ${personId}`,
    status,
    about: `${resource}: ${scopes.join(' ')}; until ${new Date(expiresAt).toISOString()}`,
    hasSecret: false,
    isEnded: status === 'ended',
  };
}

function describeKey(key: SigningKey): BackedUpRecord {
  return {
    ...describeRecord(key, 'key'),
    name: key.alg,
    status: key.status,
    about: 'signs access tokens',
    hasSecret: false,
    isEnded: key.status === 'killed' || key.status === 'removed',
  };
}

function describeRecord(
  { id, updatedAt }: ManagedRecord,
  kind: RecordKindName,
): Pick<BackedUpRecord, 'id' | 'kind' | 'updatedAt'> {
  return { id, kind, updatedAt };
}

function describeCredential(credential: ClientCredential): string {
  if (credential.method === 'client_secret') {
    const count = credential.secretDigests.length;
    return count === 1 ? 'one secret' : `${count} secrets`;
  }
  if (credential.method === 'none') return 'no credential';
  return 'jwksUri' in credential ? `keys of ${credential.jwksUri}` : `${credential.keys.length} public keys`;
}
