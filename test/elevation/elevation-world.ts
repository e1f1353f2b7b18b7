/** An agent that asks for more than it has, and the person who may countersign it, on a store that several processes share. */

import type { ExecutionContext } from 'ava';
import type { Agent } from '../../src/agents/index.ts';
import type { RefusalCounter } from '../../src/audit/index.ts';
import type { Delegation } from '../../src/delegation/index.ts';
import { standOn } from '../../src/delegation/index.ts';
import {
  type ApproveDeps,
  type AskOutcome,
  approveElevation,
  askElevation,
  cancelElevation,
  type Deferred,
  type DenialReason,
  type DisplayedElevation,
  Displays,
  denyElevation,
  displayElevation,
  type Elevation,
  type RedeemDeps,
  redeemElevation,
  sweepElevations,
} from '../../src/elevation/index.ts';
import { Refused } from '../../src/errors.ts';
import { handle, isLive } from '../../src/liveness.ts';
import { findSession } from '../../src/people/index.ts';
import { opaqueTokenId } from '../../src/tokens/access-token-value.ts';
import { type AccessTokenSigner, decideRequest, type TokenResponse } from '../../src/tokens/index.ts';
import { type DelegationWorld, startDelegationWorld } from '../delegation/delegation-world.ts';
import { codeOf, type SignInProcess, type SigningPerson } from '../support/people.ts';
import type { StoreEnv } from '../support/stores.ts';

export type EngineDeps = ApproveDeps & RedeemDeps & { readonly displays: Displays };

export interface Ask {
  readonly agent?: Agent;
  readonly scope?: string;
  readonly duration?: string | undefined;
  readonly reason?: string | undefined;
  readonly proofKey?: string | undefined;
  readonly delegation?: Delegation | undefined;
  readonly process?: SignInProcess;
}

export interface ElevationWorld extends DelegationWorld {
  /** Of Ada, who owns it: read is its baseline, and it may have all three. */
  readonly asker: Agent;
  engine(process?: SignInProcess): EngineDeps;
  /** What becomes of a request that is decided on as it would be at the token endpoint. @throws where it needs no approval */
  tryAsk(ask?: Ask): Promise<AskOutcome>;
  /** The same where it waits. */
  ask(ask?: Ask): Promise<Deferred>;
  display(id: string, person?: SigningPerson, process?: SignInProcess): Promise<DisplayedElevation>;
  /** Shows it, and countersigns what is shown with the code of the present, unless it says otherwise. */
  approve(id: string, how?: Approve): Promise<Elevation>;
  deny(
    id: string,
    how?: { person?: SigningPerson; reason?: DenialReason; process?: SignInProcess },
  ): Promise<Elevation>;
  redeem(deferred: Pick<Deferred, 'code'>, how?: Redeem): Promise<TokenResponse>;
  cancel(code: string, how?: Redeem): ReturnType<typeof cancelElevation>;
  sweep(process?: SignInProcess): Promise<number>;
  find(id: string, process?: SignInProcess): Promise<Elevation>;
  /** What introspection says of a token: undefined where it is dead. */
  introspect(token: string, process?: SignInProcess): Promise<Record<string, unknown> | undefined>;
  /** The types of the events of an elevation, oldest first. */
  trailOf(id: string): Promise<readonly string[]>;
}

export interface Approve {
  readonly person?: SigningPerson;
  readonly digest?: string;
  readonly code?: string;
  readonly session?: string;
  readonly process?: SignInProcess;
}

export interface Redeem {
  readonly agent?: Agent;
  readonly proofKey?: string;
  readonly process?: SignInProcess;
}

