/** `countersign/client` against a live server, and against servers that fail in the ways servers fail. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, relative, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair } from 'jose';
import { createClient, ProblemError, TokenError } from '../../src/client/index.ts';
import { adminClient } from '../support/admin-client.ts';
import { addAgent, addPerson, addResource, startApp } from '../support/start-app.ts';

test('a program registers, reads, changes and kills an agent', async t => {
  const app = await startApp(t);
  const api = adminClient(app);
  const person = await api.createPerson({ body: { name: 'Ada' } });
  const resource = await api.createResource({
    body: {
      identifier: 'https://orders.example/mcp',
      name: 'Orders',
      scopes: [{ name: 'read', sentence: 'See orders', risk: 'low' }],
    },
  });
  t.truthy(resource.secret);
  const agent = await api.createAgent({
    body: {
      name: 'Refunder',
      ownerId: person.id,
      envelope: [{ resource: resource.identifier, scopes: ['read'] }],
      credential: { method: 'client_secret' },
    },
  });
  t.truthy(agent.secret);
  const renamed = await api.updateAgent({ id: agent.id, version: agent.version, body: { name: 'Renamed' } });
  t.is(renamed.name, 'Renamed');
  t.is((await api.killAgent({ id: agent.id })).status, 'suspended');
  const read = await api.getAgent({ id: agent.id });
  t.is(read.status, 'suspended');
  t.is(read.version, 3);
});

test('a list is its first page when awaited, and every record when iterated over', async t => {
  const app = await startApp(t);
  const owner = await addPerson(app);
  const resource = await addResource(app);
  for (let index = 0; index < 6; index += 1) await addAgent(app, owner, resource);
  const api = adminClient(app);
  const page = await api.listAgents({ limit: 3 });
  t.is(page.items.length, 3);
  t.is((await api.listAgents({ limit: 3, after: page.next })).items.length, 3);
  const ids: string[] = [];
  for await (const agent of api.listAgents({ limit: 2 })) ids.push(agent.id);
  t.is(ids.length, 7);
  t.is(new Set(ids).size, 7);
});

test('a refusal is an error that says what the problem says', async t => {
  const app = await startApp(t);
  const api = adminClient(app);
  const error = await t.throwsAsync(api.getAgent({ id: `agt_${'b'.repeat(32)}` }), {
    instanceOf: ProblemError,
  });
  t.is(error?.status, 404);
  t.is(error?.code, 'agent-unknown');
  t.is(error?.type, `${app.issuer}/docs/errors#agent-unknown`);
  t.regex(error?.ref ?? '', /^err_[\w-]+$/);
  const invalid = await t.throwsAsync(api.createPerson({ body: { name: 'x', roles: ['king' as never] } }), {
    instanceOf: ProblemError,
  });
  t.is(invalid?.parameter, 'roles[0]');
  t.true(invalid?.permitted.includes('approver'));
});

test('a change made to an older version is refused', async t => {
  const app = await startApp(t);
  const api = adminClient(app);
  const { id, version } = await api.createPerson({ body: { name: 'Ada' } });
  await api.updatePerson({ id, version, body: { name: 'Ada L.' } });
  const error = await t.throwsAsync(api.updatePerson({ id, version, body: { name: 'Lost' } }), {
    instanceOf: ProblemError,
  });
  t.is(error?.status, 412);
  t.is((await api.getPerson({ id })).name, 'Ada L.');
});

test('each token has the one scope that its calls need, and is got once', async t => {
  const app = await startApp(t);
  const api = adminClient(app);
  await Promise.all([api.listAgents(), api.listPeople(), api.listResources(), api.listAuditEvents()]);
  await api.listAgents();
  const scopes = (await app.trail()).filter(event => event.type === 'token.issued').map(event => event.scope);
  t.deepEqual(scopes.sort(), ['audit', 'read']);
});

test('a token that was revoked is replaced once, without the caller noticing', async t => {
  const app = await startApp(t);
  const tokens: string[] = [];
  const spying: typeof fetch = async (url, init) => {
    const authorization = new Headers(init?.headers).get('authorization') ?? '';
    if (authorization.startsWith('Bearer ')) tokens.push(authorization.slice(7));
    return fetch(url, init);
  };
  const api = createClient({
    issuer: app.issuer,
    clientId: app.admin.clientId,
    clientSecret: app.admin.secret,
    fetch: spying,
  });
  await api.listAgents();
  await app.post('/revoke', { token: tokens[0] }, { basic: [app.admin.clientId, app.admin.secret] });
  await api.listAgents();
  t.is(tokens.length, 3);
  t.not(tokens[2], tokens[0]);

  const fixed = createClient({ issuer: app.issuer, accessToken: tokens[0] ?? '' });
  const error = await t.throwsAsync(fixed.listAgents(), { instanceOf: ProblemError });
  t.is(error?.status, 401);
  await t.notThrowsAsync(createClient({ issuer: app.issuer, accessToken: tokens[2] ?? '' }).listAgents());
});

for (const alg of ['ES256', 'EdDSA'] as const) {
  test(`a client proves itself with a key of its own (${alg}), as a key or as a JWK`, async t => {
    const app = await startApp(t);
    // Who lets somebody read has to hold that in the token that registers them.
    const api = adminClient(app, ['agents', 'people', 'read']);
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const { id: ownerId } = await api.createPerson({ body: { name: 'Ada' } });
    const reader = await api.createAgent({
      body: {
        name: 'Reader',
        ownerId,
        envelope: [{ resource: `${app.issuer}/api`, scopes: ['read'] }],
        baseline: [{ resource: `${app.issuer}/api`, scopes: ['read'] }],
        credential: { method: 'private_key_jwt', keys: [(await exportJWK(publicKey)) as never] },
      },
    });
    const jwk = { ...(await exportJWK(privateKey)), alg };
    for (const key of [privateKey, jwk]) {
      const own = createClient({ issuer: app.issuer, clientId: reader.id, privateKey: key, alg });
      t.true((await own.listAgents()).items.length > 0);
      const error = await t.throwsAsync(own.listAuditEvents(), { instanceOf: TokenError });
      t.is(error?.error, 'invalid_scope');
    }
  });
}

test('a wrong secret is an error of the token endpoint', async t => {
  const app = await startApp(t);
  const api = createClient({ issuer: app.issuer, clientId: app.admin.clientId, clientSecret: 'wrong' });
  const error = await t.throwsAsync(api.listAgents(), { instanceOf: TokenError });
  t.is(error?.status, 401);
  t.is(error?.error, 'invalid_client');
  t.regex(error?.ref ?? '', /^err_/);
});

test('an argument that a call does not take is refused, not dropped', async t => {
  const app = await startApp(t);
  const misspelt = { limt: 3 } as never;
  await t.throwsAsync(adminClient(app).listAgents(misspelt), {
    instanceOf: TypeError,
    message: /limt.*limit/,
  });
  await t.throwsAsync(adminClient(app).getAgent({} as never), {
    instanceOf: TypeError,
    message: /id is missing/,
  });
});

/** A server that answers as told, one request after the other. */
async function serve(
  t: ExecutionContext,
  answers: ((request: IncomingMessage, response: ServerResponse) => void)[],
): Promise<{ issuer: string; seen: { method: string; key: string | undefined }[] }> {
  const seen: { method: string; key: string | undefined }[] = [];
  // Connections stay open: one that is closed here could be taken there for the next request at that moment.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    seen.push({
      method: request.method ?? '',
      key: request.headers['idempotency-key'] as string | undefined,
    });
    (answers.shift() ?? ((_, last) => last.writeHead(500).end()))(request, response);
  });
  await new Promise<void>(listening => void server.listen(0, '127.0.0.1', listening));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const dropped = (request: IncomingMessage): void => void request.socket.destroy();
