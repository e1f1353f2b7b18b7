import { killAgent } from '../../src/agents/index.ts';
import { addAgent, addPerson, addResource, getToken, introspect, startApp } from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

onEachStore(
  'an agent gets a token, its audience verifies it, it is revoked, and it is dead',
  async (t, store) => {
    const app = await startApp(t, { env: store });
    const resource = await addResource(app);
    const agent = await addAgent(app, await addPerson(app), resource);

    const token = await getToken(app, agent, resource);
    const live = await introspect(app, resource, token);
    t.is(live.status, 200);
    t.like(live.json, {
      active: true,
      sub: agent.id,
      client_id: agent.id,
      aud: resource.identifier,
      scope: 'read',
    });
    t.is(live.json.exp - live.json.iat, 300);

    const revoked = await app.post('/revoke', { token }, { basic: agent.basic });
    t.is(revoked.status, 200);
    t.is(revoked.text, '{}');
    t.is((await introspect(app, resource, token)).text, '{"active":false}');
  },
);

onEachStore('a killed agent is dead at the next introspection and cannot come back', async (t, store) => {
  const app = await startApp(t, { env: store });
  const resource = await addResource(app);
  const agent = await addAgent(app, await addPerson(app), resource);
  const token = await getToken(app, agent, resource);

  await killAgent({ agents: app.store, freshness: app.store }, agent.id, app.origin());

  t.is((await introspect(app, resource, token)).text, '{"active":false}');
  const again = await app.post(
    '/token',
    { grant_type: 'client_credentials', resource: resource.identifier },
    { basic: agent.basic },
  );
  t.is(again.status, 401);
  t.is(again.json.error, 'invalid_client');
  t.true(
    (await app.trail()).some(event => event.reason === 'client-not-enabled' && event.client === agent.id),
  );
});
