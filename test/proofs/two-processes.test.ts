/**
 * Two processes on one store. One to which nobody has spoken for a while knows nothing by itself of what others have changed: who
 * proves who they are there is judged by what has been committed, and not by what it has in memory (I7).
 */
import test from 'ava';
import { populate } from '../support/deployment.ts';
import { patient } from '../support/server-process.ts';
import { type App, addAgent, addPerson, addResource } from '../support/start-app.ts';
import { STORES } from './proof.ts';
import { startPairs } from './start-pairs.ts';
import { BEHIND_PROXY, killUnderLoad, raceAssertions, wakeAfterKill } from './two-processes.ts';

const pairs = startPairs(BEHIND_PROXY);

for (const kind of STORES) {
  test.serial(`I7: a quiet second process authenticates nobody from memory, on ${kind}`, async t => {
    const { deployment, servers } = pairs[kind];
    const [busy, quiet] = [patient(servers[0]), patient(servers[1])];
    const { agents, resource } = await populate(deployment, 1);
    const [agent] = agents;
    if (!agent) return t.fail();
    const headers = await deployment.administer(servers[0], 'read kill agents keys');
    const change = async (path: string): Promise<Record<string, never>> => {
      const answer = await busy.call('POST', `/api/v1${path}`, { headers });
      t.true(answer.status < 300, `${path}: ${answer.text}`);
      return answer.json;
    };
    const ask = async (secret: string) => {
      const form = { grant_type: 'client_credentials', resource: resource.identifier, scope: 'read' };
      return quiet.post('/token', form, { basic: [agent.id, secret] });
    };
    const introspect = (token: string) =>
      quiet.post('/introspect', { token }, { basic: [resource.id, resource.secret] });
    const [, first] = agent.basic;
    // From here on the second process has both in memory.
    const token = (await ask(first)).json.access_token;
    t.true((await introspect(token)).json.active);

    const second = (await change(`/agents/${agent.id}/secrets`)).secret ?? '';
    const third = (await change(`/agents/${agent.id}/secrets`)).secret ?? '';
    t.is((await ask(first)).status, 401, 'it was replaced');
    t.is((await ask(second)).status, 200);
    t.is((await ask(third)).status, 200);

    await change(`/agents/${agent.id}/kill`);
    t.is((await ask(third)).status, 401, 'it was killed');
    await change(`/agents/${agent.id}/restore`);
    t.is((await ask(third)).status, 200, 'it was restored');

    await change(`/resources/${resource.id}/kill`);
    t.is((await introspect(token)).status, 401, 'who asks was killed');
    await change(`/resources/${resource.id}/restore`);
    t.is((await introspect(token)).status, 200, 'who asks was restored');
    t.false((await introspect(token)).json.active);
  });

  test.serial(
    `I7: a quiet second process looks again for the key of a JWT that it does not know, on ${kind}`,
    async t => {
      const { deployment, servers } = pairs[kind];
      const [busy, quiet] = [patient(servers[0]), patient(servers[1])];
      const { agent, resource } = await deployment.withStore(async world => {
        const at = await addResource(world as App, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
        return { resource: at, agent: await addAgent(world as App, await addPerson(world as App), at) };
      });
      const headers = await deployment.administer(servers[0], 'keys');
      const isActive = async () => {
        const form = { grant_type: 'client_credentials', resource: resource.identifier, scope: 'read' };
        const { access_token: token } = (await busy.post('/token', form, { basic: agent.basic })).json;
        const [head = ''] = token.split('.');
        const basic = [resource.id, resource.secret] as const;
        const { active } = (await quiet.post('/introspect', { token }, { basic })).json;
        return [JSON.parse(Buffer.from(head, 'base64url').toString()).kid, active] as const;
      };
      const [former, isKnown] = await isActive();
      t.true(isKnown);
      const body = JSON.stringify({ alg: 'ES256', overlapSeconds: 0 });
      const rotated = await busy.call('POST', '/api/v1/keys/rotate', {
        headers: { ...headers, 'Content-Type': 'application/json' },
        body,
      });
      t.is(rotated.status, 201, rotated.text);
      const [successor, isFound] = await isActive();
      t.not(successor, former);
      t.true(isFound);
    },
  );

  test.serial(`I7: a kill under load is known to another process's next answer, on ${kind}`, async t => {
    const { refusedAfterMs } = await killUnderLoad(pairs[kind].deployment, 4);
    t.is(refusedAfterMs.length, 4);
  });

  test.serial(
    `I1: one assertion presented many times to two processes gets one token, on ${kind}`,
    async t => {
      const { tokens } = await raceAssertions(pairs[kind].deployment, { races: 4, width: 24 });
      t.true(tokens <= 4);
    },
  );

  test.serial(
    `I7: a process that slept through a kill says nothing old when it wakes, on ${kind}`,
    async t => {
      await t.notThrowsAsync(wakeAfterKill(pairs[kind].deployment, 0));
    },
  );
}
