/** A person in their session, agents, and a resource server, on a store that several processes share. */
import type { ExecutionContext } from 'ava';
import { type Agent, createAgent } from '../../src/agents/index.ts';
import { type AuditEvent, type AuthorisedOrigin, RefusalCounter } from '../../src/audit/index.ts';
import {
  type Delegation,
  type DelegationDeps,
  type GivenDelegation,
  giveDelegation,
} from '../../src/delegation/index.ts';
import { findSession } from '../../src/people/index.ts';
import { createResource, type Resource } from '../../src/resources/index.ts';
import type { Store } from '../../src/store/store.ts';
import {
  enrolPerson,
  type SignInProcess,
  type SignInWorld,
  type SigningPerson,
  startSignInWorld,
} from '../support/people.ts';
import type { StoreEnv } from '../support/stores.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export interface DelegationWorld extends SignInWorld {
  readonly ada: SigningPerson;
  readonly agent: Agent;
  readonly resource: Resource;
  addAgent(overrides?: Record<string, unknown>): Promise<Agent>;
  addResource(overrides?: Record<string, unknown>): Promise<Resource>;
  depsOf(process: SignInProcess): DelegationDeps;
  /** Acts in a session of theirs, as it is found now. */
  actingAs(person: SigningPerson): Promise<AuthorisedOrigin>;
  /** Ada gives it, in her session, by the first process unless another one is named. */
  give(input?: Record<string, unknown>, process?: SignInProcess): Promise<GivenDelegation>;
  /** The delegations that are recorded as active, as another process finds them. */
  active(process?: SignInProcess): Promise<readonly Delegation[]>;
  eventsOf(type: AuditEvent['type']): Promise<readonly AuditEvent[]>;
}

/** Read, write and delete, of which the last is of high risk; the agent may have all three. */
export async function startDelegationWorld(t: ExecutionContext, env: StoreEnv): Promise<DelegationWorld> {
  const world = await startSignInWorld(t, env);
  const { store } = world.process;
  const managed = { agents: store, people: store, resources: store, freshness: store };
  const ada = await enrolPerson(world);
  let resources = 0;
  const addResource = async (overrides: Record<string, unknown> = {}): Promise<Resource> => {
    resources += 1;
    const input = {
      identifier: `https://orders-${resources}.example/mcp`,
      name: 'Orders',
      scopes: [
        { name: 'read', sentence: 'Read orders', risk: 'low' },
        { name: 'write', sentence: 'Change orders', risk: 'medium' },
        { name: 'delete', sentence: 'Delete orders', risk: 'high' },
      ],
      ...overrides,
    };
    return (await createResource({ resources: store }, input, world.origin())).resource;
  };
  const resource = await addResource();
  const addAgent = async (overrides: Record<string, unknown> = {}): Promise<Agent> => {
    const input = {
      name: 'An agent',
      ownerId: ada.person.id,
      envelope: [{ resource: resource.identifier, scopes: ['read', 'write', 'delete'] }],
      credential: { method: 'client_secret' },
      ...overrides,
    };
    return (await createAgent(managed, input, world.origin())).agent;
  };
  const agent = await addAgent();
  const depsOf = ({ store: each }: SignInProcess): DelegationDeps => ({
    delegations: each,
    agents: each,
    people: each,
    resources: each,
    freshness: each,
    refusals: new RefusalCounter({ audit: each, now: () => world.now, onError: error => t.log(error) }),
  });
  const actingAs = async ({ person, session }: SigningPerson): Promise<AuthorisedOrigin> => {
    const origin = world.origin();
    const found = await findSession(world.process.deps, session, origin);
    if (!found) throw new Error('there is no session');
    return { ...origin, actor: [person.id], authority: found.authority };
  };
  return Object.assign(world, {
    ada,
    agent,
    resource,
    addAgent,
    addResource,
    depsOf,
    actingAs,
    give: async (input: Record<string, unknown> = {}, process = world.process) =>
      giveDelegation(
        depsOf(process),
        ada.person.id,
        {
          agentId: agent.id,
          resource: resource.identifier,
          scopes: ['read'],
          expiresAt: at(world.now + HOUR_MS),
          ...input,
        },
        await actingAs(ada),
      ),
    active: async ({ store: each }: { readonly store: Store } = world.process) => {
      await each.fresh();
      return (await each.listDelegations({ limit: 200, facets: ['status active'] })).items;
    },
    eventsOf: async (type: AuditEvent['type']) => (await world.trail()).filter(event => event.type === type),
  });
}

export function at(ms: number): string {
  return new Date(ms).toISOString();
}
