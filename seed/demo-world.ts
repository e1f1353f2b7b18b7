/**
 * A small world to try things in, as data, and how it is put in: through the same functions that the admin API calls. Its ids
 * are fixed, so putting it in again changes nothing.
 */
import { type AgentDeps, type AgentInput, createAgent } from '../src/agents/index.ts';
import type { AuthorisedOrigin } from '../src/audit/index.ts';
import { createPerson, type PersonInput, type PersonStore } from '../src/people/index.ts';
import { createResource, type ResourceInput, type ResourceStore } from '../src/resources/index.ts';

export const OWNER_ID = 'usr_00000000000000000000000000000a1c';
export const ORDERS_ID = 'res_0000000000000000000000000000c0de';
export const LEDGER_ID = 'res_00000000000000000000000000001ed9';
export const SHOPKEEPER_ID = 'agt_00000000000000000000000000005b0b';
export const REPORTER_ID = 'agt_0000000000000000000000000000ae90';
export const BOOKKEEPER_ID = 'agt_0000000000000000000000000000b00c';

/** What differs from one demo to the next. */
export interface DemoPlaces {
  /** Where the protected MCP server is: its resource identifier. */
  readonly ordersUrl: string;
  /** The public key (JWK) with which the shopkeeper's assertions are verified. */
  readonly shopkeeperKey: object;
}

export interface DemoWorld {
  readonly people: readonly (PersonInput & { readonly id: string })[];
  readonly resources: readonly (ResourceInput & { readonly id: string })[];
  readonly agents: readonly (AgentInput & { readonly id: string })[];
}

/** One person; an MCP server, and an API that wants JWTs; three agents, each with more in its envelope than in its baseline. */
export function demoWorld({ ordersUrl, shopkeeperKey }: DemoPlaces): DemoWorld {
  const ledgerUrl = 'https://ledger.example/api';
  const orders = (...scopes: string[]) => ({ resource: ordersUrl, scopes });
  const ledger = (...scopes: string[]) => ({ resource: ledgerUrl, scopes });
  return {
    people: [
      { id: OWNER_ID, name: 'Alice Owner', email: 'alice@example.com', roles: ['member', 'approver'] },
    ],
    resources: [
      {
        id: ORDERS_ID,
        identifier: ordersUrl,
        name: 'Orders',
        scopes: [
          { name: 'orders:read', sentence: 'See orders and their state', risk: 'low' },
          { name: 'orders:write', sentence: 'Change the address of an order', risk: 'medium' },
          { name: 'orders:refund', sentence: 'Give money back for an order', risk: 'high' },
        ],
        tokenFormat: { kind: 'opaque' },
        accessTokenTtlSeconds: 300,
        credential: { method: 'client_secret' },
      },
      {
        id: LEDGER_ID,
        identifier: ledgerUrl,
        name: 'Ledger',
        scopes: [
          { name: 'ledger:read', sentence: 'See what was booked', risk: 'medium' },
          { name: 'ledger:book', sentence: 'Book money from one account to another', risk: 'high' },
        ],
        tokenFormat: { kind: 'jwt', alg: 'ES256' },
        accessTokenTtlSeconds: 120,
        credential: { method: 'client_secret' },
      },
    ],
    agents: [
      {
        id: SHOPKEEPER_ID,
        name: 'Shopkeeper',
        purpose: 'Answers customers about their orders',
        ownerId: OWNER_ID,
        envelope: [orders('orders:read', 'orders:write', 'orders:refund')],
        baseline: [orders('orders:read')],
        defaultResource: ordersUrl,
        credential: { method: 'private_key_jwt', keys: [shopkeeperKey as never] },
      },
      {
        id: REPORTER_ID,
        name: 'Reporter',
        purpose: 'Writes the weekly report',
        ownerId: OWNER_ID,
        envelope: [orders('orders:read'), ledger('ledger:read')],
        baseline: [orders('orders:read')],
        defaultResource: ordersUrl,
        credential: { method: 'client_secret' },
      },
      {
        id: BOOKKEEPER_ID,
        name: 'Bookkeeper',
        purpose: 'Reconciles the accounts at night',
        ownerId: OWNER_ID,
        envelope: [ledger('ledger:read', 'ledger:book')],
        baseline: [ledger('ledger:read')],
        defaultResource: ledgerUrl,
        accessTokenTtlSeconds: 60,
        credential: { method: 'client_secret' },
      },
    ],
  };
}

export interface SeedDeps extends AgentDeps {
  readonly people: PersonStore;
  readonly resources: ResourceStore;
}

/**
 * Puts a world in. What is there already, by its id, stays as it is.
 *
 * @returns the secrets of what was made by this call, by id; each is shown this once
 */
export async function seedDemoWorld(
  deps: SeedDeps,
  world: DemoWorld,
  origin: AuthorisedOrigin,
): Promise<ReadonlyMap<string, string>> {
  const secrets = new Map<string, string>();
  for (const person of world.people) {
    if (!(await deps.people.findPerson(person.id))) await createPerson(deps, person, origin);
  }
  for (const resource of world.resources) {
    if (await deps.resources.findResource(resource.id)) continue;
    const { secret } = await createResource(deps, resource, origin);
    if (secret !== undefined) secrets.set(resource.id, secret);
  }
  for (const agent of world.agents) {
    if (await deps.agents.findAgent(agent.id)) continue;
    const { secret } = await createAgent(deps, agent, origin);
    if (secret !== undefined) secrets.set(agent.id, secret);
  }
  return secrets;
}
