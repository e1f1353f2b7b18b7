/** Group E: refresh tokens turn over, and die with whatever they rest on. */
import test from 'ava';
import * as client from 'openid-client';
import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { killPerson } from '../../src/people/index.ts';
import { killResource } from '../../src/resources/index.ts';
import { introspect, startWorld, type World } from '../support/application-world.ts';
import { newProofKey, type ProofKey, signProof } from '../support/dpop.ts';
import type { HttpCaller } from '../support/server-process.ts';
import { onEachStore, whateverTheStore } from '../support/stores.ts';

/** As many as the check asks for: `COUNTERSIGN_TEST_REFRESHES=1000`. */
const REFRESHES = Number(process.env['COUNTERSIGN_TEST_REFRESHES'] ?? 40);

/** Tokens under a grant of its own; with a key, bound to it from the start. */
async function begin(world: World, key?: ProofKey) {
  const { callback, checks } = await world.walk(world.visitor, key ? { dpop_jkt: key.jkt } : {});
  const form = {
    grant_type: 'authorization_code',
    client_id: world.clientId,
    code: callback.searchParams.get('code') ?? '',
    code_verifier: String(checks.pkceCodeVerifier),
    redirect_uri: 'http://127.0.0.1:49152/callback',
  };
  const send = async (proof: string | undefined) =>
    world.app.post('/token', form, proof === undefined ? {} : { headers: { DPoP: proof } });
  return { send, tokens: key ? undefined : (await send(undefined)).json };
}

async function beginPlain(world: World): Promise<{ access_token: string; refresh_token: string }> {
  return (await begin(world)).tokens;
}

const refresh = (
  asked: Pick<HttpCaller, 'post'>,
  clientId: string,
  refresh_token: string,
  more: Readonly<Record<string, string>> = {},
  proof?: string,
) =>
  asked.post(
    '/token',
    { grant_type: 'refresh_token', client_id: clientId, refresh_token, ...more },
    proof === undefined ? {} : { headers: { DPoP: proof } },
  );

onEachStore(
  'R044, I1: a refresh token that comes back late kills its family within the second',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId } = world;
    const second = await world.startSecond();
    const first = await beginPlain(world);
    const other = await beginPlain(world);
    const one = await refresh(app, clientId, first.refresh_token);
    t.is(one.status, 200, one.text);
    world.pass(29_000);
    const again = await refresh(second, clientId, first.refresh_token);
    t.is(again.status, 200, 'a parallel session of the same client');
    t.not(again.json.refresh_token, one.json.refresh_token);
    const newest = await refresh(app, clientId, one.json.refresh_token);
    t.is(newest.status, 200);
    world.pass(2_000);
    const late = await refresh(second, clientId, first.refresh_token);
    t.is(late.status, 400);
    t.is(late.json.error, 'invalid_grant');
    for (const { json } of [one, again, newest]) {
      t.deepEqual(await introspect(world, json.access_token), { active: false });
      t.is((await refresh(app, clientId, json.refresh_token)).status, 400);
    }
    t.true((await introspect(world, other.access_token)).active, 'another grant lives on');
    const trail = await app.trail();
    t.like(
      trail.findLast(({ type }) => type === 'grant.ended'),
      { detail: { reason: 'used-again' } },
    );
    t.true(
      trail.some(
        ({ type, reason, client: by }) =>
          type === 'token.issue-refused' && /already used/.test(reason ?? '') && by === clientId,
      ),
    );
  },
);

onEachStore(
  'R044: two parallel sessions of one client that share what they hold are never sent to sign in again',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const processes = [world.app, await world.startSecond()];
    let held = (await beginPlain(world)).refresh_token;
    let refused = 0;
    const session = async (asked: Pick<HttpCaller, 'post'>): Promise<void> => {
      for (let times = 0; times < REFRESHES / 2; times += 1) {
        const answer = await refresh(asked, world.clientId, held);
        if (answer.status === 200) held = answer.json.refresh_token;
        else refused += 1;
      }
    };
    await Promise.all(processes.map(session));
    t.is(refused, 0);
    t.is((await refresh(world.app, world.clientId, held)).status, 200);
  },
);

