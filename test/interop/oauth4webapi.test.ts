/** oauth4webapi, whose `process…` functions hold every answer strictly to its RFC, unmodified. */
import test, { type ExecutionContext } from 'ava';
import * as oauth from 'oauth4webapi';
import {
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  startApp,
  type TestResource,
} from '../support/start-app.ts';

/** The library speaks http only when told to; the server takes http on this machine alone. */
const OVER_HTTP = { [oauth.allowInsecureRequests]: true };

const AGENT_AUTHENTICATION = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

interface World {
  readonly app: App;
  readonly as: oauth.AuthorizationServer;
  readonly resource: TestResource;
}

for (const algorithm of ['oidc', 'oauth2'] as const) {
  test(`oauth4webapi accepts the ${algorithm} metadata, which names the issuer exactly`, async t => {
    const app = await startApp(t);
    const issuer = new URL(app.issuer);
    const response = await oauth.discoveryRequest(issuer, { algorithm, ...OVER_HTTP });
    const as = await oauth.processDiscoveryResponse(issuer, response);
    t.is(as.issuer, app.issuer);
    for (const method of AGENT_AUTHENTICATION) {
      t.true(as.token_endpoint_auth_methods_supported?.includes(method));
    }
  });
}

for (const method of AGENT_AUTHENTICATION) {
  test(`oauth4webapi accepts every answer to a client that authenticates by ${method}`, async t => {
    const { app, as, resource } = await startWorld(t);
    const { client, authentication } = await registerAgent(app, resource, method);
    const parameters = { resource: resource.identifier, scope: 'read' };
    const issued = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(as, client, authentication, parameters, OVER_HTTP),
    );
    t.is(issued.token_type, 'bearer');
    t.is(issued.expires_in, 300);

    const askedBy = introspectorOf(as, resource);
    const live = await askedBy(issued.access_token);
    t.like(live, {
      active: true,
      iss: app.issuer,
      sub: client.client_id,
      client_id: client.client_id,
      aud: resource.identifier,
      scope: 'read',
    });
    t.is((live.exp ?? 0) - (live.iat ?? 0), 300);

    const revocation = await oauth.revocationRequest(
      as,
      client,
      authentication,
      issued.access_token,
      OVER_HTTP,
    );
    t.is(await oauth.processRevocationResponse(revocation), undefined);
    t.deepEqual(await askedBy(issued.access_token), { active: false });
  });
}

for (const alg of ['ES256', 'EdDSA'] as const) {
  test(`oauth4webapi validates a JWT access token signed with ${alg}, with no question asked (RFC 9068)`, async t => {
    const { app, as } = await startWorld(t);
    const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg } });
    const { client, authentication } = await registerAgent(app, resource, 'private_key_jwt');
    const issued = await oauth.processClientCredentialsResponse(
      as,
      client,
      await oauth.clientCredentialsGrantRequest(
        as,
        client,
        authentication,
        { resource: resource.identifier },
        OVER_HTTP,
      ),
    );
    const call = new Request(resource.identifier, {
      headers: { Authorization: `Bearer ${issued.access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(as, call, resource.identifier, OVER_HTTP);
    t.like(claims, { iss: app.issuer, sub: client.client_id, client_id: client.client_id, scope: 'read' });
    t.is(claims.exp - claims.iat, 300);
    await t.throwsAsync(oauth.validateJwtAccessToken(as, call, 'https://elsewhere.example', OVER_HTTP));

    // It can be asked about all the same, and revoked.
    const askedBy = introspectorOf(as, resource);
    t.like(await askedBy(issued.access_token), { active: true, jti: claims.jti });
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, authentication, issued.access_token, OVER_HTTP),
    );
    t.deepEqual(await askedBy(issued.access_token), { active: false });
  });
}

test('oauth4webapi can read every refusal at the token endpoint', async t => {
  const { app, as, resource } = await startWorld(t);
  const { client, authentication } = await registerAgent(app, resource, 'private_key_jwt');
  const ask = async (parameters: Record<string, string>) => {
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      authentication,
      parameters,
      OVER_HTTP,
    );
    return oauth.processClientCredentialsResponse(as, client, response);
  };
  const refusals = [
    [{ resource: resource.identifier, scope: 'drop' }, 'invalid_scope'],
    [{ resource: resource.identifier, scope: 'write' }, 'invalid_scope'],
    [{ resource: 'https://elsewhere.example' }, 'invalid_target'],
  ] as const;
  for (const [parameters, code] of refusals) {
    const error = await t.throwsAsync(ask(parameters), { instanceOf: oauth.ResponseBodyError });
    t.is(error?.error, code);
    t.is(error?.status, 400);
  }
  await t.notThrowsAsync(ask({ resource: resource.identifier }));
});

test('oauth4webapi reads the challenge of a refused client_secret_basic', async t => {
  const { app, as, resource } = await startWorld(t);
  const { client } = await registerAgent(app, resource, 'client_secret_basic');
  const authentication = oauth.ClientSecretBasic('not-its-secret');
  const response = await oauth.clientCredentialsGrantRequest(as, client, authentication, {}, OVER_HTTP);
  const error = await t.throwsAsync(oauth.processClientCredentialsResponse(as, client, response), {
    instanceOf: oauth.WWWAuthenticateChallengeError,
  });
  t.is(error?.cause[0]?.scheme, 'basic');
  t.is(error?.status, 401);
});

async function startWorld(t: ExecutionContext): Promise<World> {
  const app = await startApp(t);
  const issuer = new URL(app.issuer);
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...OVER_HTTP }),
  );
  return { app, as, resource: await addResource(app) };
}

async function registerAgent(
  app: App,
  resource: TestResource,
  method: (typeof AGENT_AUTHENTICATION)[number],
): Promise<{ client: oauth.Client; authentication: oauth.ClientAuth }> {
  const owner = await addPerson(app);
  if (method === 'private_key_jwt') {
    const { id, privateKey } = await addKeyAgent(app, owner, resource);
    return { client: { client_id: id }, authentication: oauth.PrivateKeyJwt(privateKey) };
  }
  const { id, basic } = await addAgent(app, owner, resource);
  const authenticate = method === 'client_secret_basic' ? oauth.ClientSecretBasic : oauth.ClientSecretPost;
  return { client: { client_id: id }, authentication: authenticate(basic[1]) };
}

function introspectorOf(
  as: oauth.AuthorizationServer,
  resource: TestResource,
): (token: string) => Promise<oauth.IntrospectionResponse> {
  const client = { client_id: resource.id };
  const authentication = oauth.ClientSecretBasic(resource.secret);
  return async token => {
    const response = await oauth.introspectionRequest(as, client, authentication, token, OVER_HTTP);
    return oauth.processIntrospectionResponse(as, client, response);
  };
}
