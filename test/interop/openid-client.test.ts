/** openid-client, the most used client library of Node, unmodified: an agent and a resource server. */
import test, { type ExecutionContext } from 'ava';
import { generateKeyPair } from 'jose';
import * as client from 'openid-client';
import { killAgent } from '../../src/agents/index.ts';
import {
  type App,
  type AppOptions,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  startApp,
  type TestResource,
} from '../support/start-app.ts';

const AGENT_AUTHENTICATION = [
  'client_secret_basic',
  'client_secret_post',
  'ES256',
  'EdDSA',
  'PS256',
] as const;

for (const method of AGENT_AUTHENTICATION) {
  const isKey = !method.startsWith('client_');
  const name = isKey ? `private_key_jwt signed with ${method}` : method;

  test(`openid-client gets a token by ${name}, and revokes it`, async t => {
    const { app, resource } = await startWorld(t);
    const { agentId, authentication } = await registerAgent(app, resource, method);
    const agent = await discover(app.issuer, agentId, authentication);
    const asker = await discover(app.issuer, resource.id, client.ClientSecretBasic(resource.secret));

    const parameters = { resource: resource.identifier, scope: 'read' };
    const tokens = await client.clientCredentialsGrant(agent, parameters);
    t.is(tokens.token_type, 'bearer');
    t.is(tokens.scope, 'read');
    t.is(tokens.expires_in, 300);

    const live = await client.tokenIntrospection(asker, tokens.access_token);
    t.like(live, { active: true, sub: agentId, client_id: agentId, aud: resource.identifier, scope: 'read' });

    await client.tokenRevocation(agent, tokens.access_token);
    t.deepEqual(await client.tokenIntrospection(asker, tokens.access_token), { active: false });
  });
}

test('openid-client signs for an agent that registered its Ed25519 key as WebCrypto exports it', async t => {
  const { app, resource } = await startWorld(t);
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = await crypto.subtle.exportKey('jwk', publicKey);
  t.is(jwk.alg, 'Ed25519', 'the name that RFC 9864 gives it');
  const credential = { method: 'private_key_jwt', keys: [jwk] };
  const { id } = await addAgent(app, await addPerson(app), resource, { credential });
  const agent = await discover(app.issuer, id, client.PrivateKeyJwt(privateKey));
  const tokens = await client.clientCredentialsGrant(agent, { resource: resource.identifier });
  t.is(tokens.scope, 'read');
});

test('openid-client introspects by client_secret_basic and client_secret_post', async t => {
  const { app, resource } = await startWorld(t);
  const { agentId, authentication } = await registerAgent(app, resource, 'client_secret_basic');
  const agent = await discover(app.issuer, agentId, authentication);
  const { access_token: token } = await client.clientCredentialsGrant(agent, {
    resource: resource.identifier,
  });
  for (const method of [client.ClientSecretBasic, client.ClientSecretPost]) {
    const asker = await discover(app.issuer, resource.id, method(resource.secret));
    t.like(await client.tokenIntrospection(asker, token), { active: true, sub: agentId });
  }
});

test('openid-client is told why a scope is refused, and what is permitted', async t => {
  const { app, resource } = await startWorld(t);
  const { agentId, authentication } = await registerAgent(app, resource, 'client_secret_basic');
  const agent = await discover(app.issuer, agentId, authentication);
  const error = await t.throwsAsync(
    client.clientCredentialsGrant(agent, { resource: resource.identifier, scope: 'read drop' }),
    { instanceOf: client.ResponseBodyError },
  );
  t.is(error?.error, 'invalid_scope');
  t.regex(error?.error_description ?? '', /sent: drop; permitted: read/);
  await t.notThrowsAsync(client.clientCredentialsGrant(agent, { resource: resource.identifier }));
});

test('openid-client hears invalid_client once the agent is killed, by secret and by key', async t => {
  const { app, resource } = await startWorld(t);
  for (const method of ['client_secret_basic', 'client_secret_post', 'ES256'] as const) {
    const { agentId, authentication } = await registerAgent(app, resource, method);
    const agent = await discover(app.issuer, agentId, authentication);
    const parameters = { resource: resource.identifier };
    await client.clientCredentialsGrant(agent, parameters);
    await killAgent({ agents: app.store, freshness: app.store }, agentId, app.origin());
    // The library prefers the challenge, which every 401 has (RFC 9110 section 15.5.2), and leaves the body to be read.
    const error = await t.throwsAsync(client.clientCredentialsGrant(agent, parameters), {
      instanceOf: client.WWWAuthenticateChallengeError,
    });
    const answer = (await error?.response.json()) as { error: string } | undefined;
    t.is(answer?.error, 'invalid_client', method);
  }
});

for (const algorithm of ['oidc', 'oauth2'] as const) {
  test(`openid-client discovers an issuer with a path by ${algorithm} metadata`, async t => {
    const { app, resource } = await startWorld(t, { issuerAt: { path: '/tenants/one' } });
    const { issuer } = app;
    t.true(issuer.endsWith('/tenants/one'));
    const { agentId, authentication } = await registerAgent(app, resource, 'ES256');
    const agent = await discover(issuer, agentId, authentication, algorithm);
    t.is(agent.serverMetadata().issuer, issuer);
    const tokens = await client.clientCredentialsGrant(agent, { resource: resource.identifier });
    t.is(tokens.scope, 'read');
  });
}

async function startWorld(
  t: ExecutionContext,
  options: AppOptions = {},
): Promise<{ app: App; resource: TestResource }> {
  const app = await startApp(t, options);
  return { app, resource: await addResource(app) };
}

async function registerAgent(
  app: App,
  resource: TestResource,
  method: (typeof AGENT_AUTHENTICATION)[number],
): Promise<{ agentId: string; authentication: client.ClientAuth }> {
  const owner = await addPerson(app);
  if (method === 'client_secret_basic' || method === 'client_secret_post') {
    const { id, basic } = await addAgent(app, owner, resource);
    const authenticate =
      method === 'client_secret_basic' ? client.ClientSecretBasic : client.ClientSecretPost;
    return { agentId: id, authentication: authenticate(basic[1]) };
  }
  const { id, privateKey } = await addKeyAgent(app, owner, resource, method);
  return { agentId: id, authentication: client.PrivateKeyJwt(privateKey) };
}

/** Everything the library knows of the server comes from its metadata. */
function discover(
  issuer: string,
  clientId: string,
  authentication: client.ClientAuth,
  algorithm: 'oidc' | 'oauth2' = 'oauth2',
): Promise<client.Configuration> {
  // The library speaks http only when told to; the server takes http on this machine alone.
  const execute = [client.allowInsecureRequests];
  return client.discovery(new URL(issuer), clientId, undefined, authentication, { algorithm, execute });
}
