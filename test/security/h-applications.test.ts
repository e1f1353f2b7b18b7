/** What public clients may do at the machine endpoints: give up what they hold, and come from a page of theirs. */
import { randomBytes } from 'node:crypto';
import test from 'ava';
import * as client from 'openid-client';
import { introspect, REDIRECT, startWorld, WEB, type World } from '../support/application-world.ts';
import { addResource } from '../support/start-app.ts';
import { whateverTheStore } from '../support/stores.ts';

async function begin(world: World, redirect_uri = 'http://127.0.0.1:49152/callback') {
  const { callback, checks } = await world.walk(world.visitor, { redirect_uri });
  return client.authorizationCodeGrant(world.config, callback, checks);
}

whateverTheStore(
  'R066, R067: a public client gives up its tokens by saying who it is, and nobody else’s',
  async (t, store) => {
    const world = await startWorld(t, undefined, store);
    const { app, clientId, config } = world;
    const second = await world.startSecond();
    const other = await world.addApplication();
    const [first, kept] = [await begin(world), await begin(world)];
    const refreshToken = first.refresh_token ?? '';
    const revoke = (token: string, client_id: string | undefined) =>
      second.post('/revoke', { token, ...(client_id !== undefined && { client_id }) });

    const foreign = await revoke(refreshToken, other);
    const unknown = await revoke(randomBytes(32).toString('base64url'), other);
    t.deepEqual([foreign.status, foreign.text], [unknown.status, unknown.text]);
    t.deepEqual([foreign.status, foreign.text], [200, '{}']);
    t.is((await revoke(refreshToken, undefined)).status, 401, 'nobody');
    t.is((await revoke(refreshToken, `agt_${'0'.repeat(32)}`)).status, 401, 'an unknown client');
    t.true((await introspect(world, first.access_token)).active);

    t.is((await revoke(refreshToken, clientId)).status, 200);
    t.deepEqual(await introspect(world, first.access_token), { active: false }, 'what was issued under it');
    await t.throwsAsync(client.refreshTokenGrant(config, refreshToken));
    t.true((await introspect(world, kept.access_token)).active, 'another grant lives on');
    await client.tokenRevocation(config, kept.access_token);
    t.deepEqual(await introspect(world, kept.access_token), { active: false });
    t.truthy((await client.refreshTokenGrant(config, kept.refresh_token ?? '')).access_token);

    const trail = await app.trail();
    t.like(
      trail.find(({ type }) => type === 'token.revocation-refused'),
      { client: other, reason: 'foreign-token' },
    );
    t.like(
      trail.find(({ type }) => type === 'grant.ended'),
      { detail: { reason: 'revoked' } },
    );
  },
);

test('R145: a page calls the token endpoint for a public client that has people sent back to it, and for no other', async t => {
  const world = await startWorld(t, { redirectUris: [WEB, REDIRECT, 'com.example.editor:/callback'] });
  const { app, clientId } = world;
  const page = new URL(WEB).origin;
  const preflight = await fetch(`${app.base}/token`, {
    method: 'OPTIONS',
    headers: { Origin: page, 'Access-Control-Request-Method': 'POST' },
  });
  t.is(preflight.status, 204);
  t.is(preflight.headers.get('access-control-allow-credentials'), null);
  t.regex(preflight.headers.get('access-control-allow-headers') ?? '', /DPoP/);

  const { callback, checks } = await world.walk(world.visitor, { redirect_uri: WEB });
  const form = {
    grant_type: 'authorization_code',
    client_id: clientId,
    code: callback.searchParams.get('code') ?? '',
    code_verifier: String(checks.pkceCodeVerifier),
    redirect_uri: WEB,
  };
  for (const Origin of ['https://evil.example', 'null', 'http://127.0.0.1:49152', `${page}.evil.example`]) {
    for (const path of ['/token', '/revoke']) {
      const answer = await app.post(path, { ...form, token: 'x' }, { headers: { Origin } });
      t.is(answer.status, 403, `${Origin} ${path}`);
      t.is(answer.headers.get('access-control-allow-origin'), null);
    }
  }
  const withSecret = await world.addApplication('client_secret');
  const leaky = await app.post('/token', { ...form, client_id: withSecret }, { headers: { Origin: page } });
  t.is(leaky.status, 403, 'who has a secret has it on a server');
  const wrong = await app.post('/token', { ...form, code: 'x' }, { headers: { Origin: page } });
  t.is(wrong.headers.get('access-control-allow-origin'), page, 'it can read why it was refused');
  const tokens = await app.post('/token', form, { headers: { Origin: page } });
  t.is(tokens.status, 200, tokens.text);
  t.is(tokens.headers.get('access-control-allow-origin'), page);
  t.is(tokens.headers.get('access-control-allow-credentials'), null);
  t.regex(tokens.headers.get('vary') ?? '', /Origin/i);
  const given = { token: tokens.json.refresh_token, client_id: clientId };
  t.is((await app.post('/revoke', given, { headers: { Origin: page } })).status, 200);

  const resource = await addResource(app);
  const asked = await app.post(
    '/introspect',
    { token: 'x' },
    {
      basic: [resource.id, resource.secret],
      headers: { Origin: page },
    },
  );
  t.is(asked.status, 403);
});
