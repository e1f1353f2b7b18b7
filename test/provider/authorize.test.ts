/** An application gets to act for a person: through the browser, by clients that know nothing of us. */
import test from 'ava';
import * as client from 'openid-client';
import { restoreAgent, updateAgent } from '../../src/agents/index.ts';
import { introspect, REDIRECT, startWorld, WEB } from '../support/application-world.ts';
import { enrol, Visitor } from '../support/visitor.ts';

test('an application acts for the person who let it, within what it may, and the token says so', async t => {
  const world = await startWorld(t);
  const { app, config, visitor, ada, resource, clientId } = world;
  const { callback, checks } = await world.walk(visitor);
  t.is(callback.searchParams.get('iss'), app.issuer);
  const tokens = await client.authorizationCodeGrant(config, callback, checks, {
    resource: resource.identifier,
  });
  t.is(tokens.scope, 'read');
  t.true((tokens.expires_in ?? 0) <= 300);
  const answer = await introspect(world, tokens.access_token);
  t.like(answer, {
    active: true,
    sub: ada.person.id,
    client_id: clientId,
    aud: resource.identifier,
    scope: 'read',
  });
  t.regex(answer.act.sub, /^agt_/);
  t.not(answer.act.sub, clientId);
  const given = (await app.trail()).find(({ type }) => type === 'grant.given');
  t.like(given, { client: clientId, subject: ada.person.id, actor: [ada.person.id], scope: 'read' });
  t.like(
    (await app.trail()).findLast(({ type }) => type === 'token.issued'),
    {
      client: clientId,
      subject: ada.person.id,
      actor: [answer.act.sub],
      detail: { grant: 'authorization_code', owner: ada.person.id },
    },
  );
  t.regex((await visitor.get('/me')).text, /Editor/);

  // The same resource, as others spell it (RFC 3986 sections 6.2.2 and 6.2.3), and named twice.
  const spelt = resource.identifier.replace('https', 'HTTPS').replace('.example', '.EXAMPLE:443');
  const again = await world.walk(visitor, { resource: spelt });
  const twice = new URLSearchParams({ resource: resource.identifier });
  twice.append('resource', spelt);
  const granted = await client.authorizationCodeGrant(config, again.callback, again.checks, twice);
  t.like(await introspect(world, granted.access_token), { active: true, aud: resource.identifier });
  const refreshed = await client.refreshTokenGrant(config, granted.refresh_token ?? '', { resource: spelt });
  t.is((await introspect(world, refreshed.access_token)).aud, resource.identifier);
});

test('refresh tokens turn over; one that comes back kills everything under its grant, and no other grant', async t => {
  const world = await startWorld(t);
  const { config, visitor } = world;
  const [first, second] = [await world.walk(visitor), await world.walk(visitor)];
  const [one, two] = await Promise.all(
    [first, second].map(({ callback, checks }) => client.authorizationCodeGrant(config, callback, checks)),
  );
  let current = one?.refresh_token ?? '';
  for (let times = 0; times < 5; times += 1) {
    const refreshed = await client.refreshTokenGrant(config, current);
    t.not(refreshed.refresh_token, current);
    current = refreshed.refresh_token ?? '';
  }
  const newest = await client.refreshTokenGrant(config, current);
  t.true((await introspect(world, newest.access_token)).active);
  world.pass(31_000);
  await t.throwsAsync(client.refreshTokenGrant(config, current), {
    message: /invalid_grant|error in the response/,
  });
  t.false((await introspect(world, newest.access_token)).active);
  await t.throwsAsync(client.refreshTokenGrant(config, newest.refresh_token ?? ''));
  t.true(
    (await introspect(world, two?.access_token ?? '')).active,
    'another grant of the same person lives on',
  );
  t.truthy((await client.refreshTokenGrant(config, two?.refresh_token ?? '')).access_token);
});