onEachStore(
  'R044, I15: of a live token a stranger learns nothing and its holder notices nothing; of a used one the family dies',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId } = world;
    const stranger = await world.addApplication();
    const tokens = await beginPlain(world);
    const foreign = await refresh(app, stranger, tokens.refresh_token);
    const unknown = await refresh(app, stranger, 'x'.repeat(43));
    t.deepEqual([foreign.status, foreign.text], [400, unknown.text]);
    const next = await refresh(app, clientId, tokens.refresh_token);
    t.is(next.status, 200);
    const used = await refresh(app, stranger, tokens.refresh_token);
    t.deepEqual([used.status, used.text], [400, unknown.text]);
    t.deepEqual(await introspect(world, next.json.access_token), { active: false });
    t.is((await refresh(app, clientId, next.json.refresh_token)).status, 400);
    const reasons = (await app.trail())
      .filter(({ type, client: by }) => type === 'token.issue-refused' && by === stranger)
      .map(({ reason }) => reason);
    t.is(new Set(reasons).size, 3, 'foreign, unknown and used again differ in the trail');
  },
);

whateverTheStore(
  'R045: refreshing gives no more than was agreed to, also after it gave less',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId, resource } = world;
    const { refresh_token } = await beginPlain(world);
    const wider = await refresh(app, clientId, refresh_token, { scope: 'read write' });
    t.deepEqual([wider.status, wider.json.error], [400, 'invalid_scope']);
    const elsewhere = await refresh(app, clientId, refresh_token, {
      resource: 'https://elsewhere.example/mcp',
    });
    t.deepEqual([elsewhere.status, elsewhere.json.error], [400, 'invalid_target']);
    const same = await refresh(app, clientId, refresh_token, {
      scope: 'read',
      resource: resource.identifier,
    });
    t.is(same.json.scope, 'read', same.text);
    const later = await refresh(app, clientId, same.json.refresh_token, { scope: 'write' });
    t.is(later.json.error, 'invalid_scope');
    t.is((await refresh(app, clientId, same.json.refresh_token)).json.scope, 'read');
  },
);

whateverTheStore(
  'R046: nothing is refreshed once person, agent, application, resource or scope is gone',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId, resource, ada } = world;
    const second = await world.startSecond();
    const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
    const origin = () => app.origin();
    const agentOf = async (token: string): Promise<string> => (await introspect(world, token)).act.sub;
    const ended = async (what: string, token: string): Promise<void> => {
      for (const asked of [app, second]) {
        const answer = await refresh(asked, clientId, token);
        t.deepEqual([answer.status, answer.json.error], [400, 'invalid_grant'], what);
      }
    };
    const scope = await beginPlain(world);
    const { version } = (await app.store.findAgent(clientId)) ?? { version: 0 };
    const elsewhere = [{ resource: resource.identifier, scopes: ['write'] }];
    await updateAgent(deps, clientId, version, { envelope: elsewhere, baseline: [] }, origin());
    await ended('the scope', scope.refresh_token);
    const whole = [{ resource: resource.identifier, scopes: ['read', 'write'] }];
    const baseline = [{ resource: resource.identifier, scopes: ['read'] }];
    await updateAgent(deps, clientId, version + 1, { envelope: whole, baseline }, origin());

    const resources = await beginPlain(world);
    const agent = await agentOf(resources.access_token);
    await killResource(deps, resource.id, origin());
    await ended('the resource server', resources.refresh_token);
    await killAgent(deps, agent, origin());
    await ended('the agent of this person', resources.refresh_token);
    await killPerson({ ...deps, credentials: app.store }, ada.person.id, origin());
    await ended('the person', resources.refresh_token);
    await killAgent(deps, clientId, origin());
    const gone = await refresh(second, clientId, resources.refresh_token);
    t.deepEqual([gone.status, gone.json.error], [401, 'invalid_client'], 'the application');
  },
);

