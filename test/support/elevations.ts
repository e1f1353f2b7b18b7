/** Agents that ask for more than they have at a server that runs: as the token endpoint has them ask, and fetch. */
import { createHash, createHmac } from 'node:crypto';
import { type Delegation, giveDelegation, standOn } from '../../src/delegation/index.ts';
import { askElevation, type Elevation, type RedeemDeps, redeemElevation } from '../../src/elevation/index.ts';
import { handle } from '../../src/liveness.ts';
import type { Person } from '../../src/people/index.ts';
import type { Resource } from '../../src/resources/index.ts';
import { type AccessTokenSigner, decideRequest, type TokenResponse } from '../../src/tokens/index.ts';
import type { App, TestAgent } from './start-app.ts';

export interface Asked {
  readonly elevation: Elevation;
  readonly code: string;
}

export interface AskOptions {
  readonly scope?: string;
  readonly delegation?: Delegation;
  readonly duration?: string;
  readonly reason?: string;
}

function depsOf({ store, issuer }: App): RedeemDeps {
  return {
    elevations: store,
    agents: store,
    people: store,
    credentials: store,
    resources: store,
    delegations: store,
    epochs: store.epochs,
    freshness: store,
    tokens: store,
    refusals: { note: async () => undefined, take: () => [] },
    limits: { noteFailure: async () => undefined } as unknown as RedeemDeps['limits'],
    // It signs nothing: what is countersigned is opaque.
    signer: { activeKey: async () => ({ id: 'key_1', epoch: 0 }) } as unknown as AccessTokenSigner,
    issuer,
    maxTtlSeconds: 300,
  } as unknown as RedeemDeps;
}

/** An agent asks for more. @throws where it is refused at once, or needs nobody */
export async function askForMore(
  app: App,
  agent: Pick<TestAgent, 'id'>,
  resource: Resource,
  { scope = 'read write', delegation, duration, reason }: AskOptions = {},
): Promise<Asked> {
  const deps = depsOf(app);
  const origin = app.origin();
  await app.store.fresh();
  const known = await app.store.findAgent(agent.id);
  if (!known) throw new Error('there is no such agent');
  const basis = delegation && (await standOn(deps, delegation, {}, origin.latest));
  const request = { resources: [resource.identifier], scope, proofKey: undefined };
  const { decision } = await decideRequest(deps, known, request, origin, basis);
  if (decision.outcome !== 'needs-approval') throw new Error(`nobody has to approve: ${decision.outcome}`);
  const asked = await askElevation(
    deps,
    {
      clientId: known.id,
      agent: known,
      decision,
      delegationId: delegation?.id,
      proofKey: undefined,
      reason,
      duration,
      spent: [],
    },
    origin,
  );
  if (asked.outcome !== 'deferred') throw new Error(JSON.stringify(asked));
  return asked;
}

/** The agent fetches what was approved. @throws {Refused} */
export async function fetchApproved(app: App, { elevation, code }: Asked): Promise<TokenResponse> {
  const agent = await app.store.findAgent(elevation.agentId);
  if (!agent) throw new Error('there is no such agent');
  const client = {
    kind: 'agent' as const,
    clientId: agent.id,
    principalId: agent.id,
    credential: agent.credential,
    enabled: true,
    handle: handle(agent.id, agent.epoch),
  };
  const answer = await redeemElevation(
    depsOf(app),
    { code, proof: undefined, authenticated: { client, spent: [] } },
    app.origin(),
  );
  if (answer === 'pending') throw new Error('nobody has approved it');
  return answer;
}

/** A person lets an agent act for them, as the page has it. */
export async function letAct(
  app: App,
  person: Person,
  agent: Pick<TestAgent, 'id'>,
  resource: Resource,
  scopes: readonly string[] = ['read'],
): Promise<Delegation> {
  const { store } = app;
  const deps = { ...depsOf(app), delegations: store, people: store };
  const { delegation } = await giveDelegation(
    deps,
    person.id,
    {
      agentId: agent.id,
      resource: resource.identifier,
      scopes: [...scopes],
      expiresAt: new Date(app.now() + 7 * 86_400_000).toISOString(),
    },
    app.origin(),
  );
  return delegation;
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 6238 and RFC 4226 as they are written, with nothing of the server's: what an authenticator app shows. */
export function totpOf(seed: string, nowMs: number): string {
  const bits = [...seed].map(each => BASE32.indexOf(each).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map(each => Number.parseInt(each, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(nowMs / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
}

/** Names a text without showing it: a hostile reason is no good title. */
export function nameOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