test('a refresh token is for those who ask for one, or whose registration says so', async t => {
  const world = await startWorld(t);
  const { app, config, visitor, clientId } = world;
  const refreshToken = async (parameters: Record<string, string>) => {
    const { callback, checks } = await world.walk(visitor, parameters);
    return (await client.authorizationCodeGrant(config, callback, checks)).refresh_token;
  };
  t.is(await refreshToken({ scope: 'read' }), undefined);
  t.is(await refreshToken({ prompt: '' }), undefined, 'OpenID Connect Core section 11');
  t.truthy(await refreshToken({}));
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  const application = { redirectUris: [REDIRECT], refreshTokens: 'always' };
  await updateAgent(deps, clientId, 1, { application }, app.origin());
  t.truthy(await refreshToken({ scope: 'read', prompt: '' }));
});

test('R022: a code that is used twice takes everything under it along', async t => {
  const world = await startWorld(t);
  const { callback, checks } = await world.walk(world.visitor);
  const tokens = await client.authorizationCodeGrant(world.config, callback, checks);
  await t.throwsAsync(client.authorizationCodeGrant(world.config, callback, checks));
  t.false((await introspect(world, tokens.access_token)).active);
  await t.throwsAsync(client.refreshTokenGrant(world.config, tokens.refresh_token ?? ''));
  const ended = (await world.app.trail()).find(({ type }) => type === 'grant.ended');
  t.like(ended, { outcome: 'done', detail: { reason: 'used-again' } });
});

test('the person stops it with one press, and what had died stays dead when it is restored', async t => {
  const world = await startWorld(t);
  const { app, config, visitor } = world;
  const { callback, checks } = await world.walk(visitor);
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  const agentId = (await introspect(world, tokens.access_token)).act.sub;
  await visitor.get('/me');
  t.is((await visitor.submit(`/me/agents/${agentId}/stop`)).status, 303);
  t.false((await introspect(world, tokens.access_token)).active);
  await t.throwsAsync(client.refreshTokenGrant(config, tokens.refresh_token ?? ''));
  const again = await world.walk(visitor).catch(error => error);
  t.true(
    again instanceof Error || again.callback.searchParams.has('error'),
    'it does not come back by asking',
  );
  await restoreAgent(
    { agents: app.store, resources: app.store, freshness: app.store },
    agentId,
    app.origin(),
  );
  await t.throwsAsync(
    client.refreshTokenGrant(config, tokens.refresh_token ?? ''),
    undefined,
    'nor by a restore',
  );
  const anew = await world.walk(visitor);
  t.truthy((await client.authorizationCodeGrant(config, anew.callback, anew.checks)).access_token);
});

test('what is beyond the envelope is refused by name, what needs a countersignature is left out, and no is no', async t => {
  const world = await startWorld(t);
  const { app, clientId, config, visitor } = world;
  const beyond = await world.walk(visitor, { scope: 'read delete' }, 'back');
  t.is(beyond.callback.searchParams.get('error'), 'access_denied');
  const pushed = await world.walk(visitor, { scope: 'read delete' }, 'allow');
  t.is(pushed.callback.searchParams.get('error'), 'invalid_scope');
  t.regex(pushed.callback.searchParams.get('error_description') ?? '', /delete/);
  const both = await world.walk(visitor, { scope: 'read write' });
  const tokens = await client.authorizationCodeGrant(config, both.callback, both.checks);
  t.is(tokens.scope, 'read');
  const no = await world.walk(visitor, {}, 'deny');
  t.is(no.callback.searchParams.get('error'), 'access_denied');
  t.like((await app.trail()).at(-1), {
    type: 'grant.refused',
    outcome: 'refused',
    reason: 'person-did-not-agree',
  });
  const query = new URLSearchParams({ client_id: clientId, response_type: 'code', redirect_uri: REDIRECT });
  const sentBack = await fetch(`${app.base}/authorize?${query}`, { redirect: 'manual' });
  t.is(new URL(sentBack.headers.get('location') ?? '').searchParams.get('error'), 'invalid_request');
  t.like((await app.trail()).at(-1), {
    type: 'client.authorization-refused',
    reason: 'invalid_request',
    client: clientId,
  });
});

