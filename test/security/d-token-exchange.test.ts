/** Group D: token exchange (RFC 8693). Who acts for whom, how far, and never further than what it rests on. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { decodeJwt, generateKeyPair, SignJWT } from 'jose';
import { createAgent, killAgent, updateAgent } from '../../src/agents/index.ts';
import { endDelegation } from '../../src/delegation/index.ts';
import { SigningKeyring, sealingKey } from '../../src/keys/index.ts';
import { killPerson, restorePerson } from '../../src/people/index.ts';
import { updateResource } from '../../src/resources/index.ts';
import { newOpaqueToken } from '../../src/tokens/access-token-value.ts';
import {
  ACCESS_TOKEN,
  DELEGATION,
  delegationDeps,
  type ExchangeWorld,
  startExchangeWorld,
  subjectOf,
} from '../delegation/exchange-world.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import {
  addKeyAgent,
  addResource,
  getToken,
  presenting,
  signAssertion,
  type TestAgent,
} from '../support/start-app.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

const managed = ({ app: { store } }: ExchangeWorld) => ({
  credentials: store,
  findStrongerAgents: async () => [],
  agents: store,
  people: store,
  resources: store,
  freshness: store,
});

const recordOf = async ({ app }: ExchangeWorld, token: { readonly jti: string }) => {
  const found = await app.store.findToken(token.jti as `tok_${string}`);
  if (!found) throw new Error('no such token');
  return found;
};

whateverTheStore(
  'R028: an exchange for more than its subject holds is refused by name, whether that is a delegation or a token',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { planner, worker, give, exchange, tokenFor, introspect } = world;
    const delegation = await give({ scopes: ['read', 'write'] });
    const ask = async (subject: string, scope: string, agent = planner) => {
      const { status, json } = await exchange(agent, { ...subjectOf(subject), scope });
      return [status, json.error, /sent: ([^;]*); permitted: ([^;]*)/.exec(json.error_description)?.slice(1)];
    };
    t.deepEqual(await ask(delegation.id, 'read fly'), [400, 'invalid_scope', ['fly', 'read | write']]);
    t.deepEqual(await ask(delegation.id, 'read delete'), [400, 'invalid_scope', ['delete', 'read | write']]);
    const reader = await tokenFor(planner, delegation.id, { scope: 'read' });
    t.deepEqual(await ask(reader, 'read write'), [400, 'invalid_scope', ['write', 'read']]);
    t.deepEqual(await ask(reader, 'read write', worker), [400, 'invalid_scope', ['write', 'read']]);
    t.is((await introspect(await tokenFor(worker, reader))).scope, 'read', 'without scope, what it holds');
    t.is((await introspect(await tokenFor(planner, delegation.id))).scope, 'read write');

    const envelope = [{ resource: world.resource.identifier, scopes: ['write'] }];
    await updateAgent(managed(world), worker.id, '*', { envelope }, world.app.origin());
    const both = await tokenFor(planner, delegation.id);
    t.deepEqual(await ask(both, 'read', worker), [400, 'invalid_scope', ['read', 'write']]);
    t.is((await introspect(await tokenFor(worker, both))).scope, 'write', 'no more than its own envelope');
    t.deepEqual(await ask(reader, 'read', worker), [400, 'invalid_scope', ['read', 'nothing']]);
    t.is((await exchange(worker, subjectOf(reader))).json.error, 'invalid_scope');
    t.deepEqual(await world.reasons(), [
      'scope-unknown',
      'scope-high-risk',
      'scope-beyond-subject-token',
      'scope-beyond-subject-token',
      'scope-beyond-envelope',
      'scope-beyond-envelope',
      'scope-none-left',
    ]);
  },
);

whateverTheStore(
  'R028: a scope that the person did not allow, and one that has become of high risk since, is in no token',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, planner, give, exchange, tokenFor, introspect, resource } = world;
    const narrow = await give({ scopes: ['read'] });
    const beyond = await exchange(planner, { ...subjectOf(narrow.id), scope: 'write' });
    t.is(beyond.json.error, 'invalid_scope');
    const delegation = await give({ scopes: ['read', 'write'] });
    const before = await tokenFor(planner, delegation.id);
    const scopes = resource.scopes.map(scope =>
      scope.name === 'write' ? { ...scope, risk: 'high' } : scope,
    );
    await updateResource(
      { resources: app.store, freshness: app.store },
      resource.id,
      '*',
      { scopes },
      app.origin(),
    );
    for (const subject of [delegation.id, before]) {
      const risky = await exchange(planner, { ...subjectOf(subject), scope: 'write' });
      t.is(risky.status, 400, risky.text);
    }
    t.is((await introspect(await tokenFor(planner, delegation.id))).scope, 'read');
    t.is((await world.reasons())[0], 'scope-beyond-delegation');
    t.is((await world.reasons())[1], 'scope-high-risk');
  },
);

whateverTheStore(
  'R029: a token is for where its subject is for, and where the agent may go, and nowhere else',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, planner, worker, give, exchange, tokenFor, introspect, resource } = world;
    const other = await addResource(app);
    const everywhere = [resource, other].map(({ identifier }) => ({
      resource: identifier,
      scopes: ['read', 'write'],
    }));
    await updateAgent(managed(world), planner.id, '*', { envelope: everywhere }, app.origin());
    const delegation = await give();
    const token = await tokenFor(planner, delegation.id);
    const targets = {
      'another one of its own': other.identifier,
      'an unknown one': 'https://unknown.example/mcp',
      'no absolute URI': '/mcp',
      'one with a fragment': `${resource.identifier}#x`,
      several: [resource.identifier, other.identifier],
    };
    for (const subject of [delegation.id, token]) {
      for (const [what, target] of Object.entries(targets)) {
        const { status, json } = await exchange(planner, { ...subjectOf(subject), resource: target });
        t.deepEqual([status, json.error], [400, 'invalid_target'], what);
      }
      const named = await exchange(planner, { ...subjectOf(subject), audience: resource.identifier });
      t.deepEqual([named.status, named.json.error], [400, 'invalid_target'], 'audience');
      const details = JSON.stringify([{ type: 'payment' }]);
      const detailed = await exchange(planner, { ...subjectOf(subject), authorization_details: details });
      t.deepEqual([detailed.status, detailed.json.error], [400, 'invalid_authorization_details']);
    }
    const envelope = [{ resource: other.identifier, scopes: ['read'] }];
    await updateAgent(managed(world), worker.id, '*', { envelope }, app.origin());
    for (const target of [resource.identifier, other.identifier, undefined]) {
      const { status, json } = await exchange(worker, { ...subjectOf(token), resource: target });
      t.deepEqual([status, json.error], [400, 'invalid_target'], `out of the reach of the worker: ${target}`);
    }
    const right = await tokenFor(planner, token, { resource: resource.identifier });
    t.is((await introspect(right)).aud, resource.identifier);
    t.deepEqual(await introspect(right, other), { active: false });
  },
);

whateverTheStore(
  'R030: a token ends with the first of its subject, the delegation, the actor token and the agent',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { clock, planner, worker, give, exchange, tokenFor, introspect, resource } = world;
    const endOf = async (token: string) => (await introspect(token)).exp as number;
    const delegation = await give();
    const token = await tokenFor(planner, delegation.id);
    clock.pass(200_000);
    t.is(await endOf(await tokenFor(worker, token)), await endOf(token), 'the subject token');
    t.is(await endOf(await tokenFor(planner, token)), await endOf(token));
    const later = await tokenFor(planner, delegation.id);
    t.true((await endOf(later)) > (await endOf(token)));

    const actorForm = { actor_token_type: ACCESS_TOKEN };
    const baseline = [{ resource: resource.identifier, scopes: ['read'] }];
    const short = await world.addAgent({ baseline, accessTokenTtlSeconds: 30 });
    const own = await getToken(world.app, short, resource);
    await updateAgent(managed(world), short.id, '*', { accessTokenTtlSeconds: 300 }, world.app.origin());
    const forShort = await give({ agentId: short.id, mayActNext: [] });
    const narrowed = await tokenFor(short, forShort.id, { ...actorForm, actor_token: own });
    t.is(await endOf(narrowed), await endOf(own), 'the actor token');
    await world.app.post('/revoke', { token: own }, { basic: short.basic });
    t.deepEqual(await introspect(narrowed), { active: false }, 'and it dies with it');

    const endsAt = clock() + 60_000;
    const mortal = await world.addAgent({ expiresAt: new Date(endsAt).toISOString() });
    const forMortal = await give({ agentId: mortal.id, mayActNext: [] });
    t.is(await endOf(await tokenFor(mortal, forMortal.id)), Math.floor(endsAt / 1_000), 'the agent');

    const until = clock() + 90_000;
    const brief = await give({ agentId: short.id, expiresAt: new Date(until).toISOString() });
    const last = await tokenFor(short, brief.id);
    t.is(await endOf(last), Math.floor(until / 1_000), 'the delegation');
    clock.pass(90_000);
    t.deepEqual(await introspect(last), { active: false });
    t.is((await exchange(short, subjectOf(brief.id))).json.error, 'invalid_request');
    t.is((await world.reasons()).at(-1), 'subject-delegation-expired');
  },
);

whateverTheStore(
  'R031: a token says the person as subject, and the client that authenticated as actor and as client, and introspection says the same',
  async (t, env) => {
    const world = await startExchangeWorld(t, {
      env,
      resource: { tokenFormat: { kind: 'jwt', alg: 'EdDSA' } },
    });
    const { alice, planner, worker, give, exchange, introspect } = world;
    const delegation = await give();
    const { json } = await exchange(planner, subjectOf(delegation.id));
    const claims = decodeJwt(json.access_token);
    t.like(claims, { sub: alice.id, client_id: planner.id, delegation_id: delegation.id });
    t.deepEqual(claims['act'], { sub: planner.id });
    t.deepEqual(claims['may_act'], { sub: worker.id });
    const { active, token_type, ...said } = await introspect(json.access_token);
    t.deepEqual([active, token_type], [true, 'Bearer']);
    t.deepEqual(said, claims);
    t.deepEqual([json.issued_token_type, json.token_type], [ACCESS_TOKEN, 'Bearer']);
    // Whatever a client says of itself, and whatever else it sends, it is who has authenticated.
    const other = await exchange(planner, { ...subjectOf(delegation.id), client_id: worker.id });
    t.true(other.status >= 400, 'another client_id than that which authenticated');
    const several = await give({ mayActNext: [worker.id, world.stranger.id] });
    const many = await exchange(planner, subjectOf(several.id));
    t.false('may_act' in decodeJwt(many.json.access_token), 'one object cannot name two');
  },
);

whateverTheStore(
  'R032: an actor token is the caller’s own, live, and comes with its type; it can say nothing else',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, clock, give, exchange, tokenFor, introspect, resource } = world;
    const baseline = [{ resource: resource.identifier, scopes: ['read'] }];
    const [first, second] = [await world.addAgent({ baseline }), await world.addAgent({ baseline })];
    const delegation = await give({ agentId: first.id, mayActNext: [] });
    const [own, foreign] = [await getToken(app, first, resource), await getToken(app, second, resource)];
    const ended = await getToken(app, first, resource);
    await app.post('/revoke', { token: ended }, { basic: first.basic });
    const acting = await tokenFor(first, delegation.id);
    const send = (form: Record<string, string | undefined>) =>
      exchange(first, { ...subjectOf(delegation.id), ...form });
    for (const form of [{ actor_token: own }, { actor_token_type: ACCESS_TOKEN }]) {
      const { status, json } = await send(form);
      t.deepEqual([status, json.error], [400, 'invalid_request'], 'one without the other');
    }
    const refused = {
      'of another agent': { actor_token: foreign },
      revoked: { actor_token: ended },
      'for a person': { actor_token: acting },
      unknown: { actor_token: 'x' },
      'a delegation': { actor_token: delegation.id, actor_token_type: DELEGATION },
      'of another type': { actor_token: own, actor_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      'too long': { actor_token: 'a.'.repeat(5_000) },
    };
    const answers = new Set<string>();
    for (const [what, form] of Object.entries(refused)) {
      const { status, json, text } = await send({ actor_token_type: ACCESS_TOKEN, ...form });
      t.deepEqual([status, json.error], [400, 'invalid_request'], what);
      answers.add(text);
    }
    t.is(answers.size, 1, 'the bytes are alike');
    t.deepEqual((await world.reasons()).slice(2), [
      'actor-token-foreign',
      'actor-token-not-live',
      'actor-token-foreign',
      'actor-token-unknown',
      'actor-token-type-not-supported',
      'actor-token-type-not-supported',
      'actor-token-too-long',
    ]);
    const right = await tokenFor(first, delegation.id, { actor_token: own, actor_token_type: ACCESS_TOKEN });
    t.deepEqual((await introspect(right)).act, { sub: first.id });
    clock.pass(300_000);
    const late = await send({ actor_token: own, actor_token_type: ACCESS_TOKEN });
    t.is(late.json.error, 'invalid_request', 'expired');
  },
);

whateverTheStore(
  'R033: to hold a token, or to know a delegation, is not enough: only whom it was issued to or who may act next exchanges it',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, planner, worker, stranger, give, exchange, tokenFor, introspect } = world;
    const delegation = await give({ mayActNext: [worker.id] });
    const token = await tokenFor(planner, delegation.id);
    const answers = new Set<string>();
    const refuse = async (agent: TestAgent, subject: string, what: string) => {
      const { status, json, text } = await exchange(agent, subjectOf(subject));
      t.deepEqual([status, json.error], [400, 'invalid_request'], what);
      answers.add(text);
    };
    await refuse(stranger, token, 'neither holder nor named');
    await refuse(stranger, delegation.id, 'the delegation names another one');
    await refuse(worker, delegation.id, 'who may act next needs a token to follow');
    const followed = await tokenFor(worker, token);
    await refuse(stranger, followed, 'nor the token of who may');
    t.deepEqual((await introspect(followed)).act, { sub: worker.id, act: { sub: planner.id } });
    await give({ mayActNext: [] });
    await refuse(worker, followed, 'it is no longer named, and its token is dead');
    const newer = await tokenFor(planner, delegation.id);
    await refuse(worker, newer, 'it is no longer named');
    t.is(answers.size, 1, 'the bytes are alike');
    t.deepEqual(await world.reasons(), [
      'subject-token-foreign',
      'subject-token-foreign',
      'subject-token-foreign',
      'subject-token-foreign',
      'subject-token-not-live',
      'subject-token-foreign',
    ]);
    const issued = (await app.trail()).filter(({ type }) => type === 'token.issued');
    t.deepEqual(
      issued.map(({ actor }) => actor),
      [[planner.id], [worker.id, planner.id], [planner.id]],
    );
  },
);

whateverTheStore(
  'R034: whatever is no live delegated token of this server is refused with the same bytes, and never replaced by the rights of the client',
  async (t, env) => {
    const kek = randomBytes(32);
    const world = await startExchangeWorld(t, {
      env: { ...env, COUNTERSIGN_KEY_ENCRYPTION_KEY: kek.toString('base64url') },
      resource: { tokenFormat: { kind: 'jwt', alg: 'ES256' } },
    });
    const { app, clock, alice, planner, worker, give, exchange, tokenFor, introspect, resource } = world;
    const delegation = await give();
    const expired = await tokenFor(planner, delegation.id);
    clock.pass(300_000);
    const good = await tokenFor(planner, delegation.id);
    const revoked = await tokenFor(planner, delegation.id);
    await app.post('/revoke', { token: revoked }, { basic: planner.basic });

    // Signed with our own key: what tells them apart is their type and their issuer alone.
    const keyring = new SigningKeyring(app.store, sealingKey(createSecretKey(kek)), clock);
    await keyring.refresh();
    const key = keyring.activeKey('ES256')?.id ?? '';
    const claims = decodeJwt(good);
    t.is((await exchange(planner, subjectOf(keyring.signJwt(key, 'at+jwt', claims)))).status, 200, 'ours');
    const foreignKey = (await generateKeyPair('ES256')).privateKey;
    const future = newOpaqueToken(clock() + 3_600_000);
    const record = await recordOf(world, claims as { jti: string });
    const issuedAt = Math.floor(clock() / 1_000) + 3_600;
    const token = { ...record, jti: future.jti, issuedAt, expiresAt: issuedAt + 300 };
    await app.store.commit({ changes: [{ kind: 'insert-token', token }], events: [] });
    const client = await world.addAgent({
      baseline: [{ resource: resource.identifier, scopes: ['read'] }],
    });
    const keyed = { id: planner.id, privateKey: foreignKey };

    const refused: Readonly<Record<string, string | readonly [value: string, type: string]>> = {
      expired,
      revoked,
      'from the future': future.value,
      'of a foreign issuer': keyring.signJwt(key, 'at+jwt', { ...claims, iss: 'https://other.example' }),
      'signed by somebody else': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key })
        .sign(foreignKey),
      'an ID token': keyring.signJwt(key, 'JWT', claims),
      'a logout token': keyring.signJwt(key, 'logout+jwt', claims),
      'a signed introspection response': keyring.signJwt(key, 'token-introspection+jwt', claims),
      'a client assertion': await signAssertion(app, keyed),
      'a refresh token': 'MHcCAQEEIExm3ZBJmWz4Rk2vXkQ5eYy1n6T0pJq8c2dV',
      'an approval receipt': 'urn:countersign:approval:apr_00000000000000000000000000000001',
      'an own token of an agent': await getToken(app, client, resource),
      'an unknown token': newOpaqueToken(clock()).value,
      'a delegation as a token': [delegation.id, ACCESS_TOKEN],
      'a token as a delegation': [good, DELEGATION],
      'an unknown delegation': `dlg_${'0'.repeat(32)}`,
      'nothing of ours': 'x',
      'a token as a JWT of any kind': [good, 'urn:ietf:params:oauth:token-type:jwt'],
      'a token as an ID token': [good, 'urn:ietf:params:oauth:token-type:id_token'],
      'a token of an unheard-of type': [good, 'urn:example:no-type'],
      'too long a token': `${good}${'.'.repeat(9_000)}`,
      'too long a delegation': `dlg_${'0'.repeat(20_000)}`,
    };
    const before = (await app.store.listTokens(planner.id, 100)).length;
    const answers = new Set<string>();
    for (const [what, sent] of Object.entries(refused)) {
      const form =
        typeof sent === 'string' ? subjectOf(sent) : { subject_token: sent[0], subject_token_type: sent[1] };
      const { status, json, text, headers } = await exchange(planner, form);
      t.deepEqual([status, json.error], [400, 'invalid_request'], what);
      answers.add(`${text} ${headers.get('error-ref')?.length}`);
    }
    t.is(answers.size, 1, [...answers].join('\n'));
    t.is((await app.store.listTokens(planner.id, 100)).length, before, 'no token came of any');
    const reasons = await world.reasons();
    t.deepEqual([...new Set(reasons)].sort(), [
      'subject-token-from-the-future',
      'subject-token-not-delegated',
      'subject-token-not-live',
      'subject-token-too-long',
      'subject-token-type-not-supported',
      'subject-token-unknown',
    ]);
    const trail = JSON.stringify(await app.trail());
    for (const value of [expired, revoked, good]) t.false(trail.includes(value), 'no token is in the trail');
    t.like(
      await introspect(await tokenFor(worker, good)),
      { active: true, sub: alice.id },
      'the right one is good',
    );
    await endDelegation(delegationDeps(app), delegation.id, app.origin());
    for (const subject of [good, delegation.id])
      answers.add((await exchange(planner, subjectOf(subject))).text);
    t.is([...answers].filter(text => !text.includes('invalid_request')).length, 0);
    t.deepEqual((await world.reasons()).slice(-2), ['subject-token-not-live', 'subject-delegation-ended']);
  },
);

whateverTheStore(
  'R035: an agent proves itself as for any other grant, and an assertion and a proof are used up whatever came of it',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, alice, give, introspect, resource } = world;
    const envelope = [{ resource: resource.identifier, scopes: ['read'] }];
    const agent = await addKeyAgent(app, alice, resource);
    await updateAgent(managed(world), agent.id, '*', { envelope, dpop: 'required' }, app.origin());
    const subject = subjectOf((await give({ agentId: agent.id, scopes: ['read'] })).id);
    const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
    const key = await newProofKey();
    const send = (assertion: string, proof: string | undefined, form: Record<string, string> = {}) =>
      app.post(
        '/token',
        { grant_type, ...subject, ...form, ...presenting(assertion) },
        { headers: proof === undefined ? {} : { DPoP: proof } },
      );
    const fresh = () => signAssertion(app, agent);
    const [assertion, proof] = [await fresh(), await signProof(app, key)];
    t.is((await send(assertion, proof, { subject_token: 'x' })).json.error, 'invalid_request');
    t.is((await send(assertion, await signProof(app, key))).json.error, 'invalid_client', 'used up');
    t.is((await send(await fresh(), proof)).json.error, 'invalid_dpop_proof', 'used up');
    t.is((await send(await fresh(), undefined)).json.error, 'invalid_dpop_proof', 'it has to prove a key');
    const { json } = await send(await fresh(), await signProof(app, key));
    t.like(await introspect(json.access_token), {
      sub: alice.id,
      client_id: agent.id,
      cnf: { jkt: key.jkt },
    });
  },
);

whateverTheStore('R035: a client that proves nothing exchanges nothing', async (t, env) => {
  const world = await startExchangeWorld(t, { env });
  const { app, alice, planner, give, tokenFor, resource } = world;
  const delegation = await give();
  const { agent: open } = await createAgent(
    managed(world),
    {
      name: 'An application',
      ownerId: alice.id,
      envelope: [{ resource: resource.identifier, scopes: ['read'] }],
      application: { redirectUris: ['http://127.0.0.1:1/callback'] },
      credential: { method: 'none' },
    },
    app.origin(),
  );
  const token = await tokenFor(planner, delegation.id);
  const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange';
  for (const subject of [delegation.id, token]) {
    for (const client_id of [open.id, planner.id, undefined]) {
      const { status, json } = await app.post('/token', { grant_type, client_id, ...subjectOf(subject) });
      t.deepEqual([status, json.error], [401, 'invalid_client']);
    }
  }
  // Nor does a resource server, which can prove who it is.
  const asked = await app.post(
    '/token',
    { grant_type, ...subjectOf(token) },
    { basic: [resource.id, resource.secret] },
  );
  t.deepEqual([asked.status, asked.json.error], [400, 'unauthorized_client']);
  t.is((await app.trail()).filter(({ type }) => type === 'token.issued').length, 1);
});

whateverTheStore(
  'R036: the chain nests newest outermost and keeps who acted before; a fifth actor and a circle are refused',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, alice, planner, give, exchange, tokenFor, introspect } = world;
    const next: TestAgent[] = [];
    for (let index = 0; index < 4; index += 1) next.push(await world.addAgent());
    const delegation = await give({ mayActNext: next.map(({ id }) => id) });
    const tokens = [await tokenFor(planner, delegation.id)];
    const actors = [planner.id];
    for (const agent of next.slice(0, 3)) {
      tokens.push(await tokenFor(agent, tokens.at(-1) ?? ''));
      actors.unshift(agent.id);
      const live = await introspect(tokens.at(-1) ?? '');
      t.deepEqual(live.act, nested(actors));
      t.like(live, { sub: alice.id, client_id: agent.id });
      const issued = (await app.trail()).find(event => event.jti === live.jti);
      t.deepEqual([issued?.subject, issued?.actor], [alice.id, actors]);
    }
    const [last = ''] = tokens.slice(-1);
    const [fourth, fifth] = next.slice(2) as [TestAgent, TestAgent];
    const answers = new Set<string>();
    const refuse = async (agent: TestAgent, token: string, reason: string) => {
      const { status, json, text } = await exchange(agent, subjectOf(token));
      t.deepEqual([status, json.error], [400, 'invalid_request'], reason);
      t.is((await world.reasons()).at(-1), reason);
      answers.add(text);
    };
    await refuse(fifth, last, 'subject-chain-too-long');
    await refuse(planner, last, 'subject-chain-circle');
    await refuse(next[0] as TestAgent, last, 'subject-chain-circle');
    t.is(answers.size, 1);
    const own = await tokenFor(fourth, last, { scope: 'read' });
    t.deepEqual((await introspect(own)).act, nested(actors), 'one’s own token narrows, and adds no actor');
    t.is((await introspect(own)).scope, 'read');

    // Each in the chain takes along what came after it, and leaves what was before.
    await app.post('/revoke', { token: tokens[1] }, { basic: (next[0] as TestAgent).basic });
    const live = async () =>
      Promise.all([...tokens, own].map(async token => (await introspect(token)).active));
    t.deepEqual(await live(), [true, false, false, false, false]);
    await killAgent(managed(world), planner.id, app.origin());
    t.deepEqual(await live(), [false, false, false, false, false]);
  },
);

whateverTheStore(
  'R036: to exchange one’s own token again and again comes to an end, so that no lineage grows without one',
  async (t, env) => {
    const world = await startExchangeWorld(t, {
      env: { ...env, COUNTERSIGN_CLIENT_TOKENS_PER_SECOND: '100000' },
    });
    const { planner, give, exchange } = world;
    let subject: string = (await give()).id;
    let count = 0;
    for (;;) {
      const { status, json } = await exchange(planner, subjectOf(subject));
      if (status !== 200) break;
      subject = json.access_token;
      count += 1;
      if (count > 100) break;
    }
    t.is(count, 16);
    t.deepEqual(await world.reasons(), ['subject-chain-too-long']);
  },
);

/** As RFC 8693 section 4.1 has it. */
function nested([newest = '', ...before]: readonly string[]): object {
  return { sub: newest, ...(before.length > 0 && { act: nested(before) }) };
}

