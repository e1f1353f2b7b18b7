/** I2, I6: a call that began before its administrator was killed, on a process that another one hears nothing of. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import test from 'ava';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/index.ts';
import { type Deployment, deploy } from '../support/deployment.ts';
import { patient, type ServerProcess } from '../support/server-process.ts';
import { type App, addAgent, addPerson } from '../support/start-app.ts';
import { freshStore, STORES } from './proof.ts';

const NAME = 'Successor';

/** Sends a call but for the end of its body, and resolves when the server has begun with it. */
async function begin({ port, issuer }: ServerProcess, token: string, body: string) {
  const sent = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/api/v1/agents',
    headers: {
      Host: new URL(issuer).host,
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      // The server says that it has begun.
      Expect: '100-continue',
    },
  });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  sent.flushHeaders();
  await once(sent, 'continue');
  sent.write(body.slice(0, 8));
  return async (): Promise<number> => {
    sent.end(body.slice(8));
    const [response] = await answered;
    response.resume();
    return response.statusCode ?? 0;
  };
}

/** Administrators of their own, and what one of them would make. */
function prepare(deployment: Deployment) {
  return deployment.withStore(async world => {
    const app = world as App;
    const api = await app.store.findResource(ADMIN_API_RESOURCE_ID);
    if (!api) throw new Error('the API is no resource server');
    const owner = await addPerson(app);
    const held = [{ resource: api.identifier, scopes: ['agents', 'read'] }];
    const { id, basic } = await addAgent(app, owner, api, { envelope: held, baseline: held });
    const body = { name: NAME, ownerId: owner.id, envelope: held, credential: { method: 'client_secret' } };
    return { id, basic, resource: api.identifier, body: JSON.stringify(body) };
  });
}

for (const kind of STORES) {
  test.serial(
    `I2: an administrator's call that another process kills them in makes no successor, on ${kind}`,
    async t => {
      const deployment = await deploy(t, await freshStore(t, kind));
      const [first, second] = await Promise.all([deployment.start(), deployment.start()]);
      for (let isTooLate = true; isTooLate; ) {
        const { id, basic, resource, body } = await prepare(deployment);
        const form = { grant_type: 'client_credentials', resource };
        const { json } = await patient(first).post('/token', form, { basic });
        const finish = await begin(first, json.access_token, body);
        const headers = await deployment.administer(second);
        t.is((await patient(second).call('POST', `/api/v1/agents/${id}/kill`, { headers })).status, 200);
        t.is(await finish(), 401);
        const refusal = await deployment.withStore(async ({ store }) => {
          const agents = (await store.listAgents({ limit: 1_000 })).items;
          t.false(
            agents.some(({ name }) => name === NAME),
            'whether it came in time or too late',
          );
          return (await store.readNewest(1_000))
            .map(({ body: row }) => JSON.parse(row).event)
            .find(
              event => event.type === 'admin.refused' && (event.client === id || event.client === undefined),
            );
        });
        // The kill was faster than the look at the token: that is another story, and told elsewhere.
        isTooLate = refusal?.reason !== 'authority-ended';
        if (!isTooLate) t.is(refusal.client, id);
      }
    },
  );
}
