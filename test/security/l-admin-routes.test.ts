/** Group L over every call of the admin API that is described: a new one is tried the day it is described. */
import test from 'ava';
import { ADMIN_CALLS } from '../../src/admin-api/calls.ts';
import type { AdminCallDescription } from '../../src/admin-api/index.ts';
import { ADMIN_SCOPES, type AdminScope } from '../../src/admin-api/index.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import {
  type Answer,
  type App,
  addAgent,
  addPerson,
  addResource,
  getToken,
  startApp,
} from '../support/start-app.ts';
import { type StoreEnv, whateverTheStore } from '../support/stores.ts';

const CALLS = Object.entries(ADMIN_CALLS) as [string, AdminCallDescription][];
const BODY_LIMIT = 262_144;

/** Tries something on all calls at once: whatever is refused leaves the others alone. */
async function ofEachCall(
  work: (operationId: string, call: AdminCallDescription) => Promise<void>,
): Promise<void> {
  await Promise.all(CALLS.map(([operationId, call]) => work(operationId, call)));
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function send(app: App, { method, path, headers, body }: Request, token?: string): Promise<Answer> {
  const response = await fetch(`${app.base}/api/v1${path}`, {
    method,
    headers: { ...(token !== undefined && { Authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

async function world(t: Parameters<typeof startApp>[0], env: StoreEnv = {}) {
  let nowMs = Date.now();
  const app = await startApp(t, {
    env: { COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '100000', ...env },
    clock: () => nowMs,
  });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const basic = [app.admin.clientId, app.admin.secret] as const;
  const admin = async (scope?: string): Promise<string> => {
    const form = { grant_type: 'client_credentials', resource: `${app.issuer}/api`, scope };
    return (await app.post('/token', form, { basic })).json.access_token;
  };
  const [key] = await app.store.listSigningKeys();
  const ids: Readonly<Record<string, string>> = {
    agents: agent.id,
    people: owner.id,
    resources: resource.id,
    keys: key?.id ?? '',
  };
  /** A call as its description has it, about records that there are. */
  const requestOf = (call: AdminCallDescription, query = call.example.query): Request => {
    const own = ids[call.path.split('/')[1] ?? ''];
    const path = call.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      name === 'id' && own !== undefined ? own : (call.example.params?.[name] ?? ''),
    );
    const { body } = call.example;
    return {
      method: call.method,
      path: query === undefined ? path : `${path}?${new URLSearchParams(query)}`,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(call.ifMatch && { 'If-Match': '"1"' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
  };
  /** Everything that a call could have changed. */
  const state = async (): Promise<string> => {
    const [agents, people, resources] = await Promise.all([
      app.store.listAgents({ limit: 200 }),
      app.store.listPeople({ limit: 200 }),
      app.store.listResources({ limit: 200 }),
    ]);
    const changed = (await app.trail()).filter(
      ({ outcome, type }) => outcome === 'done' && !/^(token|lane)\./.test(type),
    );
    return JSON.stringify([agents, people, resources, await app.store.listSigningKeys(), changed.length]);
  };
  const forward = (ms: number): void => {
    nowMs += ms;
  };
  return { app, owner, resource, agent, basic, admin, requestOf, state, forward };
}

whateverTheStore(
  'R110: no call does anything for nobody, for a dead, foreign, bound or narrow token, and each says why',
  async (t, env) => {
    const { app, owner, resource, agent, basic, admin, requestOf, state, forward } = await world(t, env);
    const old = await admin();
    forward(3_601_000);
    const revoked = await admin();
    await app.post('/revoke', { token: revoked }, { basic });
    const ownApi = [{ resource: `${app.issuer}/api`, scopes: [...ADMIN_SCOPES] }];
    const killed = await addAgent(app, owner, resource, { envelope: ownApi, baseline: ownApi });
    const form = { grant_type: 'client_credentials', resource: `${app.issuer}/api` };
    const ofKilled = (await app.post('/token', form, { basic: killed.basic })).json.access_token;
    t.is((await send(app, { method: 'GET', path: '/me' }, ofKilled)).status, 200);
    await send(app, { method: 'POST', path: `/agents/${killed.id}/kill` }, await admin('kill'));
    const DPoP = await signProof(app, await newProofKey());
    const bound = (await app.post('/token', form, { basic, headers: { DPoP } })).json.access_token;
    const unaccepted: Readonly<Record<string, string | undefined>> = {
      none: undefined,
      garbage: 'garbage',
      unknown: `cs_at_${'A'.repeat(48)}`,
      expired: old,
      revoked,
      'of a killed agent': ofKilled,
      'for another resource server': await getToken(app, agent, resource),
      'bound to a key, without a proof': bound,
    };
    const narrow = new Map<AdminScope, string>();
    for (const scope of ADMIN_SCOPES) narrow.set(scope, await admin(scope));

    const before = await state();
    let tried = 0;
    await ofEachCall(async (operationId, call) => {
      const request = requestOf(call);
      for (const [what, token] of Object.entries(unaccepted)) {
        const answer = await send(app, request, token);
        t.is(answer.status, 401, `${operationId}: ${what}`);
        t.regex(
          answer.headers.get('www-authenticate') ?? '',
          token === bound ? /^DPoP/ : /^Bearer/,
          operationId,
        );
        t.is(answer.headers.get('content-type'), 'application/problem+json', operationId);
        t.regex(answer.headers.get('error-ref') ?? '', /^err_/, operationId);
        tried += 1;
      }
      if (call.scope === 'any') return;
      for (const [scope, token] of narrow) {
        if (scope === call.scope) continue;
        const answer = await send(app, request, token);
        t.is(answer.status, 403, `${operationId}: ${scope}`);
        const challenge = new RegExp(`insufficient_scope.*scope="${call.scope}"`);
        t.regex(answer.headers.get('www-authenticate') ?? '', challenge, operationId);
        tried += 1;
      }
      // With the right one, it is no longer about authority. What would change something is sent without a version or a body.
      const harmless = {
        ...request,
        headers: { 'Content-Type': 'text/plain' },
        ...(call.method !== 'GET' && { body: 'x' }),
      };
      const opened = await send(app, harmless, narrow.get(call.scope));
      t.false([401, 403].includes(opened.status), `${operationId}: ${opened.status}`);
    });
    t.is(await state(), before);
    t.log(`${CALLS.length} calls, ${tried} requests refused`);
  },
);

test('R112, R114: no call takes a field, a parameter or a body that is not described', async t => {
  const { app, admin, requestOf, state } = await world(t);
  const token = await admin();
  const before = await state();
  const json = { 'Content-Type': 'application/json' };
  await ofEachCall(async (operationId, call) => {
    const request = requestOf(call);
    const separator = request.path.includes('?') ? '&' : '?';
    for (const parameter of ['isAdmin=1', '__proto__=1', '$where=1', 'limit[$gt]=1', '_id=1']) {
      const path = `${request.path}${separator}${parameter}`;
      t.is((await send(app, { ...request, path }, token)).status, 400, `${operationId}: ${parameter}`);
    }
    if (call.query) {
      const twice = { ...request, path: `${request.path}${separator}limit=1&limit=2` };
      t.is((await send(app, twice, token)).status, 400, operationId);
    }
    if (call.method === 'GET') return;
    const described = (call.example.body ?? {}) as object;
    for (const field of ['role', 'secretHash', 'status', 'epoch', '_id', '__v', 'isAdmin']) {
      const body = JSON.stringify({ ...described, [field]: 'x' });
      const headers = { ...request.headers, ...json };
      const answer = await send(app, { ...request, headers, body }, token);
      t.is(answer.status, 400, `${operationId}: ${field}: ${answer.text}`);
    }
    const wrong: [body: string, type: string, status: number][] = [
      ['{"__proto__":{"polluted":true}}', 'application/json', 400],
      ['{"constructor":{"prototype":{"polluted":true}}}', 'application/json', 400],
      ['{"a":', 'application/json', 400],
      ['"text"', 'application/json', 400],
      ['[]', 'application/json', 400],
      ['null', 'application/json', 400],
      [`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`, 'application/json', 400],
      ['{}', 'text/plain', 415],
      ['a=1', 'application/x-www-form-urlencoded', 415],
      [`{"name":"${'x'.repeat(BODY_LIMIT)}"}`, 'application/json', 413],
    ];
    for (const [body, type, status] of wrong) {
      const headers = { ...request.headers, 'Content-Type': type };
      const answer = await send(app, { ...request, headers, body }, token);
      t.is(answer.status, status, `${operationId}: ${body.slice(0, 40)} ${answer.text}`);
    }
  });
  t.is(await state(), before);
  t.is((Object.prototype as Record<string, unknown>)['polluted'], undefined);
});

/** What matches nothing, and what cannot be read, by the answer it gets (RFC 9110 section 13.1.1). */
const UNMATCHED = ['W/"1"', '"0"', '"01"', '"-1"', '"2"', '"x"', '""', '"2", W/"1"', '"9999999999999999"'];
const UNREADABLE = ['', ' ', ',', '1', '"1', '"1" "2"', '*, "1"', '"1", *', 'w/"1"', '"a b"', '**'];

test('RFC 9110 section 13.1.1: a change names a version; another, a weak one or what cannot be read changes nothing', async t => {
  const { app, admin, requestOf, state } = await world(t);
  const token = await admin();
  const before = await state();
  const versioned = CALLS.filter(([, call]) => call.ifMatch);
  t.is(versioned.length, CALLS.filter(([, { method }]) => method === 'PATCH').length);
  for (const [operationId, call] of versioned) {
    const request = requestOf(call);
    const { 'If-Match': _, ...headers } = request.headers ?? {};
    t.is((await send(app, { ...request, headers }, token)).status, 428, operationId);
  }
  for (const [operationId, call] of CALLS) {
    const request = requestOf(call);
    for (const [sent, status] of [
      ...UNREADABLE.map(sent => [sent, 400] as const),
      ...UNMATCHED.map(sent => [sent, 412] as const),
    ]) {
      const answer = await send(
        app,
        { ...request, headers: { ...request.headers, 'If-Match': sent } },
        token,
      );
      // A request that could not be granted anyway is refused for that.
      if (status === 412 && answer.status !== 412) {
        t.is(answer.status, (await send(app, request, token)).status, `${operationId}: ${sent}`);
        t.true(answer.status >= 400, `${operationId}: ${sent}: ${answer.status}`);
      } else {
        t.is(answer.status, status, `${operationId}: ${sent}`);
      }
    }
  }
  t.is(await state(), before);
});

test('RFC 9110: a path answers HEAD as GET, OPTIONS with its methods, and others with 405 and the same', async t => {
  const { app, admin, requestOf, state } = await world(t);
  const token = await admin();
  const before = await state();
  const methods = new Map<string, Set<string>>();
  for (const [, call] of CALLS) {
    const { path } = requestOf(call, {});
    const own = path.replace(/\?$/, '');
    methods.set(own, (methods.get(own) ?? new Set()).add(call.method));
  }
  for (const [path, own] of methods) {
    const allowed = [...own, ...(own.has('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) {
      if (own.has(method) || (method === 'HEAD' && own.has('GET'))) continue;
      const answer = await send(app, { method, path }, token);
      t.is(answer.status, method === 'OPTIONS' ? 204 : 405, `${method} ${path}`);
      t.deepEqual((answer.headers.get('allow') ?? '').split(', ').sort(), allowed, `${method} ${path}`);
      t.is(answer.headers.get('access-control-allow-origin'), null);
      if (method !== 'OPTIONS' && method !== 'HEAD') t.regex(answer.json.type, /#method-not-allowed$/);
    }
    if (!own.has('GET')) continue;
    const [head, get] = [
      await send(app, { method: 'HEAD', path }, token),
      await send(app, { method: 'GET', path }, token),
    ];
    t.is(head.status, get.status, path);
    t.is(head.text, '', path);
    for (const name of ['content-type', 'etag', 'cache-control'])
      t.is(head.headers.get(name), get.headers.get(name), `${path}: ${name}`);
    t.is((await send(app, { method: 'HEAD', path })).status, 401, path);
  }
  t.is(await state(), before);
  t.is((await send(app, { method: 'GET', path: '/no-such-thing' }, token)).status, 404);
});

test('I15: an id that nobody has and one of another kind tell nothing but that', async t => {
  const { app, owner, resource, agent, admin } = await world(t);
  const token = await admin();
  const known: Readonly<Record<string, string>> = {
    agents: agent.id,
    people: owner.id,
    resources: resource.id,
  };
  for (const [operationId, call] of CALLS) {
    const collection = call.path.split('/')[1] ?? '';
    const own = known[collection];
    if (own === undefined || !call.path.includes('{id}')) continue;
    const prefix = own.slice(0, 4);
    const answers: string[] = [];
    for (const id of [`${prefix}${'f'.repeat(32)}`, `${prefix}${'0'.repeat(31)}7`]) {
      const request = {
        method: call.method,
        path: call.path.replace('{id}', id).replace(/\{\w+\}/, nameIn(call.path)),
        headers: {
          ...(call.example.body !== undefined && { 'Content-Type': 'application/json' }),
          ...(call.ifMatch && { 'If-Match': '"1"' }),
        },
        ...(call.example.body !== undefined && { body: JSON.stringify(call.example.body) }),
      };
      const answer = await send(app, request, token);
      t.is(answer.status, 404, operationId);
      answers.push(answer.text.replaceAll(id, 'ID'));
    }
    t.is(answers[0], answers[1], operationId);
    const others = Object.values(known).filter(id => id !== own);
    for (const id of others) {
      const path = call.path.replace('{id}', id).replace(/\{\w+\}/, nameIn(call.path));
      t.is((await send(app, { method: call.method, path }, token)).status, 400, `${operationId}: ${id}`);
    }
  }
});

/** What a path may name within a record: a secret or a key that it does not have. */
function nameIn(path: string): string {
  return `${path.includes('{key}') ? 'jwk' : 'sec'}_${'a'.repeat(12)}`;
}
