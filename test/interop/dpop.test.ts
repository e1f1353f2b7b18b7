/** DPoP and signed introspection as oauth4webapi and openid-client do them, unmodified. */
import test, { type ExecutionContext } from 'ava';
import type { CryptoKey } from 'jose';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import {
  type App,
  addKeyAgent,
  addPerson,
  addResource,
  startApp,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';

/** The libraries speak http only when told to; the server takes http on this machine alone. */
const OVER_HTTP = { [oauth.allowInsecureRequests]: true };

interface World {
  readonly app: App;
  readonly as: oauth.AuthorizationServer;
  readonly resource: TestResource;
  readonly agent: TestAgent & { readonly privateKey: CryptoKey };
}

async function startWorld(t: ExecutionContext, nonces: 'optional' | 'required'): Promise<World> {
  const app = await startApp(t, { env: { COUNTERSIGN_DPOP_NONCES: nonces } });
  const issuer = new URL(app.issuer);
  const as = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...OVER_HTTP }),
  );
  const resource = await addResource(app);
  return { app, as, resource, agent: await addKeyAgent(app, await addPerson(app), resource) };
}

async function introspectSigned({ as, resource }: World, token: string): Promise<oauth.JsonObject> {
  const asker = { client_id: resource.id };
  const authentication = oauth.ClientSecretBasic(resource.secret);
  const request = { ...OVER_HTTP, requestJwtResponse: true };
  const response = await oauth.introspectionRequest(as, asker, authentication, token, request);
  const type = response.headers.get('content-type');
  if (type !== 'application/token-introspection+jwt') throw new Error(`not signed: ${type}`);
  const read = await oauth.processIntrospectionResponse(as, asker, response);
  await oauth.validateApplicationLevelSignature(as, response, OVER_HTTP);
  return read as unknown as oauth.JsonObject;
}

for (const nonces of ['optional', 'required'] as const) {
  for (const alg of ['ES256', 'Ed25519', 'PS256'] as const) {
    test(`oauth4webapi gets and reads a token bound to its ${alg} key, nonces ${nonces}`, async t => {
      const world = await startWorld(t, nonces);
      const { as, resource, agent } = world;
      const self: oauth.Client = { client_id: agent.id };
      const authentication = oauth.PrivateKeyJwt(agent.privateKey);
      const keys = await oauth.generateKeyPair(alg, { extractable: true });
      const DPoP = oauth.DPoP(self, keys);
      let challenges = 0;
      const ask = async (): Promise<oauth.TokenEndpointResponse> => {
        const parameters = { resource: resource.identifier };
        const options = { DPoP, ...OVER_HTTP };
        const response = await oauth.clientCredentialsGrantRequest(
          as,
          self,
          authentication,
          parameters,
          options,
        );
        return oauth.processClientCredentialsResponse(as, self, response).catch(error => {
          if (!oauth.isDPoPNonceError(error) || challenges > 0) throw error;
          challenges += 1;
          return ask();
        });
      };
      const issued = await ask();
      t.is(issued.token_type, 'dpop');
      t.is(challenges, nonces === 'required' ? 1 : 0);
      await ask();
      t.is(challenges, nonces === 'required' ? 1 : 0);

      const jkt = await DPoP.calculateThumbprint();
      t.like(await introspectSigned(world, issued.access_token), {
        active: true,
        token_type: 'DPoP',
        cnf: { jkt },
        sub: agent.id,
      });
      const revoked = await oauth.revocationRequest(as, self, authentication, issued.access_token, OVER_HTTP);
      await oauth.processRevocationResponse(revoked);
      t.deepEqual(await introspectSigned(world, issued.access_token), { active: false });
    });
  }

  test(`openid-client gets a bound token and calls the admin API with it, nonces ${nonces}`, async t => {
    const { app, resource } = await startWorld(t, nonces);
    const { clientId, secret } = app.admin;
    const configuration = await client.discovery(
      new URL(app.issuer),
      clientId,
      undefined,
      client.ClientSecretBasic(secret),
      { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
    );
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair('ES256'));
    // It answers a demand for a nonce by itself.
    const tokens = await client.clientCredentialsGrant(configuration, { scope: 'read' }, { DPoP });
    t.is(tokens.token_type, 'dpop');
    const url = new URL(`${app.issuer}/api/v1/resources/${resource.id}`);
    const call = (): Promise<Response> =>
      client.fetchProtectedResource(configuration, tokens.access_token, url, 'GET', null, undefined, {
        DPoP,
      });
    for (const response of [await call(), await call()]) {
      t.is(response.status, 200);
      t.is(((await response.json()) as { id: string }).id, resource.id);
    }
    const bare = client.fetchProtectedResource(configuration, tokens.access_token, url, 'GET');
    await t.throwsAsync(bare, { instanceOf: client.WWWAuthenticateChallengeError });
  });
}
