/** Group H: introspection and revocation. */
import test from 'ava';
import {
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  getToken,
  heldClock,
  introspect,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';

const INACTIVE = '{"active":false}';

async function world(t: Parameters<typeof startApp>[0], options: AppOptions = {}) {
  const app = await startApp(t, { clock: heldClock(), ...options });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const other = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const token = await getToken(app, agent, resource);
  return { app, owner, resource, other, agent, token };
}

test('R062: introspection without authentication is 401 and tells nothing', async t => {
  const { app, token } = await world(t);
  const answer = await app.post('/introspect', { token });
  t.is(answer.status, 401);
  t.deepEqual(Object.keys(answer.json).sort(), ['error', 'error_description', 'error_uri']);
});

whateverTheStore(
  'R063: another resource server gets the same bytes as for garbage, and the trail says who asked',
  async (t, store) => {
    const { app, resource, other, token } = await world(t, { env: store });
    const foreign = await introspect(app, other, token);
    const garbage = await introspect(app, other, 'garbage');
    t.is(foreign.text, INACTIVE);
    t.is(foreign.text, garbage.text);
    t.is(foreign.status, garbage.status);
    const [event, ...more] = (await app.trail()).filter(each => each.type === 'token.introspection-refused');
    t.like(event, { reason: 'foreign-audience', client: other.id });
    t.is(more.length, 0);
    t.true((await introspect(app, resource, token)).json.active);
  },
);

test("R064: an agent that asks about another agent's token, or its own, learns nothing", async t => {
  const { app, owner, resource, agent, token } = await world(t);
  const second = await addAgent(app, owner, resource);
  for (const { basic } of [second, agent]) {
    t.is((await app.post('/introspect', { token }, { basic })).text, INACTIVE);
  }
});

whateverTheStore(
  'R065: expired, revoked and malformed tokens are inactive, and no answer may be stored',
  async (t, store) => {
    let now = Date.now();
    const start = now;
    const { app, resource, agent, token } = await world(t, { env: store, clock: () => now });
    const revoked = await getToken(app, agent, resource);
    await app.post('/revoke', { token: revoked }, { basic: agent.basic });
    const malformed = [
      '',
      'x',
      `${token}x`,
      token.slice(0, -1),
      token.toUpperCase(),
      'a.b.c',
      `cs_at_${'A'.repeat(48)}`,
    ];
    for (const value of [revoked, ...malformed.slice(1)]) {
      const answer = await introspect(app, resource, value);
      t.is(answer.status, 200, value);
      t.is(answer.text, INACTIVE, value);
      t.is(answer.headers.get('cache-control'), 'no-store');
    }
    const live = await introspect(app, resource, token);
    t.true(live.json.active);
    t.is(live.headers.get('cache-control'), 'no-store');

    now = start + 298_000;
    t.true((await introspect(app, resource, token)).json.active);
    now = start + 301_000;
    t.is((await introspect(app, resource, token)).text, INACTIVE);
    // I18: a clock that steps back revives nothing.
    now = start;
    t.is((await introspect(app, resource, token)).text, INACTIVE);
  },
);

whateverTheStore('R065: the identifier of a token is not the token', async (t, store) => {
  const { app, resource, token } = await world(t, { env: store });
  const { jti } = (await introspect(app, resource, token)).json;
  t.is((await introspect(app, resource, jti)).text, INACTIVE);
});

whateverTheStore(
  'R066: a client revokes its own token; unknown, again and foreign get the same bytes and change nothing',
  async (t, store) => {
    const { app, owner, resource, agent, token } = await world(t, { env: store });
    const second = await addAgent(app, owner, resource);
    const foreign = await app.post('/revoke', { token }, { basic: second.basic });
    t.true((await introspect(app, resource, token)).json.active);
    const byResource = await app.post('/revoke', { token }, { basic: [resource.id, resource.secret] });
    t.true((await introspect(app, resource, token)).json.active);

    const own = await app.post(
      '/revoke',
      { token, token_type_hint: 'refresh_token' },
      { basic: agent.basic },
    );
    t.is((await introspect(app, resource, token)).text, INACTIVE);
    const again = await app.post('/revoke', { token }, { basic: agent.basic });
    const unknown = await app.post('/revoke', { token: 'garbage' }, { basic: agent.basic });
    for (const answer of [foreign, byResource, own, again, unknown]) {
      t.is(answer.status, 200);
      t.is(answer.text, '{}');
    }
    const types = (await app.trail()).map(event => event.type);
    t.is(types.filter(type => type === 'token.revoked').length, 1);
    t.is(types.filter(type => type === 'token.revocation-refused').length, 2);
  },
);

test('introspection and revocation need a token parameter', async t => {
  const { app, resource, agent } = await world(t);
  const asked = await app.post('/introspect', {}, { basic: [resource.id, resource.secret] });
  const revoked = await app.post('/revoke', {}, { basic: agent.basic });
  for (const answer of [asked, revoked]) {
    t.is(answer.status, 400);
    t.is(answer.json.error, 'invalid_request');
    t.regex(answer.json.error_description, /parameter: token/);
  }
});

whateverTheStore('S37: a resource server may authenticate with a key of its own', async (t, store) => {
  const { app, owner, resource } = await world(t, { env: store });
  const signer = await addKeyAgent(app, owner, resource);
  const keyed = await addResource(app, {
    credential: { method: 'private_key_jwt', keys: [signer.publicJwk] },
  });
  const agent = await addAgent(app, owner, keyed);
  const token = await getToken(app, agent, keyed);
  const assertion = presenting(await signAssertion(app, { id: keyed.id, privateKey: signer.privateKey }));
  t.true((await app.post('/introspect', { token, ...assertion })).json.active);
  t.is((await app.post('/introspect', { token, ...assertion })).status, 401);
});

whateverTheStore(
  'T16, I16: who asks about many tokens that are not live for it has to wait, and is not told whether they are; live ones are answered',
  async (t, store) => {
    const clock = heldClock();
    const env = { ...store, COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND: '1' };
    const { app, owner, resource, other, agent, token } = await world(t, { env, clock });
    const foreign = await getToken(app, await addAgent(app, owner, other), other);
    const dead = await getToken(app, agent, resource);
    await app.post('/revoke', { token: dead }, { basic: agent.basic });

    for (let index = 0; index < 10; index += 1) {
      t.is((await introspect(app, resource, `cs_at_${index}`)).text, INACTIVE, `${index}`);
    }
    const unknown = await introspect(app, resource, 'garbage');
    const held = [unknown, await introspect(app, resource, foreign), await introspect(app, resource, dead)];
    for (const answer of held) {
      t.is(answer.status, 429);
      t.is(answer.headers.get('retry-after'), '1');
      t.is(answer.text, unknown.text);
      t.is(answer.json.active, undefined);
    }
    t.true((await introspect(app, resource, token)).json.active);
    t.is((await introspect(app, other, 'garbage')).text, INACTIVE, 'who asks for the first time');
    const [limited, ...more] = (await app.trail()).filter(({ type }) => type === 'request.limited');
    t.like(limited, { reason: 'unknown-tokens-exceeded', client: resource.id });
    t.is(more.length, 0, 'alike ones share a row');
    clock.pass(1_000);
    t.is((await introspect(app, resource, 'garbage')).text, INACTIVE);
    t.is((await introspect(app, resource, 'garbage')).status, 429);
  },
);

test('I16: who gives up many tokens that are not its own has to wait, and is not told whether they live; its own it can give up', async t => {
  const { app, owner, resource, agent, token } = await world(t, {
    env: { COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND: '1' },
  });
  const foreign = await getToken(app, await addAgent(app, owner, resource), resource);
  const revoke = (value: string) => app.post('/revoke', { token: value }, { basic: agent.basic });
  for (let index = 0; index < 10; index += 1) t.is((await revoke(`cs_at_${index}`)).text, '{}', `${index}`);
  const [unknown, live] = [await revoke('garbage'), await revoke(foreign)];
  t.is(unknown.status, 429);
  t.is(unknown.text, live.text);
  t.is((await revoke(token)).text, '{}');
  t.is((await introspect(app, resource, token)).text, INACTIVE);
  t.true((await introspect(app, resource, foreign)).json.active);
});
