/** Agents that ask for more over real HTTP, and the people who may countersign it: on the store of the server, beside it. */

import { createSecretKey, randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { RefusalCounter } from '../../src/audit/index.ts';
import { type Delegation, giveDelegation } from '../../src/delegation/index.ts';
import { elevationOfCode } from '../../src/elevation/deferral-code.ts';
import {
  type ApproveDeps,
  approveElevation,
  type DenialReason,
  type DisplayedElevation,
  Displays,
  denyElevation,
  displayElevation,
  type Elevation,
} from '../../src/elevation/index.ts';
import { sealingKey } from '../../src/keys/index.ts';
import { findSession, newSignInFigures, type SignInDeps, SlowHash } from '../../src/people/index.ts';
import { delegationDeps, subjectOf } from '../delegation/exchange-world.ts';
import { markTrail } from '../support/events-since.ts';
import { codeOf, enrolPerson, type SignInWorld, type SigningPerson, signIn } from '../support/people.ts';
import { openCaller } from '../support/server-process.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addResource,
  type FormParameters,
  type HeldClock,
  heldClock,
  introspect,
  type PostOptions,
  startApp,
  startAppIn,
  TEST_HASH_COST,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';

export const DEFERRED = 'urn:ietf:params:oauth:grant-type:deferred';
export const DEFERRAL_CODE = 'urn:ietf:params:oauth:token-type:deferral-code';
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const HOUR_MS = 3_600_000;

type Form = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A server: the first one, or another one on the same store. */
export interface Endpoint {
  post(path: string, form: FormParameters, options?: PostOptions): Promise<Answer>;
}

export interface WireWorld {
  readonly app: App;
  readonly clock: HeldClock;
  readonly people: SignInWorld;
  /** Owns the agents, and lets one act for her. */
  readonly ada: SigningPerson;
  readonly resource: TestResource;
  /** Read is its baseline, and it may have all three. */
  readonly agent: TestAgent;
  addAgent(overrides?: Record<string, unknown>): Promise<TestAgent>;
  enrol(name: string): Promise<SigningPerson>;
  /** Ada lets the agent read for an hour, unless it says otherwise. */
  give(input?: Record<string, unknown>): Promise<Delegation>;
  /** For itself, read and write, and waits, unless it says otherwise. */
  ask(form?: Form, options?: Asking): Promise<Answer>;
  /** What comes of exchanging a delegation. */
  exchange(delegation: Delegation, form?: Form, options?: Asking): Promise<Answer>;
  poll(asked: Answer | string, options?: Asking & { readonly form?: Form }): Promise<Answer>;
  cancel(asked: Answer | string, options?: Asking & { readonly form?: Form }): Promise<Answer>;
  /** The record behind an answer that waits. */
  elevation(asked: Answer | string): Promise<Elevation>;
  display(asked: Answer, person?: SigningPerson): Promise<DisplayedElevation>;
  /** Shows it, and countersigns what is shown in a session that begins for that. */
  approve(asked: Answer, person?: SigningPerson): Promise<Elevation>;
  deny(asked: Answer, reason?: DenialReason, person?: SigningPerson): Promise<Elevation>;
  introspect(token: string): Promise<Answer['json']>;
  /** One more process on the same store. */
  startAnother(): Promise<Endpoint & { readonly app: App }>;
  /** Since the world is there, oldest first. */
  eventsOf(type: string): Promise<Awaited<ReturnType<App['trail']>>>;
  approveDeps(): ApproveDeps;
}

export interface Asking {
  readonly agent?: TestAgent;
  readonly headers?: Readonly<Record<string, string>>;
  readonly at?: Endpoint;
}

export function managed({ store }: App) {
  return {
    agents: store,
    people: store,
    credentials: store,
    resources: store,
    freshness: store,
    findStrongerAgents: async () => [],
  };
}

export async function startWireWorld(
  t: ExecutionContext,
  options: AppOptions & { readonly resource?: Record<string, unknown> } = {},
): Promise<WireWorld> {
  const { resource, ...rest } = options;
  return castWireWorld(t, await startStage(t, rest), resource);
}

/** A server, and what starts others on its store. */
export interface Stage extends Pick<WireWorld, 'app' | 'clock' | 'startAnother'> {}

export async function startStage(host: Host, options: AppOptions = {}): Promise<Stage> {
  // Tokens live for whole seconds.
  const clock = heldClock(Math.ceil(Date.now() / 1_000) * 1_000);
  const app = await startApp(host, { clock, ...options });
  return {
    app,
    clock,
    startAnother: async () => {
      const another = await startAppIn(app.directory, {
        env: { ...options.env, COUNTERSIGN_ISSUER: app.issuer },
        clock,
      });
      const caller = openCaller(Number(new URL(another.base).port), app.issuer);
      host.teardown(async () => {
        caller.close();
        await another.stop();
      });
      return { app: another, post: (path, form, post = {}) => caller.post(path, form as Form, post) };
    },
  };
}

interface Host {
  teardown(work: () => Promise<void>): void;
}

/** A person, a resource server and an agent whom nobody else there has. */
export async function castWireWorld(
  t: ExecutionContext,
  { app, clock, startAnother }: Stage,
  overridden: Record<string, unknown> = {},
): Promise<WireWorld> {
  const { store } = app;
  const since = await markTrail(app);
  const refusals = new RefusalCounter({ audit: store, now: clock, onError: error => t.log(error) });
  const signInDeps: SignInDeps = {
    people: store,
    credentials: store,
    passes: store,
    store,
    freshness: store,
    epochs: store.epochs,
    attempts: store,
    sealing: sealingKey(createSecretKey(randomBytes(32))),
    refusals,
    slowHash: new SlowHash(TEST_HASH_COST),
    issuer: app.issuer,
    figures: newSignInFigures(),
    onAdministratorEnrolled: async () => undefined,
  };
  const people: SignInWorld = {
    process: { deps: signInDeps, store, close: async () => undefined },
    get now() {
      return clock();
    },
    set now(now: number) {
      clock.pass(now - clock());
    },
    origin: () => ({ ...app.origin(), address: '192.0.2.1' }),
    start: () => Promise.reject(new Error('another process of the server is meant')),
    trail: app.trail,
  };
  const deps = {
    ...managed(app),
    elevations: store,
    delegations: store,
    epochs: store.epochs,
    refusals,
    displays: new Displays(),
    signIn: signInDeps,
    store,
  };
  const ada = await enrolPerson(people);
  const resource = await addResource(app, overridden);
  const envelope = [{ resource: resource.identifier, scopes: ['read', 'write', 'delete'] }];
  const baseline = [{ resource: resource.identifier, scopes: ['read'] }];
  const add = (overrides: Record<string, unknown> = {}) =>
    addAgent(app, ada.person, resource, { envelope, baseline, ...overrides });
  const agent = await add();
  const post = (path: string, form: Form, asking: Asking = {}) => {
    const { agent: by = agent, headers = {}, at = app } = asking;
    return at.post(path, form, { ...(!('client_assertion' in form) && { basic: by.basic }), headers });
  };
  const waiting = { resource: resource.identifier, scope: 'read write', completion_mode: 'deferred' };
  const codeIn = (asked: Answer | string): string =>
    typeof asked === 'string' ? asked : asked.json.deferral_code;
  const elevation = async (asked: Answer | string): Promise<Elevation> => {
    const id = elevationOfCode(codeIn(asked));
    await store.fresh();
    const found = id && (await store.findElevation(id));
    if (!found) throw new Error(`nothing waits: ${typeof asked === 'string' ? asked : asked.text}`);
    return found;
  };
  const displayIn = async (session: string, asked: Answer) => {
    const found = await findSession(signInDeps, session, people.origin());
    if (!found) throw new Error('there is no session');
    return displayElevation(deps, found, (await elevation(asked)).id, people.origin());
  };
  /** A session of the present, and the code of an app that it has not used. */
  const begin = async (person: SigningPerson): Promise<string> => {
    people.now += 60_000;
    const session = await signIn(people, person);
    people.now += 30_000;
    return session;
  };
  return {
    app,
    clock,
    people,
    ada,
    resource,
    agent,
    addAgent: add,
    enrol: name => enrolPerson(people, { name }),
    give: async (input = {}) => {
      const { delegation } = await giveDelegation(
        delegationDeps(app),
        ada.person.id,
        {
          agentId: agent.id,
          resource: resource.identifier,
          scopes: ['read'],
          expiresAt: new Date(clock() + HOUR_MS).toISOString(),
          ...input,
        },
        app.origin(),
      );
      return delegation;
    },
    ask: (form = {}, asking) =>
      post('/token', { grant_type: 'client_credentials', ...waiting, ...form }, asking),
    exchange: (delegation, form = {}, asking) =>
      post('/token', { grant_type: EXCHANGE, ...subjectOf(delegation.id), ...waiting, ...form }, asking),
    poll: (asked, { form = {}, ...asking } = {}) =>
      post('/token', { grant_type: DEFERRED, deferral_code: codeIn(asked), ...form }, asking),
    cancel: (asked, { form = {}, ...asking } = {}) =>
      post('/revoke', { token: codeIn(asked), ...form }, asking),
    elevation,
    display: async (asked, person = ada) => displayIn(await begin(person), asked),
    approve: async (asked, person = ada) => {
      const session = await begin(person);
      const {
        elevation: { id },
        digest = '',
      } = await displayIn(session, asked);
      const code = codeOf(person.seed, clock());
      return approveElevation(deps, session, id, { digest, code }, people.origin());
    },
    deny: async (asked, reason = 'too-much', person = ada) =>
      denyElevation(deps, person.person.id, (await elevation(asked)).id, reason, people.origin()),
    introspect: async token => (await introspect(app, resource, token)).json,
    startAnother,
    eventsOf: async type => (await since()).filter(event => event.type === type),
    approveDeps: () => deps,
  };
}

/** What an answer says that its reference does not: of answers that must look alike. */
export function alike({ status, text, headers }: Answer): string {
  return JSON.stringify([
    status,
    text,
    [...headers].filter(([name]) => !['date', 'error-ref', 'connection', 'keep-alive'].includes(name)),
  ]);
}
