/**
 * A small world to try things in: one person, one resource server, two agents. It is put in through the same functions that the
 * admin API calls, and putting it in again changes nothing.
 */
import type { JWK } from 'jose';
import { type AgentDeps, createAgent } from '../src/agents/index.ts';
import type { Origin } from '../src/audit/index.ts';
import { createPerson, type PersonStore } from '../src/people/index.ts';
import { createResource, type ResourceStore } from '../src/resources/index.ts';

const id = <Prefix extends string>(prefix: Prefix, number: number) =>
  `${prefix}_${number.toString(16).padStart(32, '0')}` as const;

export const OWNER_ID = id('usr', 0xa11ce);
export const ORDERS_ID = id('res', 0x0bde5);
export const SHOPKEEPER_ID = id('agt', 0x5109);
export const REPORTER_ID = id('agt', 0x9e90);

export interface DemoWorldDeps extends AgentDeps {
  readonly people: PersonStore;
  readonly resources: ResourceStore;
}

export interface DemoWorldInput {
  /** Where the protected MCP server is: its resource identifier. */
  readonly ordersUrl: string;
  /** The public key with which the shopkeeper signs its assertions. */
  readonly shopkeeperKey: JWK;
}

export interface DemoWorld {
  /** With what the MCP server asks about tokens; no secret when it was there before, as a secret is shown once. */
  readonly orders: { readonly id: string; readonly secret?: string };
  /** The agent that signs assertions. */
  readonly shopkeeper: { readonly id: string };
  /** The agent with a secret; likewise. */
  readonly reporter: { readonly id: string; readonly secret?: string };
}

/** Puts the demo world in. */
export async function seedDemoWorld(
  deps: DemoWorldDeps,
  input: DemoWorldInput,
  origin: Origin,
): Promise<DemoWorld> {
  if (!(await deps.people.findPerson(OWNER_ID))) {
    const person = {
      id: OWNER_ID,
      name: 'Alice Owner',
      email: 'alice@example.com',
      roles: ['member', 'approver'],
    };
    await createPerson(deps, person, origin);
  }
  const orders = await seedOrders(deps, input.ordersUrl, origin);
  const read = { resource: input.ordersUrl, scopes: ['orders:read'] };
  if (!(await deps.agents.findAgent(SHOPKEEPER_ID))) {
    const shopkeeper = {
      id: SHOPKEEPER_ID,
      name: 'Shopkeeper',
      purpose: 'Answers customers about their orders',
      ownerId: OWNER_ID,
      envelope: [{ resource: input.ordersUrl, scopes: ['orders:read', 'orders:refund'] }],
      baseline: [read],
      defaultResource: input.ordersUrl,
      credential: { method: 'private_key_jwt', keys: [input.shopkeeperKey] },
    };
    await createAgent(deps, shopkeeper, origin);
  }
  if (await deps.agents.findAgent(REPORTER_ID)) {
    return { orders, shopkeeper: { id: SHOPKEEPER_ID }, reporter: { id: REPORTER_ID } };
  }
  const reporter = {
    id: REPORTER_ID,
    name: 'Reporter',
    purpose: 'Writes the weekly report',
    ownerId: OWNER_ID,
    envelope: [read],
    baseline: [read],
    defaultResource: input.ordersUrl,
    credential: { method: 'client_secret' },
  };
  const { secret } = await createAgent(deps, reporter, origin);
  return {
    orders,
    shopkeeper: { id: SHOPKEEPER_ID },
    reporter: { id: REPORTER_ID, ...(secret !== undefined && { secret }) },
  };
}

async function seedOrders(
  deps: DemoWorldDeps,
  identifier: string,
  origin: Origin,
): Promise<DemoWorld['orders']> {
  if (await deps.resources.findResource(ORDERS_ID)) return { id: ORDERS_ID };
  const resource = {
    id: ORDERS_ID,
    identifier,
    name: 'Orders',
    scopes: [
      { name: 'orders:read', sentence: 'See orders and their state', risk: 'low' },
      { name: 'orders:refund', sentence: 'Give money back for an order', risk: 'high' },
    ],
    tokenFormat: { kind: 'opaque' },
    accessTokenTtlSeconds: 300,
    credential: { method: 'client_secret' },
  };
  const { secret } = await createResource(deps, resource, origin);
  return { id: ORDERS_ID, ...(secret !== undefined && { secret }) };
}