const done = (_: IncomingMessage, response: ServerResponse): void =>
  void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"status":"suspended"}');
const later = (seconds: string) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(503, { 'Retry-After': seconds }).end();

for (const [what, first] of [
  ['a lost connection', dropped],
  ['a server that asks for it', later('0')],
] as const) {
  test(`after ${what} a POST is sent once more, as the same one`, async t => {
    const { issuer, seen } = await serve(t, [first, done]);
    const api = createClient({ issuer, accessToken: 'a-token' });
    t.is((await api.killAgent({ id: 'agt_1' })).status, 'suspended');
    t.is(seen.length, 2);
    t.regex(seen[0]?.key ?? '', /^"[0-9a-f-]{36}"$/);
    t.is(seen[0]?.key, seen[1]?.key);
  });
}

test('a request is not sent a third time, a PATCH not twice, and nobody waits for a server that is away for long', async t => {
  const thrice = await serve(t, [later('0'), later('0'), done]);
  const busy = createClient({ issuer: thrice.issuer, accessToken: 'a-token' });
  t.is((await t.throwsAsync(busy.killAgent({ id: 'agt_1' }), { instanceOf: ProblemError }))?.status, 503);
  t.is(thrice.seen.length, 2);

  const patched = await serve(t, [dropped, done]);
  const patching = createClient({ issuer: patched.issuer, accessToken: 'a-token' });
  await t.throwsAsync(patching.updateAgent({ id: 'agt_1', version: 1, body: {} }), { instanceOf: TypeError });
  t.is(patched.seen.length, 1);

  const away = await serve(t, [later('60'), done]);
  const waiting = createClient({ issuer: away.issuer, accessToken: 'a-token' });
  t.is((await t.throwsAsync(waiting.listAgents(), { instanceOf: ProblemError }))?.status, 503);
  t.is(away.seen.length, 1);
});

