/** Asks, decisions, polls and narrowings at random, against a model of a few lines: beyond its source a token holds what one approved elevation holds, and nothing else. */
import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { updateAgent } from '../../src/agents/index.ts';
import type { Answer } from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';
import { managed, startWireWorld } from './wire-world.ts';

const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? randomInt(2 ** 31));
const RUNS = Number(process.env['COUNTERSIGN_TEST_ELEVATIONS'] ?? 12);

const SCOPES = ['read', 'write', 'delete'] as const;
const BASELINE = ['read'];
const DELEGATED = ['read', 'write'];
const MAX_SECONDS = 900;

const which = fc.constantFrom(0, 0, 0, 1);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      isDelegated: fc.boolean(),
      scopes: fc.subarray([...SCOPES], { minLength: 1 }),
      waits: fc.oneof(
        { weight: 3, arbitrary: fc.constant(true) },
        { weight: 1, arbitrary: fc.constant(false) },
      ),
      seconds: fc.constantFrom(120, 300, 86_400),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      which,
      how: fc.constantFrom('approve', 'approve', 'approve', 'approve', 'approve', 'deny', 'cancel'),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('poll' as const), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.nat({ max: 200 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('narrow' as const),
      without: fc.constantFrom('write', 'delete'),
    }),
  },
);
const story = fc.array(step, { minLength: 25, maxLength: 32, size: 'max' });

/** An elevation as the model has it: what waits until when, and what has become of it. */
interface Modelled {
  readonly key: string;
  readonly scopes: readonly string[];
  readonly seconds: number;
  readonly askedAt: number;
  state: 'pending' | 'approved' | 'redeemed' | 'over';
  /** Of the approval. */
  endsAt: number;
}

interface IssuedToken {
  readonly value: string;
  readonly endsAt: number;
  readonly of?: Modelled;
  isDead: boolean;
}

whateverTheStore(
  'I2: whatever is asked, decided and narrowed, a token holds no more than its source and one approved elevation',
  async (t, env) => {
    t.log(`seed ${SEED}`);
    const world = await startWireWorld(t, { env });
    const { app, clock, resource } = world;
    let granted = 0;
    await fc.assert(
      fc.asyncProperty(story, async steps => {
        const agent = await world.addAgent();
        const delegation = await world.give({
          agentId: agent.id,
          scopes: DELEGATED,
          expiresAt: new Date(clock() + 86_400_000).toISOString(),
        });
        let envelope: readonly string[] = SCOPES;
        const codes: { readonly asked: Answer; readonly elevation: Modelled }[] = [];
        const tokens: IssuedToken[] = [];
        const hasRunOut = ({ state, askedAt, endsAt }: Modelled, at = clock()): boolean =>
          state === 'pending'
            ? at >= askedAt + 600_000
            : state === 'approved' && at >= Math.min(askedAt + 660_000, endsAt);
        const chosen = (index: number) => codes.at(-1 - index);

        for (const each of steps) {
          const at = JSON.stringify(each);
          if (each.kind === 'pass') clock.pass(each.seconds * 1_000);
          else if (each.kind === 'narrow') {
            if (!envelope.includes(each.without)) continue;
            envelope = envelope.filter(scope => scope !== each.without);
            const narrowed = [{ resource: resource.identifier, scopes: [...envelope] }];
            await updateAgent(managed(app), agent.id, '*', { envelope: narrowed }, app.origin());
            for (const { elevation } of codes) if (elevation.state !== 'redeemed') elevation.state = 'over';
            for (const token of tokens) token.isDead = true;
          } else if (each.kind === 'ask') {
            const { isDelegated, scopes, waits, seconds } = each;
            const form = {
              scope: scopes.join(' '),
              duration: String(seconds),
              completion_mode: waits ? 'deferred' : undefined,
            };
            const answer = isDelegated
              ? await world.exchange(delegation, form, { agent })
              : await world.ask(form, { agent });
            const source = isDelegated ? DELEGATED : BASELINE;
            if (!scopes.every(scope => envelope.includes(scope))) {
              t.is(answer.json.error, 'invalid_scope', at);
            } else if (scopes.every(scope => source.includes(scope))) {
              t.is(answer.json.scope, scopes.join(' '), `${at} ${answer.text}`);
              const endsAt = clock() + answer.json.expires_in * 1_000;
              tokens.push({ value: answer.json.access_token, endsAt, isDead: false });
            } else if (!waits) {
              t.is(answer.json.error, 'invalid_scope', at);
            } else {
              t.is(answer.json.error, 'authorization_pending', `${at} ${answer.text}`);
              const key = `${isDelegated} ${scopes.join(' ')} ${seconds}`;
              const joined = codes.find(
                ({ elevation }) =>
                  elevation.key === key && elevation.state === 'pending' && !hasRunOut(elevation),
              );
              const elevation: Modelled = joined?.elevation ?? {
                key,
                scopes,
                seconds: Math.min(seconds, MAX_SECONDS),
                askedAt: clock(),
                state: 'pending',
                endsAt: 0,
              };
              if (joined) t.is(answer.json.binding_code, joined.asked.json.binding_code, at);
              codes.push({ asked: answer, elevation });
            }
          } else if (each.kind === 'decide') {
            const { asked, elevation } = chosen(each.which) ?? {};
            if (!asked || !elevation || elevation.state === 'over' || hasRunOut(elevation)) continue;
            if (each.how === 'approve') {
              const approved = await world.approve(asked).then(
                () => true,
                () => false,
              );
              // To sign in for it takes ninety seconds.
              t.is(approved, elevation.state === 'pending' && !hasRunOut(elevation), at);
              if (!approved) continue;
              elevation.state = 'approved';
              elevation.endsAt = clock() + elevation.seconds * 1_000;
            } else if (each.how === 'deny') {
              await world.deny(asked);
              for (const token of tokens) if (token.of === elevation) token.isDead = true;
              elevation.state = 'over';
            } else {
              t.is((await world.cancel(asked, { agent })).status, 200);
              if (elevation.state !== 'redeemed') elevation.state = 'over';
            }
          } else {
            const { asked, elevation } = chosen(each.which) ?? {};
            if (!asked || !elevation) continue;
            const answer = await world.poll(asked, { agent });
            const { error } = answer.json;
            if (elevation.state === 'over') {
              // What had run out before it was ended may have been recorded as that.
              t.true(['access_denied', 'expired_token'].includes(error), `${at} ${answer.text}`);
            } else if (elevation.state === 'redeemed') t.is(error, 'invalid_grant', at);
            else if (hasRunOut(elevation)) t.is(error, 'expired_token', at);
            else if (elevation.state === 'pending') {
              t.true(['authorization_pending', 'slow_down', 'invalid_request'].includes(error), answer.text);
            } else {
              t.is(answer.status, 200, `${at} ${answer.text}`);
              t.is(answer.json.scope, elevation.scopes.join(' '), at);
              t.is(answer.json.expires_in, (elevation.endsAt - clock()) / 1_000, at);
              elevation.state = 'redeemed';
              const value = answer.json.access_token;
              tokens.push({ value, endsAt: elevation.endsAt, of: elevation, isDead: false });
              granted += 1;
            }
          }
        }
        for (const { value, endsAt, isDead } of tokens) {
          const { active } = await world.introspect(value);
          t.is(active, !isDead && clock() < endsAt);
        }
      }),
      { seed: SEED, numRuns: RUNS, endOnFailure: true },
    );
    t.log(`${granted} tokens of elevations`);
  },
);
