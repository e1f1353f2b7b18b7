/** `/openapi.json`: true of what is served, in both directions, and every example in it works. */
import test from 'ava';
import { ADMIN_CALLS } from '../../src/admin-api/calls.ts';
import type { AdminCallDescription } from '../../src/admin-api/index.ts';
import type { DelegationChange } from '../../src/delegation/index.ts';
import type { ElevationChange } from '../../src/elevation/index.ts';
import { createAdminRouter } from '../../src/http/admin-router.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { listProblems } from '../../src/http/problem.ts';
import { delegationRecord, elevationRecord } from '../contract/records.ts';
import { type App, startApp } from '../support/start-app.ts';
import { addWithKey } from '../support/with-key.ts';

const SOURCE = {
  calls: ADMIN_CALLS,
  issuer: 'https://as.example',
  version: '1.2.3',
  docsUrl: 'https://as.example/docs/errors',
};
const CALLS = Object.entries(ADMIN_CALLS) as [string, AdminCallDescription][];

// biome-ignore lint/suspicious/noExplicitAny: a document that the tests walk through freely
type Document = any;

function operationsOf(document: Document): [path: string, method: string, operation: Document][] {
  return Object.entries(document.paths as Record<string, Record<string, Document>>).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, string, Document] => [path, method, operation]),
  );
}

test('the document is OpenAPI 3.1 with an operation for each call, and none besides', t => {
  const document: Document = openApiDocument(SOURCE);
  t.regex(document.openapi, /^3\.1\./);
  t.deepEqual(document.servers, [{ url: 'https://as.example/api/v1' }]);
  const operations = operationsOf(document);
  t.deepEqual(
    operations.map(([path, method, { operationId }]) => [operationId, method.toUpperCase(), path]).sort(),
    CALLS.map(([operationId, { method, path }]) => [operationId, method, path]).sort(),
  );
  const { flows } = document.components.securitySchemes.clientCredentials;
  t.is(flows.clientCredentials.tokenUrl, 'https://as.example/token');
  t.deepEqual(Object.keys(flows.clientCredentials.scopes), [
    'read',
    'agents',
    'people',
    'kill',
    'keys',
    'audit',
  ]);
});

test('every reference in the document leads somewhere, and every component is used', t => {
  const text = JSON.stringify(openApiDocument(SOURCE));
  const document: Document = JSON.parse(text);
  const references = new Set(
    [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)].map(([, kind, name]) => `${kind}/${name}`),
  );
  t.true(references.size > 20);
  t.false(text.includes('$defs'));
  const components = Object.entries(document.components as Record<string, object>)
    .filter(([kind]) => kind !== 'securitySchemes')
    .flatMap(([kind, named]) => Object.keys(named).map(name => `${kind}/${name}`));
  t.deepEqual([...references].sort(), components.sort());
});

test('no schema is empty: what it says is what is checked', t => {
  const empty: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if (/\/(properties\/[^/]+|items|schema)$/.test(path) && Object.keys(value).length === 0) empty.push(path);
    for (const [key, member] of Object.entries(value)) walk(member, `${path}/${key}`);
  };
  walk(openApiDocument(SOURCE), '');
  t.deepEqual(empty, []);
});

test('every operation says who may call it, what it is refused for, and has an example where it takes something', t => {
  for (const [path, method, operation] of operationsOf(openApiDocument(SOURCE))) {
    const name = `${method} ${path}`;
    t.true(operation.summary.length > 0 && !operation.summary.endsWith('.'), name);
    for (const status of ['400', '401', '500', '503'])
      t.truthy(operation.responses[status], `${name}: ${status}`);
    for (const parameter of operation.parameters ?? []) {
      if (parameter.required) t.truthy(parameter.example, `${name}: ${parameter.name}`);
    }
    for (const content of Object.values(operation.requestBody?.content ?? {}) as Document[]) {
      t.truthy(content.example, name);
    }
  }
});

test('every problem of the API is one that some operation documents', t => {
  const text = JSON.stringify(openApiDocument(SOURCE));
  // Not of a described call: for paths without one, of form-encoded requests, and of what is no endpoint of the API.
  const elsewhere = [
    ...['route-unknown', 'method-not-allowed', 'parameters-in-url', 'too-many-parameters'],
    ...['host-foreign', 'target-foreign', 'path-unknown', 'not-ready', 'sign-in-not-possible'],
  ];
  for (const [reason, { code }] of listProblems()) {
    t.not(text.includes(`#${code ?? reason}"`), elsewhere.includes(reason), reason);
  }
});

test('a server binds every described call, and no other', t => {
  const shell = createAdminRouter({ issuer: new URL('https://as.example') } as never, {
    getAgent: ADMIN_CALLS.getAgent,
  });
  t.throws(() => shell.routes(), { message: 'nothing is bound to getAgent' });
  t.throws(() => shell.route(ADMIN_CALLS.killAgent, async () => ({}) as never), { message: /not described/ });
  shell.route(ADMIN_CALLS.getAgent, async () => ({}) as never);
  t.notThrows(() => shell.routes());
  t.throws(() => shell.route(ADMIN_CALLS.getAgent, async () => ({}) as never), { message: /bound already/ });
});