whateverTheStore(
  'R044, R049, R050, R052: what is bound to a key is of use with that key alone',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId } = world;
    const key = await newProofKey();
    const other = await newProofKey();
    const { send } = await begin(world, key);
    t.is((await send(undefined)).json.error, 'invalid_grant', 'the code, without a proof');
    t.is((await send(await signProof(app, other))).json.error, 'invalid_grant', 'and with another key');
    t.is((await send(await signProof(app, key, { htm: 'GET' }))).json.error, 'invalid_dpop_proof');
    const tokens = await send(await signProof(app, key));
    t.is(tokens.json.token_type, 'DPoP', tokens.text);
    t.is((await introspect(world, tokens.json.access_token)).cnf.jkt, key.jkt);

    const held: string = tokens.json.refresh_token;
    t.is((await refresh(app, clientId, held)).json.error, 'invalid_grant');
    t.is((await refresh(app, clientId, held, {}, await signProof(app, other))).json.error, 'invalid_grant');
    const proof = await signProof(app, key);
    const next = await refresh(app, clientId, held, {}, proof);
    t.is(next.json.token_type, 'DPoP', next.text);
    const replayed = await refresh(app, clientId, next.json.refresh_token, {}, proof);
    t.deepEqual([replayed.status, replayed.json.error], [400, 'invalid_dpop_proof']);
    const again = await refresh(app, clientId, held, {}, await signProof(app, key));
    t.is(again.status, 200, 'a parallel session with the same key');
    t.is((await refresh(app, clientId, held, {}, await signProof(app, other))).status, 400);
    for (const { json } of [next, again]) {
      t.deepEqual(await introspect(world, json.access_token), { active: false }, 'from another key it kills');
    }
  },
);

whateverTheStore(
  'RFC 9449 section 10.1: a proof that comes with a pushed request binds its code',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId, resource } = world;
    const key = await newProofKey();
    const verifier = client.randomPKCECodeVerifier();
    const push = async (more: Readonly<Record<string, string>>) =>
      app.post(
        '/par',
        {
          client_id: clientId,
          response_type: 'code',
          redirect_uri: 'http://127.0.0.1:49152/callback',
          code_challenge: await client.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          resource: resource.identifier,
          scope: 'read',
          ...more,
        },
        { headers: { DPoP: await signProof(app, key, { htu: `${app.issuer}/par` }) } },
      );
    const { jkt } = await newProofKey();
    const differing = await push({ dpop_jkt: jkt });
    t.deepEqual([differing.status, differing.json.error], [400, 'invalid_request']);
    const pushed = await push({});
    t.is(pushed.status, 201, pushed.text);
    const { callback } = await world.walkTo(
      world.visitor,
      `${app.issuer}/authorize?${new URLSearchParams({ client_id: clientId, request_uri: pushed.json.request_uri })}`,
    );
    const form = {
      grant_type: 'authorization_code',
      client_id: clientId,
      code: callback.searchParams.get('code') ?? '',
      code_verifier: verifier,
      redirect_uri: 'http://127.0.0.1:49152/callback',
    };
    t.is((await app.post('/token', form)).json.error, 'invalid_grant');
    const tokens = await app.post('/token', form, { headers: { DPoP: await signProof(app, key) } });
    t.is(tokens.json.token_type, 'DPoP', tokens.text);
  },
);

test('I16: who sends many codes and refresh tokens that are none has to wait; a live one is taken at any time', async t => {
  const world = await startWorld(t, undefined, { COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND: '1' });
  const { app, clientId } = world;
  const live = await beginPlain(world);
  for (let index = 0; index < 10; index += 1) {
    const { status, json } = await refresh(app, clientId, `${index}`.repeat(43));
    t.is(`${status} ${json.error}`, '400 invalid_grant', `${index}`);
  }
  const held = await refresh(app, clientId, 'x'.repeat(43));
  t.is(held.status, 429);
  t.is(held.headers.get('retry-after'), '1');
  const code = { grant_type: 'authorization_code', code: 'x'.repeat(43), code_verifier: 'v'.repeat(43) };
  const redirect_uri = 'http://127.0.0.1:49152/callback';
  t.is((await app.post('/token', { ...code, client_id: clientId, redirect_uri })).text, held.text);
  const limited = (await app.trail()).find(({ type }) => type === 'request.limited');
  t.like(limited, { reason: 'unknown-tokens-exceeded', client: clientId });
  t.is((await refresh(app, clientId, live.refresh_token)).status, 200);
});