onEachStore(
  'I6: whoever is stopped takes every token along that they are in, and none is issued until they are restored',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, alice, planner, worker, give, exchange, tokenFor, introspect } = world;
    const delegation = await give();
    const token = await tokenFor(planner, delegation.id);
    const followed = await tokenFor(worker, token);
    await killPerson(managed(world), alice.id, app.origin());
    for (const each of [token, followed]) t.deepEqual(await introspect(each), { active: false });
    t.is((await exchange(planner, subjectOf(delegation.id))).json.error, 'invalid_request');
    t.is((await world.reasons()).at(-1), 'subject-delegation-suspended');
    await restorePerson(managed(world), alice.id, app.origin());
    t.deepEqual(await introspect(token), { active: false }, 'what had died stays dead');
    const again = await tokenFor(planner, delegation.id);
    const after = await tokenFor(worker, again);
    await killAgent(managed(world), worker.id, app.origin());
    t.deepEqual(await introspect(after), { active: false });
    t.like(await introspect(again), { active: true }, 'the one before it lives on');
  },
);

whateverTheStore(
  'RFC 9449: a token that is bound to a key is exchanged with that key alone, and what comes of it is bound to it',
  async (t, env) => {
    const world = await startExchangeWorld(t, { env });
    const { app, planner, worker, give, exchange, introspect } = world;
    const delegation = await give();
    const [key, other] = [await newProofKey(), await newProofKey()];
    const by = async (agent: TestAgent, subject: string, proofKey?: typeof key) =>
      exchange(agent, subjectOf(subject), proofKey ? { DPoP: await signProof(app, proofKey) } : {});
    const bound = await by(planner, delegation.id, key);
    t.is(bound.json.token_type, 'DPoP');
    const token = bound.json.access_token as string;
    t.deepEqual((await introspect(token)).cnf, { jkt: key.jkt });
    for (const [agent, proofKey] of [
      [planner, undefined],
      [planner, other],
      [worker, undefined],
      [worker, other],
    ] as const) {
      t.is((await by(agent, token, proofKey)).json.error, 'invalid_request');
      t.is((await world.reasons()).at(-1), 'subject-key-differs');
    }
    const again = await by(planner, token, key);
    t.is(again.json.token_type, 'DPoP');
    t.deepEqual((await introspect(again.json.access_token)).cnf, { jkt: key.jkt });
    const bearer = (await by(planner, delegation.id)).json.access_token;
    const later = await by(worker, bearer, other);
    t.deepEqual((await introspect(later.json.access_token)).cnf, { jkt: other.jkt }, 'a key can be added');

    const baseline = [{ resource: world.resource.identifier, scopes: ['read'] }];
    const acting = await world.addAgent({ baseline });
    const form = { ...subjectOf((await give({ agentId: acting.id })).id), actor_token_type: ACCESS_TOKEN };
    const own = await app.post(
      '/token',
      { grant_type: 'client_credentials', resource: world.resource.identifier },
      { basic: acting.basic, headers: { DPoP: await signProof(app, key) } },
    );
    const showing = { ...form, actor_token: own.json.access_token };
    t.is((await exchange(acting, showing)).json.error, 'invalid_request');
    t.is((await world.reasons()).at(-1), 'actor-key-differs');
    const shown = await exchange(acting, showing, { DPoP: await signProof(app, key) });
    t.is(shown.json.token_type, 'DPoP', 'an actor token is no way round its key either');
  },
);