test('the document is public, says which server it is about, and is not sent again unchanged', async t => {
  const app = await startApp(t);
  const first = await fetch(`${app.base}/openapi.json`);
  t.is(first.status, 200);
  t.is(first.headers.get('content-type'), 'application/json');
  t.is(first.headers.get('access-control-allow-origin'), '*');
  const document: Document = await first.json();
  t.deepEqual(document.servers, [{ url: `${app.issuer}/api/v1` }]);
  // A directive of the caller's own keeps fetch from adding one that asks for the whole document.
  const headers = { 'If-None-Match': first.headers.get('etag') ?? '', 'Cache-Control': 'max-age=60' };
  t.is((await fetch(`${app.base}/openapi.json`, { headers })).status, 304);
});

test('every example in the document works, in the order of the document', async t => {
  const app = await startApp(t);
  const document: Document = await (await fetch(`${app.base}/openapi.json`)).json();
  const token = await adminToken(app);
  const byId = new Map(
    operationsOf(document).map(operation => [operation[2].operationId as string, operation]),
  );
  let made = 0;
  for (const [operationId] of CALLS) {
    const [path, method, operation] = byId.get(operationId) as [string, string, Document];
    const ids = await idsFor(app, token, operationId);
    const url = new URL(
      `${document.servers[0].url}${path}`.replaceAll(/\{(\w+)\}/g, (_, name) => {
        return ids[name] ?? operation.parameters.find((each: Document) => each.name === name).example;
      }),
    );
    for (const { name, in: where, example } of operation.parameters ?? []) {
      if (where === 'query' && example !== undefined) url.searchParams.set(name, String(example));
    }
    const [[mediaType, content] = []] = Object.entries(operation.requestBody?.content ?? {}) as [
      string,
      Document,
    ][];
    const takes = (name: string) =>
      operation.parameters?.some((each: Document) => each.$ref?.endsWith(`/${name}`));
    const init = {
      method: method.toUpperCase(),
      headers: {
        Authorization: `Bearer ${token}`,
        ...(mediaType && { 'Content-Type': mediaType }),
        ...(takes('IfMatch') && { 'If-Match': await versionOf(url, token) }),
        ...(takes('IdempotencyKey') && { 'Idempotency-Key': `"${operationId}"` }),
      },
      ...(content && { body: JSON.stringify({ ...content.example, ...bodyIds(content.example, ids) }) }),
    };
    const first = await fetch(url, init);
    // Where it makes something, what is looked at is the repetition, which says as much and besides that it is one.
    const answer = takes('IdempotencyKey') ? await fetch(url, init) : first;
    const text = await answer.text();
    const success = Object.keys(operation.responses).find(status => status.startsWith('2')) ?? '';
    t.is(String(answer.status), success, `${operationId}: ${text}`);
    for (const name of Object.keys(operation.responses[success].headers ?? {})) {
      t.truthy(answer.headers.get(name), `${operationId}: ${name}`);
    }
    made += 1;
  }
  t.is(made, CALLS.length);
});

async function adminToken(app: App): Promise<string> {
  const answer = await app.post(
    '/token',
    { grant_type: 'client_credentials' },
    { basic: [app.admin.clientId, app.admin.secret] },
  );
  return answer.json.access_token;
}

async function versionOf(url: URL, token: string): Promise<string> {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  return answer.headers.get('etag') ?? '';
}

/** Of identifiers, those that the body of an example names. */
function bodyIds(example: Document, ids: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(ids).filter(([name]) => Object.hasOwn(example, name)));
}

/** Identifiers that no example can know, because the server makes them. */
async function idsFor(app: App, token: string, operationId: string): Promise<Record<string, string>> {
  const list = async (path: string): Promise<Document[]> => {
    const headers = { Authorization: `Bearer ${token}` };
    return ((await (await fetch(`${app.base}/api/v1${path}`, { headers })).json()) as Document).items;
  };
  switch (operationId) {
    case 'getDelegation':
    case 'endDelegation': {
      // People give them, in their own session.
      const record = delegationRecord();
      const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
      await app.store.commit({ changes: [given], events: [], authority: { none: 'boot' } });
      return { id: record.id };
    }
    case 'getElevation':
    case 'revokeElevation': {
      // Agents ask for them.
      const record = elevationRecord();
      const asked: ElevationChange = { kind: 'insert', collection: 'elevation', record };
      await app.store.commit({ changes: [asked], events: [], authority: { none: 'boot' } });
      return { id: record.id };
    }
    case 'retireSigningKey':
    case 'killSigningKey':
      return { id: (await list('/keys')).find(({ alg }) => alg === 'ES256').id };
    case 'addAgentKey':
    case 'addResourceKey':
    case 'listAgentKeys':
    case 'listResourceKeys':
    case 'revokeAgentKey':
    case 'revokeResourceKey': {
      // Of one that has keys.
      const made = await addWithKey(app, operationId.includes('Agent') ? 'agent' : 'resource');
      return operationId.startsWith('add') ? { id: made.id } : made;
    }
    case 'revokeAgentSecret':
      return { secret: (await list(`/agents/agt_${'a'.repeat(32)}/secrets`))[0].id };
    case 'revokeResourceSecret':
      return { secret: (await list(`/resources/res_${'a'.repeat(32)}/secrets`))[0].id };
    case 'getToken':
    case 'explainToken':
      return { jti: (await list(`/agents/${app.admin.clientId}/tokens`))[0].jti };
    case 'revokeToken': {
      // Any but the one that all of this is done with.
      await adminToken(app);
      return { jti: (await list(`/agents/${app.admin.clientId}/tokens`))[0].jti };
    }
    default:
      return {};
  }
}
