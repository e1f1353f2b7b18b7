/** Token exchange (RFC 8693) as agents meet it: by libraries that know nothing of us, and on each store. */
import test from 'ava';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { endDelegation } from '../../src/delegation/index.ts';
import { onEachStore } from '../support/stores.ts';
import { ACCESS_TOKEN, DELEGATION, delegationDeps, EXCHANGE, startExchangeWorld } from './exchange-world.ts';

onEachStore(
  'openid-client exchanges a delegation for a token that says for whom and by whom, until the delegation is ended',
  async (t, env) => {
    const { app, alice, resource, planner, give, introspect } = await startExchangeWorld(t, { env });
    const delegation = await give();
    const execute = [client.allowInsecureRequests];
    const config = await client.discovery(
      new URL(app.issuer),
      planner.id,
      undefined,
      client.ClientSecretBasic(planner.basic[1]),
      { algorithm: 'oauth2', execute },
    );
    t.true(config.serverMetadata().grant_types_supported?.includes(EXCHANGE));
    const answer = await client.genericGrantRequest(config, EXCHANGE, {
      subject_token: delegation.id,
      subject_token_type: DELEGATION,
      requested_token_type: ACCESS_TOKEN,
      resource: resource.identifier,
      scope: 'read',
    });
    t.is(answer['issued_token_type'], ACCESS_TOKEN);
    t.is(answer.token_type, 'bearer');
    t.is(answer.scope, 'read');
    t.is(answer.expires_in, 300);
    const live = await introspect(answer.access_token);
    t.like(live, {
      active: true,
      sub: alice.id,
      client_id: planner.id,
      act: { sub: planner.id },
      delegation_id: delegation.id,
      aud: resource.identifier,
      scope: 'read',
    });
    t.deepEqual(live.act, { sub: planner.id });
    const issued = (await app.trail()).find(event => event.jti === live.jti);
    t.like(issued, {
      type: 'token.issued',
      client: planner.id,
      subject: alice.id,
      actor: [planner.id],
      resource: resource.identifier,
      scope: 'read',
      detail: { grant: EXCHANGE, delegation: delegation.id },
    });

    await endDelegation(delegationDeps(app), delegation.id, app.origin());
    t.deepEqual(await introspect(answer.access_token), { active: false });
    const error = await t.throwsAsync(
      client.genericGrantRequest(config, EXCHANGE, {
        subject_token: delegation.id,
        subject_token_type: DELEGATION,
      }),
      { instanceOf: client.ResponseBodyError },
    );
    t.is(error?.error, 'invalid_request');
  },
);

test('oauth4webapi exchanges a delegation, and its JWT says what introspection says', async t => {
  const { app, alice, resource, planner, worker, give, introspect } = await startExchangeWorld(t, {
    resource: { tokenFormat: { kind: 'jwt', alg: 'ES256' } },
  });
  const delegation = await give();
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(app.issuer);
  const server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
  );
  const agent = { client_id: planner.id };
  const parameters = { subject_token: delegation.id, subject_token_type: DELEGATION };
  const response = await oauth.genericTokenEndpointRequest(
    server,
    agent,
    oauth.ClientSecretBasic(planner.basic[1]),
    EXCHANGE,
    parameters,
    insecure,
  );
  const answer = await oauth.processGenericTokenEndpointResponse(server, agent, response);
  t.is(answer.scope, 'read write', 'without scope it is all that the person lets it do');
  const claims = await oauth.validateJwtAccessToken(
    server,
    new Request(resource.identifier, { headers: { Authorization: `Bearer ${answer.access_token}` } }),
    resource.identifier,
    insecure,
  );
  t.like(claims, {
    sub: alice.id,
    client_id: planner.id,
    aud: resource.identifier,
    scope: 'read write',
    delegation_id: delegation.id,
  });
  t.deepEqual(claims['act'], { sub: planner.id });
  t.deepEqual(claims['may_act'], { sub: worker.id });
  t.like(await introspect(answer.access_token), { active: true, ...claims });
});