test('two calls have two keys; a key of the caller’s own is used', async t => {
  const { issuer, seen } = await serve(t, [done, done, done]);
  const api = createClient({ issuer, accessToken: 'a-token' });
  await api.killAgent({ id: 'agt_1' });
  await api.killAgent({ id: 'agt_1' });
  await api.killAgent({ id: 'agt_1' }, { idempotencyKey: 'incident-7' });
  t.not(seen[0]?.key, seen[1]?.key);
  t.is(seen[2]?.key, '"incident-7"');
});

test('a token is sent nowhere but where it was meant to go', async t => {
  const elsewhere = await serve(t, [done]);
  const { issuer } = await serve(t, [
    (_, response) => void response.writeHead(307, { Location: `${elsewhere.issuer}/x` }).end(),
    (_, response) => void response.writeHead(307, { Location: `${elsewhere.issuer}/x` }).end(),
  ]);
  await t.throwsAsync(createClient({ issuer, accessToken: 'a-token' }).killAgent({ id: 'agt_1' }));
  t.is(elsewhere.seen.length, 0);
});

test('a call ends when its signal says so, and when it takes too long', async t => {
  const hanging = () => undefined;
  const { issuer } = await serve(t, [hanging, hanging]);
  const stop = new AbortController();
  const call = createClient({ issuer, accessToken: 'a-token' }).killAgent(
    { id: 'agt_1' },
    { signal: stop.signal },
  );
  stop.abort();
  await t.throwsAsync(call, { name: 'AbortError' });
  const short = createClient({ issuer, accessToken: 'a-token', timeoutMs: 20 });
  await t.throwsAsync(short.getAgent({ id: 'agt_1' }), { name: 'TimeoutError' });
});

test('the client loads nothing of the server', t => {
  const root = resolve(import.meta.dirname, '../../src');
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const later = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const source = readFileSync(file, 'utf8');
    // Types are stripped: only what is left is loaded.
    const statements = source.matchAll(/^(?:import|export)(?! type\b)(?:[^;]*?\bfrom)?\s*'([^']+)';/gms);
    for (const [statement, from = ''] of statements) {
      if (/^(?:import|export)\s*\{(?:\s*type [^,}]+,?)+\s*\}/.test(statement)) continue;
      if (from.startsWith('.')) load(resolve(dirname(file), from));
      else packages.add(from);
    }
    for (const [, from = ''] of source.matchAll(/\bimport\('([^']+)'\)/g)) later.add(from);
  };
  load(resolve(root, 'client/index.ts'));
  t.true(loaded.size > 15);
  t.deepEqual([...packages].sort(), ['node:crypto', 'node:timers/promises', 'zod']);
  // A client that proves itself with a key signs.
  t.deepEqual([...later], ['jose']);
  const folders = new Set([...loaded].map(file => file.slice(root.length + 1).split('/')[0]));
  for (const folder of ['http', 'store', 'provider', 'config', 'cli']) t.false(folders.has(folder), folder);
  t.false([...loaded].some(file => file.endsWith('routes.ts')));
  // The index of a capability would bring all of it along.
  const indexes = [...loaded].filter(file => file.endsWith('/index.ts')).map(file => relative(root, file));
  t.deepEqual(indexes.sort(), ['admin-api/index.ts', 'client/index.ts', 'input/index.ts', 'text/index.ts']);
});
