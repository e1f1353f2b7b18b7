/** A person who lets agents act for them, over real HTTP: a planner, a worker that may follow it, and a stranger. */
import type { ExecutionContext } from 'ava';
import { RefusalCounter } from '../../src/audit/index.ts';
import { type Delegation, type DelegationDeps, giveDelegation } from '../../src/delegation/index.ts';
import type { Person } from '../../src/people/index.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  type HeldClock,
  heldClock,
  introspect,
  startApp,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
export const DELEGATION = 'urn:countersign:token-type:delegation';
const HOUR_MS = 3_600_000;

type Form = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ExchangeWorld {
  readonly app: App;
  readonly clock: HeldClock;
  readonly alice: Person;
  readonly resource: TestResource;
  readonly planner: TestAgent;
  readonly worker: TestAgent;
  readonly stranger: TestAgent;
  addAgent(overrides?: Record<string, unknown>): Promise<TestAgent>;
  /** Alice lets the planner read and write for an hour, and hand on to the worker, unless it says otherwise. */
  give(input?: Record<string, unknown>): Promise<Delegation>;
  exchange(agent: TestAgent, form: Form, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Exchanges the delegation itself, or the token of somebody. @throws where no token comes of it */
  tokenFor(agent: TestAgent, subject: string, form?: Form): Promise<string>;
  introspect(token: string, at?: TestResource): Promise<Answer['json']>;
  /** The reasons of the refusals, oldest first. */
  reasons(): Promise<readonly (string | undefined)[]>;
}

/** What presents a delegation, or a token: its value with its type. */
export function subjectOf(subject: string): { subject_token: string; subject_token_type: string } {
  return {
    subject_token: subject,
    subject_token_type: subject.startsWith('dlg_') ? DELEGATION : ACCESS_TOKEN,
  };
}

export function delegationDeps({ store, now }: Pick<App, 'now' | 'store'>): DelegationDeps {
  return {
    delegations: store,
    agents: store,
    people: store,
    resources: store,
    freshness: store,
    refusals: new RefusalCounter({
      audit: store,
      now,
      onError: error => {
        throw error;
      },
    }),
  };
}

export async function startExchangeWorld(
  t: ExecutionContext,
  options: AppOptions & { readonly resource?: Record<string, unknown> } = {},
): Promise<ExchangeWorld> {
  const { resource: overridden, ...rest } = options;
  const clock = heldClock();
  const app = await startApp(t, { clock, ...rest });
  const alice = await addPerson(app, 'Alice');
  const operator = await addPerson(app, 'Olga Owner');
  const resource = await addResource(app, overridden);
  const scopes = ['read', 'write', 'delete'];
  const add = (overrides: Record<string, unknown> = {}) =>
    addAgent(app, operator, resource, {
      envelope: [{ resource: resource.identifier, scopes }],
      baseline: [],
      ...overrides,
    });
  const [planner, worker, stranger] = [await add(), await add(), await add()];
  const exchange: ExchangeWorld['exchange'] = (agent, form, headers = {}) =>
    app.post('/token', { grant_type: EXCHANGE, ...form }, { basic: agent.basic, headers });
  return {
    app,
    clock,
    alice,
    resource,
    planner,
    worker,
    stranger,
    addAgent: add,
    give: async (input = {}) => {
      const { delegation } = await giveDelegation(
        delegationDeps(app),
        alice.id as `usr_${string}`,
        {
          agentId: planner.id,
          resource: resource.identifier,
          scopes: ['read', 'write'],
          expiresAt: new Date(clock() + HOUR_MS).toISOString(),
          mayActNext: [worker.id],
          ...input,
        },
        app.origin(),
      );
      return delegation;
    },
    exchange,
    tokenFor: async (agent, subject, form = {}) => {
      const answer = await exchange(agent, { ...subjectOf(subject), ...form });
      if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`);
      return answer.json.access_token;
    },
    introspect: async (token, at = resource) => (await introspect(app, at, token)).json,
    reasons: async () =>
      (await app.trail()).filter(event => event.type === 'token.issue-refused').map(event => event.reason),
  };
}
