/** Exchange after exchange, at random, against a model of a few lines: nothing widens, and what is allowed is given. */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import type { Delegation } from '../../src/delegation/index.ts';
import { addResource, type TestAgent } from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';
import { type ExchangeWorld, startExchangeWorld, subjectOf } from './exchange-world.ts';

const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? randomInt(2 ** 31));
const RUNS = Number(process.env['COUNTERSIGN_TEST_EXCHANGES'] ?? 10);

const SCOPES = ['read', 'write', 'delete', 'list'] as const;
const HIGH_RISK = 'delete';
/** Indexes of agents: the delegation names the first. */
const AGENTS = [0, 1, 2, 3, 4] as const;

const someScopes = fc.subarray([...SCOPES], { minLength: 1 });
const standing = fc.subarray(
  SCOPES.filter(scope => scope !== HIGH_RISK),
  { minLength: 1 },
);

const step = fc.record({
  agent: fc.constantFrom<number>(...AGENTS),
  /** Which of the tokens so far, counted from the newest; the delegation itself where that is more than there are. */
  subject: fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: fc.constant(99) }),
  scope: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: someScopes }),
  resource: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('its own', undefined) },
    { weight: 1, arbitrary: fc.constant('another one') },
  ),
  passSeconds: fc.oneof(
    { weight: 9, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.nat({ max: 150 }) },
  ),
});

const story = fc.record({
  envelopes: fc.array(fc.oneof(fc.constant<string[]>([...SCOPES]), someScopes as fc.Arbitrary<string[]>), {
    minLength: AGENTS.length,
    maxLength: AGENTS.length,
  }),
  scopes: standing,
  lifeSeconds: fc.integer({ min: 60, max: 900 }),
  next: fc.oneof(fc.constant<number[]>([1, 2, 3, 4]), fc.subarray([1, 2, 3, 4])),
  steps: fc.array(step, { minLength: 15, maxLength: 25, size: 'max' }),
});

/** A token as the model has it. */
interface Modelled {
  readonly value: string;
  readonly actors: readonly number[];
  readonly scopes: readonly string[];
  readonly expiresAt: number;
}

whateverTheStore(
  'I9: from delegation to exchange to exchange nothing widens: scope, audience, end, chain',
  async (t, env) => {
    t.log(`seed ${SEED}`);
    const world = await startExchangeWorld(t, {
      env: {
        ...env,
        COUNTERSIGN_CLIENT_TOKENS_PER_SECOND: '100000',
        COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '100000',
      },
      resource: {
        scopes: SCOPES.map(name => ({ name, sentence: name, risk: name === HIGH_RISK ? 'high' : 'low' })),
      },
    });
    const { clock, introspect, exchange, resource, alice } = world;
    const elsewhere = await addResource(world.app);
    let issued = 0;
    let refused = 0;
    let deepest = 0;

    const tell = fc.asyncProperty(story, async ({ envelopes, scopes, lifeSeconds, next, steps }) => {
      const agents = await Promise.all(
        envelopes.map(allowed =>
          world.addAgent({
            envelope: [
              { resource: resource.identifier, scopes: allowed },
              { resource: elsewhere.identifier, scopes: ['read', 'write'] },
            ],
          }),
        ),
      );
      const nameOf = (index: number) => (agents[index] as TestAgent).id;
      const named = scopes.filter(scope => (envelopes[0] as string[]).includes(scope));
      if (named.length === 0) return;
      const delegation = await givenBy(world, nameOf(0), named, lifeSeconds, next.map(nameOf));
      const endsAt = Math.floor(delegation.expiresAt / 1_000);
      const tokens: Modelled[] = [];
      const first = { agent: 0, subject: 99, scope: undefined, resource: undefined, passSeconds: 0 };
      for (const { agent, subject, scope, resource: where, passSeconds } of [first, ...steps]) {
        clock.pass(passSeconds * 1_000);
        const now = Math.floor(clock() / 1_000);
        const source = tokens.at(-1 - subject);
        const answer = await exchange(agents[agent] as TestAgent, {
          ...subjectOf(source?.value ?? delegation.id),
          scope: scope?.join(' '),
          resource: where === undefined ? undefined : (where === 'its own' ? resource : elsewhere).identifier,
        });

        // The model.
        const before = source?.actors ?? [];
        const actors = before[0] === agent ? before : [agent, ...before];
        const held = (source?.scopes ?? named).filter(each => (envelopes[agent] as string[]).includes(each));
        const may =
          now < Math.min(endsAt, source?.expiresAt ?? endsAt) &&
          (source ? next.includes(agent) || (agent === 0 && before[0] === 0) : agent === 0) &&
          new Set(actors).size === actors.length &&
          actors.length <= 4 &&
          where !== 'another one' &&
          held.length > 0 &&
          (scope ?? []).every(each => held.includes(each));

        t.is(answer.status, may ? 200 : 400, `${answer.text} to agent ${agent} of ${JSON.stringify(source)}`);
        if (!may) {
          refused += 1;
          continue;
        }
        const live = await introspect(answer.json.access_token);
        const expiresAt = Math.min(now + 300, endsAt, source?.expiresAt ?? endsAt);
        t.deepEqual(live.scope.split(' ').sort(), [...(scope ?? held)].sort());
        t.deepEqual(chainOf(live.act), actors.map(nameOf));
        t.deepEqual([live.sub, live.aud, live.exp], [alice.id, resource.identifier, expiresAt]);
        issued += 1;
        deepest = Math.max(deepest, actors.length);
        tokens.push({
          value: answer.json.access_token,
          actors,
          scopes: live.scope.split(' '),
          expiresAt,
        });
      }
    });
    await fc.assert(tell, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    t.log(`${issued} tokens, ${refused} refusals, at most ${deepest} actors`);
    t.true(issued > 0 && refused > 0);
  },
);

async function givenBy(
  { give, clock }: ExchangeWorld,
  agentId: string,
  scopes: readonly string[],
  lifeSeconds: number,
  mayActNext: readonly string[],
): Promise<Delegation> {
  const expiresAt = new Date(clock() + lifeSeconds * 1_000).toISOString();
  return give({ agentId, scopes, expiresAt, mayActNext });
}

interface Act {
  readonly sub: string;
  readonly act?: Act;
}

function chainOf({ sub, act }: Act): readonly string[] {
  return [sub, ...(act ? chainOf(act) : [])];
}