test('whoever has signed out is asked to sign in, also where the engine still knows them; prompt=login asks anew', async t => {
  const world = await startWorld(t);
  const { app, visitor, ada } = world;
  await world.walk(visitor);
  world.pass(2_000);
  t.regex(
    String(await world.walk(visitor, { prompt: 'login' }).catch(error => error)),
    /303 \/sign-in\?next=/,
  );
  world.pass(60_000);
  await visitor.get('/me');
  await visitor.submit('/sign-out');
  t.regex(String(await world.walk(visitor).catch(error => error)), /303 \/sign-in\?next=/);
  const begun = await visitor.signIn(ada.email, ada.seed, app.now());
  t.is(begun.location, '/me');
  t.truthy((await world.walk(visitor)).callback.searchParams.get('code'));
});

test('a person agrees once in a session: not again for the same, but for more, for nothing named, and once it was stopped', async t => {
  const world = await startWorld(t, { redirectUris: [WEB] });
  const { app, visitor, config } = world;
  const ask = { redirect_uri: WEB, scope: 'read', prompt: '' };
  const asked = async (parameters: Record<string, string> = {}): Promise<boolean> => {
    const url = client.buildAuthorizationUrl(config, {
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
      resource: world.resource.identifier,
      ...ask,
      ...parameters,
    });
    return /\/interaction\//.test((await visitor.get(url.href)).location ?? '');
  };
  t.true(await asked());
  const { callback, checks } = await world.walk(visitor, ask);
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  t.false(await asked());
  t.true(await asked({ scope: 'read write' }));
  t.true(await asked({ scope: '' }));
  t.true(await asked({ prompt: 'consent' }));
  const nothingNamed = await world.walk(visitor, { ...ask, scope: '' });
  const named = await client.authorizationCodeGrant(config, nothingNamed.callback, nothingNamed.checks);
  t.is(named.scope, 'read', 'what it gets without asking a human');
  const agentId = (await introspect(world, tokens.access_token)).act.sub;
  await visitor.get('/me');
  await visitor.submit(`/me/agents/${agentId}/stop`);
  t.true(await asked(), 'what was agreed to before is no answer any more');
  await restoreAgent(
    { agents: app.store, resources: app.store, freshness: app.store },
    agentId,
    app.origin(),
  );
  t.true(await asked());
});

test('I3: a code, a refresh token and an interaction are of use to nobody else', async t => {
  const world = await startWorld(t);
  const { app, config, visitor, resource } = world;
  const { callback, checks } = await world.walk(visitor);
  const tokens = await client.authorizationCodeGrant(config, callback, checks);
  const other = new client.Configuration(
    config.serverMetadata(),
    `agt_${'0'.repeat(32)}`,
    undefined,
    client.None(),
  );
  client.allowInsecureRequests(other);
  await t.throwsAsync(client.refreshTokenGrant(other, tokens.refresh_token ?? ''));
  t.truthy((await client.refreshTokenGrant(config, tokens.refresh_token ?? '')).access_token);
  t.is(
    (await app.post('/introspect', { token: tokens.access_token }, { basic: [resource.id, 'x'.repeat(43)] }))
      .status,
    401,
  );
  // The page of one browser in another, where somebody else is signed in.
  const eve = new Visitor(app);
  await enrol(app, eve, ['member'], 'Eve');
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    code_challenge: 'c'.repeat(43),
    code_challenge_method: 'S256',
    resource: resource.identifier,
    scope: 'read',
  });
  const page = (await visitor.get(url.href)).location ?? '';
  t.is((await eve.get(page)).status, 404);
});