export async function startElevationWorld(t: ExecutionContext, env: StoreEnv): Promise<ElevationWorld> {
  const world = await startDelegationWorld(t, env);
  const asker = await world.addAgent({
    baseline: [{ resource: world.resource.identifier, scopes: ['read'] }],
  });
  // Tokens live for whole seconds.
  world.now = Math.ceil(world.now / 1_000) * 1_000;
  const engines = new Map<SignInProcess, EngineDeps>();
  const engine = (process = world.process): EngineDeps => {
    const { store } = process;
    const known = engines.get(process);
    const deps: EngineDeps = known ?? {
      elevations: store,
      agents: store,
      people: store,
      credentials: store,
      resources: store,
      delegations: store,
      epochs: store.epochs,
      freshness: store,
      tokens: store,
      store,
      signIn: process.deps,
      refusals: world.depsOf(process).refusals as RefusalCounter,
      limits: { noteFailure: async () => undefined } as unknown as RedeemDeps['limits'],
      // It signs nothing: what is countersigned is opaque.
      signer: { activeKey: async () => ({ id: 'key_1', epoch: 0 }) } as unknown as AccessTokenSigner,
      issuer: process.deps.issuer,
      maxTtlSeconds: 300,
      displays: new Displays(),
    };
    engines.set(process, deps);
    return deps;
  };
  const proofOf = (jkt: string | undefined) =>
    jkt === undefined
      ? undefined
      : {
          jkt,
          spent: {
            kind: 'use-once' as const,
            value: `proof ${Math.random()}`,
            usableFrom: world.now,
            expiresAt: world.now + 60_000,
          },
        };
  const tryAsk = async (ask: Ask = {}): Promise<AskOutcome> => {
    const { agent = asker, scope = 'read write', delegation, proofKey, process = world.process } = ask;
    const deps = engine(process);
    const origin = world.origin();
    await process.store.fresh();
    const known = (await process.store.findAgent(agent.id)) ?? agent;
    const basis = delegation && (await standOn(deps, delegation, {}, origin.latest));
    const asked = { resources: [world.resource.identifier], scope, proofKey };
    const { decision } = await decideRequest(deps, known, asked, origin, basis);
    if (decision.outcome !== 'needs-approval') {
      throw new Refused(decision.outcome === 'refuse' ? decision.reason : 'nothing-to-countersign');
    }
    return askElevation(
      deps,
      {
        clientId: agent.id,
        agent: known,
        decision,
        delegationId: delegation?.id,
        proofKey,
        reason: ask.reason,
        duration: ask.duration,
        spent: [],
      },
      origin,
    );
  };
  const display: ElevationWorld['display'] = async (id, person = world.ada, process = world.process) => {
    const origin = world.origin();
    const session = await findSession(process.deps, person.session, origin);
    if (!session) throw new Error('there is no session');
    return displayElevation(engine(process), session, id, origin);
  };
  const poll = ({ agent = asker, proofKey }: Redeem, code: string) => ({
    code,
    proof: proofOf(proofKey),
    authenticated: {
      client: {
        kind: 'agent' as const,
        clientId: agent.id,
        principalId: agent.id,
        credential: agent.credential,
        enabled: true,
        handle: handle(agent.id, agent.epoch),
      },
      spent: [],
    },
  });
  return Object.assign(world, {
    asker,
    engine,
    tryAsk,
    ask: async (ask: Ask = {}) => {
      const outcome = await tryAsk(ask);
      if (outcome.outcome === 'deferred') return outcome;
      throw new Error(outcome.outcome === 'refuse' ? outcome.reason : outcome.conflict);
    },
    display,
    approve: async (id: string, how: Approve = {}) => {
      const { person = world.ada, process = world.process } = how;
      const digest = how.digest ?? (await display(id, person, process)).digest ?? '';
      const code = how.code ?? codeOf(person.seed, world.now);
      const session = how.session ?? person.session;
      return approveElevation(engine(process), session, id, { digest, code }, world.origin());
    },
    deny: (
      id: string,
      how: { person?: SigningPerson; reason?: DenialReason; process?: SignInProcess } = {},
    ) => {
      const { person = world.ada, reason = 'too-much', process } = how;
      return denyElevation(engine(process), person.person.id, id, reason, world.origin());
    },
    redeem: async ({ code }: Pick<Deferred, 'code'>, how: Redeem = {}) =>
      fetched(await redeemElevation(engine(how.process), poll(how, code), world.origin())),
    cancel: (code: string, how: Redeem = {}) => {
      const { agent = asker, proofKey } = how;
      return cancelElevation(engine(how.process), { clientId: agent.id, code, proofKey }, world.origin());
    },
    sweep: (process = world.process) => sweepElevations(engine(process), world.origin()),
    find: async (id: string, process = world.process) => {
      await process.store.fresh();
      const found = await process.store.findElevation(id);
      if (!found) throw new Error('there is no such elevation');
      return found;
    },
    introspect: async (token: string, process = world.process) => {
      const jti = opaqueTokenId(token);
      await process.store.fresh();
      const found = jti && (await process.store.findToken(jti));
      return found && isLive(found, process.store.epochs, world.now) ? JSON.parse(found.answer) : undefined;
    },
    trailOf: async (id: string) =>
      (await world.trail()).filter(({ target }) => target === id).map(({ type }) => type),
  });
}

/** The reason of a refusal. @throws where it was none */
export async function reasonOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof Refused) return error.reason;
    throw error;
  }
  throw new Error('it was not refused');
}

/** What was fetched. @throws {Refused} that nobody has decided yet */
function fetched(answer: TokenResponse | 'pending'): TokenResponse {
  if (answer === 'pending') throw new Refused('elevation-pending');
  return answer;
}
