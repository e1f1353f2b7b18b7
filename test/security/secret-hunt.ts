/** A server that is used in every way there is, with secrets in every place where one can be put by mistake. */
import { createPrivateKey, createSecretKey, generateKeyPairSync, KeyObject } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { ExecutionContext } from 'ava';
import { SignJWT } from 'jose';
import mongoose from 'mongoose';
import { sealingKey } from '../../src/keys/index.ts';
import { DEFERRED_GRANT_TYPE, GRANT_TYPES, TOKEN_TYPES } from '../../src/oauth.ts';
import type { Person } from '../../src/people/index.ts';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/admin-api.ts';
import { letAct } from '../support/elevations.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import {
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  presenting,
  signAssertion,
  startApp,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { enrol, type Send, Visitor } from '../support/visitor.ts';

/** Values that must be found nowhere, and what each of them is. */
export class Secrets {
  /** By their first four bytes, so that a haystack is gone through once and not once for each of them. */
  readonly #needles = new Map<number, { readonly what: string; readonly bytes: Buffer }[]>();
  /** Which first bytes there may be: most of a haystack is passed over without a look into the map. */
  readonly #beginnings = new Uint8Array(1 << 20);
  readonly #values = new Map<string, string>();

  /** Takes a value that was used or issued. It is looked for as it is, and in the encodings that it may turn up in. */
  add(what: string, value: string): string {
    if (value.length < 16) throw new Error(`${what}: "${value}" could be found by chance`);
    if (this.#values.has(value)) return value;
    this.#values.set(value, what);
    const text = Buffer.from(value);
    this.addBytes(what, text);
    this.addBytes(`${what} in base64`, Buffer.from(text.toString('base64').replace(/=+$/, '')));
    this.addBytes(`${what} in base64url`, Buffer.from(text.toString('base64url')));
    this.addBytes(`${what} in hexadecimal`, Buffer.from(text.toString('hex')));
    const encoded = encodeURIComponent(value);
    if (encoded !== value) this.addBytes(`${what} form-encoded`, Buffer.from(encoded));
    return value;
  }

  addBytes(what: string, bytes: Buffer): void {
    const start = bytes.readUInt32BE(0);
    const alike = this.#needles.get(start) ?? [];
    alike.push({ what, bytes });
    this.#needles.set(start, alike);
    this.#beginnings[bitOf(start)] = 1;
  }

  get size(): number {
    return this.#values.size;
  }

  /** What is found in some bytes, by what it is and never by its value. */
  findIn(haystack: Buffer): readonly string[] {
    const found = new Set<string>();
    let start = 0;
    for (let end = 0; end < haystack.length; end += 1) {
      start = ((start << 8) | (haystack[end] ?? 0)) >>> 0;
      if (end < 3 || this.#beginnings[bitOf(start)] === 0) continue;
      for (const { what, bytes } of this.#needles.get(start) ?? []) {
        if (haystack.subarray(end - 3, end - 3 + bytes.length).equals(bytes)) found.add(what);
      }
    }
    return [...found];
  }
}

/** Where four bytes are noted in a table of 2^20. */
function bitOf(start: number): number {
  return Math.imul(start, 0x9e3779b1) >>> 12;
}

export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answered {
  readonly status: number;
  /** Status line, headers and body, as they came. */
  readonly raw: string;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each step knows what it asked for
  readonly json: any;
  readonly cookies: readonly string[];
}

/** What the steps of the scenario share. */
/** A process has one SDK, so the hunts of a process share it. */
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

export interface Hunt {
  readonly app: App;
  readonly logs: readonly string[];
  readonly secrets: Secrets;
  /** Answers that refuse, whole. An answer that grants carries the token that it grants. */
  readonly refusals: readonly string[];
  readonly checkpointFile: string;
  /** Everything that has left in spans, a text each. */
  spans(): readonly string[];
  readonly owner: Person;
  readonly opaque: TestResource;
  readonly jwt: TestResource;
  readonly agent: TestAgent;
  readonly keyAgent: Awaited<ReturnType<typeof addKeyAgent>>;
  /** A token for the admin API, with all its scopes. */
  readonly adminToken: string;
  call(method: string, path: string, call?: Call): Promise<Answered>;
  pass(ms: number): void;
  /** What a person's browser sends, with each cookie and link noted as a secret. */
  readonly browse: Send;
  /** What is told of the server in figures. */
  metrics(): Promise<string>;
  /** A token, noted as a secret. */
  issue(agent: TestAgent, resource: TestResource): Promise<string>;
  /** An assertion, noted as a secret. */
  assertion(claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Notes the signing keys that have been made since the start. */
  noteKeys(): Promise<void>;
  /** What the store holds, as bytes. */
  stored(): Promise<readonly { readonly where: string; readonly bytes: Buffer }[]>;
}

export const basicHeader = (id: string, secret: string): string =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

/** Starts the server of a hunt: logs at the lowest level, and every secret that it is given or has made is noted. */
export async function startHunt(t: ExecutionContext, env: Readonly<Record<string, string>>): Promise<Hunt> {
  const [logs, refusals, secrets] = [[] as string[], [] as string[], new Secrets()];
  const outside = await mkdtemp(join(tmpdir(), 'countersign-checkpoints-'));
  t.teardown(() => rm(outside, { recursive: true, force: true }));
  const checkpointFile = join(outside, 'checkpoints.jws');
  const checkpointKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  notePrivateKey(secrets, 'the key of checkpoints', checkpointKey);
  let [ahead, calls] = [0, 0];
  const app = await startApp(t, {
    logs,
    clock: () => Date.now() + ahead,
    env: {
      ...env,
      // So that tokens outlive the hunt.
      COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS: '3600',
      COUNTERSIGN_METRICS_PORT: '0',
      COUNTERSIGN_LOG_LEVEL: 'trace',
      COUNTERSIGN_TRACES: 'on',
      COUNTERSIGN_AUDIT_CHECKPOINT_FILE: checkpointFile,
      COUNTERSIGN_AUDIT_CHECKPOINT_KEY: checkpointKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    },
  });
  const noteKeys = () => noteServerKeys(app, secrets, env['COUNTERSIGN_KEY_ENCRYPTION_KEY']);
  await noteKeys();

  await letAdminTokensLive(app);
  const owner = await addPerson(app);
  const opaque = await addResource(app);
  const jwt = await addResource(app, { tokenFormat: { kind: 'jwt', alg: 'ES256' } });
  const scopesAt = (...scopes: string[]) =>
    [opaque, jwt].map(({ identifier }) => ({ resource: identifier, scopes }));
  const rights = { envelope: scopesAt('read', 'write'), baseline: scopesAt('read') };
  const agent = await addAgent(app, owner, opaque, rights);
  const keyAgent = await addKeyAgent(app, owner, opaque);
  notePrivateKey(secrets, 'the private key of an agent', KeyObject.from(keyAgent.privateKey));
  for (const [what, id, secret] of [
    ['the secret of a resource server', opaque.id, opaque.secret],
    ['the secret of another resource server', jwt.id, jwt.secret],
    ['the secret of an agent', ...agent.basic],
    ['the secret of the administrator', app.admin.clientId, app.admin.secret],
  ] as const) {
    secrets.add(what, secret);
    secrets.add(`${what}, in a header`, basicHeader(id, secret).slice('Basic '.length));
  }

  const call = async (method: string, path: string, options: Call = {}): Promise<Answered> => {
    // A client has a hundred rows of its own in a minute: what is written of each refusal is to be looked at.
    calls += 1;
    if (calls % 90 === 0) ahead += 60_000;
    const answer = await send(app, method, path, options);
    for (const cookie of answer.cookies) secrets.add('a cookie', cookie);
    // Whoever has to wait is given what they ask with (draft-ietf-oauth-deferred-token-response-01): no refusal, whatever its status.
    if (answer.status >= 400 && answer.json?.deferral_code === undefined) refusals.push(answer.raw);
    return answer;
  };
  const issue = async ([id, secret]: readonly [string, string], resource?: string): Promise<string> => {
    const { json, text } = await call('POST', '/token', {
      headers: { Authorization: basicHeader(id, secret) },
      form: { grant_type: 'client_credentials', ...(resource !== undefined && { resource }) },
    });
    if (typeof json?.access_token !== 'string') throw new Error(`no token was issued: ${text}`);
    return noteSigned(secrets, 'a token', json.access_token);
  };
  return {
    app,
    logs,
    refusals,
    secrets,
    pass: ms => {
      ahead += ms;
    },
    browse: async (method, url, headers, body) => {
      const [, link] = /\/enrol\/([^/?]+)/.exec(url) ?? [];
      if (link !== undefined && link.length >= 16) secrets.add('an enrolment link', link);
      const response = await fetch(url, {
        method,
        redirect: 'manual',
        headers,
        ...(body !== undefined && { body }),
      });
      for (const line of response.headers.getSetCookie()) {
        const value = /=([^;]*)/.exec(line)?.[1] ?? '';
        if (value.length >= 16) secrets.add('a cookie of a person', value);
      }
      const text = await response.text();
      // A page that refuses shows its form again, with the token of that form, which is not noted.
      if (response.status >= 400)
        refusals.push(
          `${response.status} ${[...response.headers].filter(([name]) => name !== 'set-cookie').join('\n')}\n\n${text}`,
        );
      return { status: response.status, headers: response.headers, text };
    },
    metrics: async () => {
      const { port } = logs.map(line => JSON.parse(line)).find(({ msg }) => msg === 'metrics') as {
        port: number;
      };
      return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    },
    checkpointFile,
    spans: () => exporter.getFinishedSpans().map(textOf),
    owner,
    opaque,
    jwt,
    agent,
    keyAgent,
    adminToken: await issue([app.admin.clientId, app.admin.secret]),
    call,
    issue: (client, resource) => issue(client.basic, resource.identifier),
    assertion: async claims =>
      noteSigned(secrets, 'an assertion', await signAssertion(app, keyAgent, claims)),
    noteKeys,
    stored: () => readStore(app, env['COUNTERSIGN_STORE']),
  };
}

/** A token for the admin API lives for minutes, and the hunt lets more of them go by. */
async function letAdminTokensLive({ store }: App): Promise<void> {
  const known = await store.findResource(ADMIN_API_RESOURCE_ID);
  if (!known) throw new Error('there is no resource server for the admin API');
  const record = { ...known, version: known.version + 1, accessTokenTtlSeconds: 3_600 };
  await store.commit({
    changes: [{ kind: 'replace', collection: 'resource', record, ifVersion: known.version }],
    events: [],
    authority: { none: 'boot' },
  });
}

/** What an exporter sends of a span. */
function textOf(span: ReadableSpan): string {
  const { name, kind, attributes, events, links, status, resource, instrumentationScope } = span;
  return JSON.stringify([
    [name, kind, span.spanContext().traceState?.serialize(), attributes, events, links, status],
    [resource.attributes, instrumentationScope],
  ]);
}

/** Of a JWS the header and the claims are no secrets; whoever has its signature has it. */
function noteSigned(secrets: Secrets, what: string, value: string): string {
  const signature = value.split('.')[2];
  if (signature !== undefined) secrets.add(`the signature of ${what}`, signature);
  return secrets.add(what, value);
}

function notePrivateKey(secrets: Secrets, what: string, key: KeyObject): void {
  const { d = '' } = key.export({ format: 'jwk' });
  secrets.add(what, d);
  secrets.addBytes(`${what}, as bytes`, Buffer.from(d, 'base64url'));
}

/** The keys that the server holds: how they are sealed is known to the test, so it can open them. */
async function noteServerKeys(app: App, secrets: Secrets, configured: string | undefined): Promise<void> {
  const text = configured ?? (await readFile(join(app.directory, 'key-encryption-key'), 'utf8')).trim();
  const bytes = Buffer.from(text, 'base64url');
  secrets.add('the key-encryption key', text);
  secrets.addBytes('the key-encryption key, as bytes', bytes);
  secrets.addBytes('the key-encryption key in hexadecimal', Buffer.from(bytes.toString('hex')));
  const sealing = sealingKey(createSecretKey(bytes));
  for (const { id, sealedPrivateKey } of await app.store.listSigningKeys()) {
    if (sealedPrivateKey === undefined) continue;
    const der = sealing.unseal(sealedPrivateKey, id);
    notePrivateKey(
      secrets,
      `signing key ${id}`,
      createPrivateKey({ key: der, type: 'pkcs8', format: 'der' }),
    );
  }
}

async function readStore(app: App, uri: string | undefined) {
  if (uri === undefined) {
    const names = (await readdir(app.directory)).filter(name => name.startsWith('countersign.sqlite'));
    return Promise.all(
      names.map(async where => ({ where, bytes: await readFile(join(app.directory, where)) })),
    );
  }
  const client = await new mongoose.mongo.MongoClient(uri).connect();
  try {
    const collections = await client.db().listCollections().toArray();
    return await Promise.all(
      collections.map(async ({ name }) => {
        const documents = await client.db().collection(name).find({}, { raw: true }).toArray();
        return { where: name, bytes: Buffer.concat(documents as unknown as Buffer[]) };
      }),
    );
  } finally {
    await client.close();
  }
}

/** node:http, since `fetch` lets no test send a Host of its own, nor spell a path as it likes. */
function send(app: App, method: string, path: string, { headers, form, body }: Call): Promise<Answered> {
  const { host, port } = new URL(app.base);
  const text = body ?? (form && new URLSearchParams(form).toString());
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: 'localhost',
        port,
        method,
        path,
        headers: {
          Host: host,
          ...(form && { 'Content-Type': 'application/x-www-form-urlencoded' }),
          ...(text !== undefined && { 'Content-Length': Buffer.byteLength(text) }),
          ...headers,
        },
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString();
          let json: unknown;
          try {
            json = JSON.parse(answer);
          } catch {
            json = undefined;
          }
          resolve({
            status: response.statusCode ?? 0,
            raw: `${response.statusCode} ${response.statusMessage}\n${response.rawHeaders.join('\n')}\n\n${answer}`,
            text: answer,
            json,
            cookies: (response.headers['set-cookie'] ?? []).map(cookie => /=([^;]*)/.exec(cookie)?.[1] ?? ''),
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** What a step does with the server. Each kind of secret, once there is one more, is one more step. */
export type Step = (hunt: Hunt) => Promise<void>;

const INTROSPECTING: Step = async ({ call, issue, agent, opaque, jwt, adminToken }) => {
  for (const resource of [opaque, jwt]) {
    const token = await issue(agent, resource);
    const form = { token };
    const own = { Authorization: basicHeader(resource.id, resource.secret) };
    const foreign = { Authorization: basicHeader(...agent.basic) };
    await call('POST', '/introspect', { headers: own, form });
    await call('POST', '/introspect', { headers: foreign, form });
    await call('POST', '/introspect', { headers: own, form: { token: adminToken } });
    await call('POST', '/introspect', { headers: own, form: { token: `${token}x` } });
    await call('POST', '/revoke', { headers: own, form });
    await call('POST', '/revoke', { headers: foreign, form });
    await call('POST', '/revoke', { headers: foreign, form });
    await call('POST', '/introspect', { headers: own, form });
  }
};

const AUTHENTICATING: Step = async ({ call, issue, assertion, agent, keyAgent, opaque, jwt, secrets }) => {
  const asking = { grant_type: 'client_credentials', resource: opaque.identifier };
  for (const resource of [opaque, jwt]) await issue(agent, resource);
  const [client_id, client_secret] = agent.basic;
  const posted = await call('POST', '/token', { form: { ...asking, client_id, client_secret } });
  const signed = await call('POST', '/token', { form: { ...asking, ...presenting(await assertion()) } });
  for (const { json } of [posted, signed]) secrets.add('a token', json.access_token);

  const replayed = await assertion();
  for (const path of ['/token', '/introspect', '/revoke', '/par']) {
    await call('POST', path, { form: { ...asking, token: 'x', ...presenting(replayed) } });
  }
  const wrongClaims = [
    { aud: 'https://other.example' },
    { exp: 1 },
    { iss: agent.id },
    { sub: agent.id },
    { sub: opaque.secret, iss: opaque.secret },
    { jti: undefined },
  ];
  for (const claims of wrongClaims) {
    await call('POST', '/token', { form: { ...asking, ...presenting(await assertion(claims)) } });
  }
  const good = await assertion();
  for (const broken of [good.slice(0, -3), `${good}x`, good.split('.').slice(0, 2).join('.'), `x${good}`]) {
    await call('POST', '/token', { form: { ...asking, ...presenting(broken) } });
  }
  await call('POST', '/token', { form: { ...asking, ...presenting(good), client_id, client_secret } });
  await call('POST', '/token', { form: { ...asking, ...presenting(good), client_id } });
  await call('POST', '/token', { form: { ...asking, client_id: keyAgent.id, client_secret } });
  await call('POST', '/token', {
    headers: { Authorization: basicHeader(...agent.basic) },
    form: { ...asking, client_id: keyAgent.id },
  });
};

const ADMINISTERING: Step = async ({
  call,
  secrets,
  noteKeys,
  adminToken,
  owner,
  opaque,
  agent,
  keyAgent,
}) => {
  const admin = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    call(method, `/api/v1/${path}`, {
      headers: {
        Authorization: `Bearer ${adminToken}`,
        ...(body && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const envelope = [{ resource: opaque.identifier, scopes: ['read'] }];
  const input = { name: 'New', ownerId: owner.id, envelope, baseline: envelope };
  const made = await admin('POST', 'agents', { ...input, credential: { method: 'client_secret' } });
  secrets.add('the secret of a new agent', made.json.secret);
  const again = await admin('POST', `agents/${made.json.id}/secrets`);
  secrets.add('the next secret of that agent', again.json.secret);
  const { json: server } = await admin('POST', 'resources', {
    identifier: 'https://new.example/mcp',
    name: 'New',
    scopes: [{ name: 'read', sentence: 'Read', risk: 'low' }],
  });
  secrets.add('the secret of a new resource server', server.secret);
  const second = await admin('POST', `resources/${server.id}/secrets`);
  secrets.add('the next secret of that resource server', second.json.secret);

  // What people send by mistake: the private key instead of the public one, a secret that they have chosen.
  const privateJwk = KeyObject.from(keyAgent.privateKey).export({ format: 'jwk' });
  const chosen = secrets.add('a secret chosen by an administrator', 'Chosen-by-somebody-0123');
  const credentials = [
    { method: 'private_key_jwt', keys: [privateJwk] },
    { method: 'private_key_jwt', keys: [{ ...privateJwk, kid: chosen, alg: 'none' }] },
    { method: 'client_secret', secret: chosen },
    { method: chosen },
    chosen,
  ];
  for (const credential of credentials) await admin('POST', 'agents', { ...input, credential });
  await admin('PATCH', `agents/${agent.id}`, { credential: { secret: chosen } }, { 'If-Match': '"1"' });
  await admin('PATCH', `agents/${agent.id}`, { name: 'Renamed' }, { 'If-Match': '"1"' });

  for (const kind of [`agents/${made.json.id}`, `resources/${server.id}`]) {
    for (const verb of ['kill', 'restore', 'kill']) await admin('POST', `${kind}/${verb}`);
  }
  const { json: person } = await admin('POST', 'people', { name: 'Somebody' });
  for (const verb of ['kill', 'restore']) await admin('POST', `people/${person.id}/${verb}`);
  const { json: keys } = await admin('GET', 'keys');
  for (const { id } of keys.items) await admin('POST', `keys/${id}/kill`);
  await noteKeys();
  for (const path of ['agents', 'people', 'resources', 'keys', 'audit?limit=200']) await admin('GET', path);
};

const WALKING: Step = async ({ call, agent, opaque, secrets, assertion }) => {
  const verifier = secrets.add('a PKCE verifier', 'v3rifier-of-the-tests-0123456789-ABCDEFGHIJKLMNOP');
  const code = secrets.add('a code', 'C0de-of-the-tests-0123456789-ABCDEFGHIJKLMNOPQRST');
  const [client_id, client_secret] = agent.basic;
  const asking = {
    client_id,
    response_type: 'code',
    redirect_uri: 'https://client.example/callback',
    resource: opaque.identifier,
    scope: 'read',
    state: secrets.add('a state', 'St4te-of-the-tests-0123456789-ABCDEFGHIJKLMNOPQRS'),
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  const headers = { Authorization: basicHeader(...agent.basic) };
  await call('POST', '/par', { headers, form: asking });
  await call('POST', '/par', { form: { ...asking, client_secret } });
  await call('POST', '/par', { form: { ...asking, ...presenting(await assertion()) } });
  for (const extra of [
    {},
    { client_secret },
    { request: code },
    { request_uri: `urn:ietf:params:oauth:request_uri:${code}` },
  ]) {
    await call('GET', `/authorize?${new URLSearchParams({ ...asking, ...extra })}`);
  }
  const redeeming = { grant_type: 'authorization_code', code, code_verifier: verifier };
  for (const form of [
    redeeming,
    { ...redeeming, client_id, client_secret },
    { ...redeeming, code: verifier },
  ]) {
    await call('POST', '/token', { form });
    await call('POST', '/token', { headers, form: { ...form, redirect_uri: asking.redirect_uri } });
  }
  await call('GET', `/interaction/${code}`, {
    headers: { Cookie: `interaction=${code}; session=${verifier}` },
  });
};

/** Every secret in every place where somebody may put it by mistake. */
const MISPLACING: Step = async ({
  call,
  issue,
  assertion,
  owner,
  agent,
  opaque,
  jwt,
  adminToken,
  app,
  secrets,
}) => {
  const [id, secret] = agent.basic;
  const headers = { Authorization: basicHeader(id, secret) };
  const bearer = { Authorization: `Bearer ${adminToken}` };
  const json = { ...bearer, 'Content-Type': 'application/json' };
  const asking = { grant_type: 'client_credentials', resource: opaque.identifier };
  const values = [
    secret,
    app.admin.secret,
    await issue(agent, opaque),
    await issue(agent, jwt),
    await assertion(),
    adminToken,
    basicHeader(id, secret),
  ];
  const agentInput = { name: 'x', ownerId: owner.id, credential: { method: 'client_secret' } };
  for (const value of values) {
    const inUrl = encodeURIComponent(value);
    const forms: Record<string, string>[] = [
      { ...asking, scope: value },
      { ...asking, scope: `read ${value} write` },
      { ...asking, resource: value },
      { ...asking, resource: `https://mcp.example/${value}` },
      { ...asking, grant_type: value },
      { ...asking, client_id: value },
      { ...asking, client_assertion_type: value },
      { ...asking, [value]: '1' },
    ];
    for (const form of forms) {
      await call('POST', '/token', { headers, form });
      await call('POST', '/token', { form: { ...form, client_secret: secret } });
      await call('POST', '/token', { form: { ...form, client_assertion: value } });
    }
    const twice = new URLSearchParams([
      [value, '1'],
      [value, '2'],
      ['client_secret', value],
      ['client_secret', value],
    ]);
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await call('POST', '/token', { headers: { ...headers, ...type }, body: twice.toString() });
    // The two halves in the wrong order, one half, another scheme.
    const authorizations = [
      basicHeader(value, id),
      basicHeader(value, ''),
      `Basic ${value}`,
      `Bearer ${value}`,
      `Digest username="${value}"`,
      value,
    ];
    for (const Authorization of authorizations) {
      for (const path of ['/token', '/introspect', '/revoke', '/par']) {
        await call('POST', path, { headers: { Authorization }, form: { ...asking, token: value } });
      }
      await call('GET', '/api/v1/agents', { headers: { Authorization } });
    }
    for (const path of ['/token', '/introspect', '/revoke', '/par', '/authorize', '/livez', '/jwks', '/']) {
      await call('POST', `${path}?client_secret=${inUrl}&access_token=${inUrl}`, { headers, form: asking });
      await call('GET', `${path}?${inUrl}=${inUrl}`, { headers });
      await call('GET', `${path}/${inUrl}`, { headers: { 'X-Api-Key': value } });
      await call('POST', path, { headers: { ...headers, Origin: `https://${inUrl}.example` }, form: asking });
      await call('POST', path, { headers: { ...headers, 'Content-Type': value }, body: value });
    }
    for (const path of [
      `agents/${inUrl}`,
      inUrl,
      `agents/${id}/${inUrl}`,
      `agents?after=${inUrl}`,
      `agents?${inUrl}=1`,
      `agents?${inUrl}=1&${inUrl}=2`,
      `audit?limit=${inUrl}`,
      `agents?access_token=${inUrl}`,
    ]) {
      await call('GET', `/api/v1/${path}`, { headers: bearer });
      await call('POST', `/api/v1/${path}`, { headers: json, body: '{}' });
    }
    const bodies = [
      { [value]: 1 },
      { name: 'x', ownerId: value },
      { ...agentInput, envelope: [{ resource: value, scopes: ['read'] }] },
      { ...agentInput, envelope: [{ resource: opaque.identifier, scopes: [value.slice(0, 100)] }] },
      {
        ...agentInput,
        envelope: [{ resource: opaque.identifier, scopes: ['read'] }],
        defaultResource: value,
      },
      { ...agentInput, name: 5, envelope: [{ resource: value, scopes: [value] }] },
      { name: 'x', ownerId: owner.id, envelope: [{ [value]: value }], expiresAt: value },
      { name: `${value}\n` },
      value,
    ];
    for (const body of bodies) {
      for (const collection of ['agents', 'people', 'resources']) {
        await call('POST', `/api/v1/${collection}`, { headers: json, body: JSON.stringify(body) });
      }
    }
    await call('POST', '/api/v1/agents', { headers: json, body: `{"name": ${value}` });
    await call('POST', '/api/v1/agents', { headers: { ...json, 'Content-Type': value }, body: '{}' });
    await call('PATCH', `/api/v1/agents/${id}`, { headers: { ...json, 'If-Match': value }, body: '{}' });
    await call('GET', '/api/v1/agents', { headers: { ...bearer, Origin: `https://${inUrl}` } });
    for (const name of [
      'User-Agent',
      'X-Forwarded-For',
      'Forwarded',
      'Referer',
      'Cookie',
      'X-Request-Id',
      'Accept',
    ]) {
      await call('POST', '/token', {
        headers: { ...headers, [name]: value },
        form: { ...asking, scope: 'none' },
      });
      await call('GET', '/api/v1/none', { headers: { ...bearer, [name]: value } });
    }
    await call('GET', '/', { headers: { Host: `${inUrl}.example` } });
    await call('PUT', `/${inUrl}`, { headers: { Host: value } });
  }
  secrets.add('a body that is too large', secret);
  await call('POST', '/token', { headers, form: { ...asking, scope: secret.repeat(2_000) } });
};

/** RFC 9449: proofs that are good, used twice, or carry the private key that they should prove. */
const PROVING: Step = async ({ call, secrets, agent, opaque, adminToken, app }) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  notePrivateKey(secrets, 'the private key of a proof', privateKey);
  const { d, ...jwk } = privateKey.export({ format: 'jwk' });
  let proofs = 0;
  const prove = async (header: object = {}, claims: object = {}) => {
    proofs += 1;
    const payload = {
      htm: 'POST',
      htu: `${app.issuer}/token`,
      iat: Math.floor(app.now() / 1_000),
      jti: `proof-${proofs}`,
    };
    const proof = await new SignJWT({ ...payload, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: jwk as never, ...header })
      .sign(privateKey);
    // A header with a private key in it is a secret by itself.
    if ('jwk' in header) secrets.add('the header of a proof', proof.split('.')[0] ?? '');
    return noteSigned(secrets, 'a proof', proof);
  };
  const headers = { Authorization: basicHeader(...agent.basic) };
  const form = { grant_type: 'client_credentials', resource: opaque.identifier };
  const good = await prove();
  const bound = await call('POST', '/token', { headers: { ...headers, DPoP: good }, form });
  noteSigned(secrets, 'a token that is bound to a key', bound.json.access_token);
  const wrong = [
    good,
    `${good}x`,
    good.split('.').slice(0, 2).join('.'),
    await prove({ jwk: { ...jwk, d } }),
    await prove({}, { htu: 'https://other.example/token' }),
    await prove({}, { jti: adminToken, iat: 1 }),
    await prove({}, { nonce: adminToken, htm: 'GET' }),
    adminToken,
    agent.basic[1],
  ];
  for (const DPoP of wrong) {
    await call('POST', '/token', { headers: { ...headers, DPoP }, form });
    await call('POST', '/token', { headers, form: { ...form, scope: DPoP, DPoP } });
    for (const Authorization of [
      `DPoP ${bound.json.access_token}`,
      `Bearer ${bound.json.access_token}`,
      `DPoP ${adminToken}`,
    ]) {
      await call('GET', '/api/v1/agents', { headers: { Authorization, DPoP } });
    }
  }
};

/** A person signs in, lets an agent act for her, and countersigns; each secret of it goes to wrong places too. */
const ACTING: Step = async ({ app, call, browse, pass, secrets, opaque, adminToken }) => {
  const visitor = new Visitor(app, browse);
  secrets.add('a password', PASSWORD);
  const ada = await enrol(app, visitor, ['member'], 'Ada Lovelace');
  secrets.add('a seed', ada.seed);
  const agent = await addAgent(app, ada.person, opaque);
  secrets.add('the secret of an agent of a person', agent.basic[1]);
  secrets.add('it, in a header', basicHeader(...agent.basic).slice('Basic '.length));
  const headers = { Authorization: basicHeader(...agent.basic) };
  const ask = (form: Record<string, string>) =>
    call('POST', '/token', { headers, form: { resource: opaque.identifier, ...form } });
  const stranger = new Visitor(app, browse);
  for (const [email, password] of [
    [ada.email, adminToken],
    [adminToken, PASSWORD],
    [PASSWORD, ada.seed],
  ] as const) {
    await stranger.get('/sign-in');
    await stranger.submit('/sign-in', { email, password });
  }
  pass(60_000);
  await visitor.signIn(ada.email, ada.seed, app.now());

  const delegation = await letAct(app, ada.person, agent, opaque);
  const exchange = (subject: string, more: Record<string, string> = {}) =>
    ask({
      grant_type: GRANT_TYPES.tokenExchange,
      subject_token: subject,
      subject_token_type: TOKEN_TYPES[subject.startsWith('dlg_') ? 'delegation' : 'accessToken'],
      ...more,
    });
  const exchanged = await exchange(delegation.id);
  if (exchanged.status !== 200) throw new Error(exchanged.text);
  const token = noteSigned(secrets, 'an exchanged token', exchanged.json.access_token);
  // Not the password: agents never have it, and nothing shows that words are one.
  for (const wrong of [adminToken, `${token}x`, agent.basic[1]]) {
    await exchange(wrong);
    await exchange(delegation.id, { actor_token: wrong, actor_token_type: TOKEN_TYPES.accessToken });
    await exchange(delegation.id, { scope: wrong });
    await exchange(delegation.id, { audience: wrong });
  }

  const waiting = { grant_type: 'client_credentials', scope: 'read write', completion_mode: 'deferred' };
  const asked = await ask({ ...waiting, reason: `because of ${adminToken}` });
  const code = secrets.add('a deferral code', asked.json.deferral_code);
  const poll = (deferralCode = code) =>
    call('POST', '/token', {
      headers,
      form: { grant_type: DEFERRED_GRANT_TYPE, deferral_code: deferralCode },
    });
  const id = (await app.trail()).findLast(({ type }) => type === 'elevation.asked')?.target;
  const card = `/approvals/${id}`;
  await visitor.get(card);
  await visitor.submit(`${card}/approve`, { code: token });
  pass(60_000);
  await visitor.get(card);
  await visitor.submit(`${card}/approve`, { code: codeOf(ada.seed, app.now()) });
  const fetched = await poll();
  if (fetched.status !== 200) throw new Error(fetched.text);
  noteSigned(secrets, 'a countersigned token', fetched.json.access_token);
  await poll();
  for (const wrong of [code, fetched.json.access_token, adminToken]) {
    await ask({ ...waiting, scope: wrong });
    await ask({ ...waiting, reason: wrong, duration: wrong });
    await poll(`${wrong}x`);
    await call('POST', '/revoke', { headers, form: { token: `${wrong}x`, token_type_hint: wrong } });
    await call('GET', `/authorize?${new URLSearchParams({ client_id: wrong, state: wrong })}`);
    await visitor.get(`/approvals/${wrong}`);
  }
  await visitor.get('/me');
  await visitor.submit('/sign-out');
};

export const SCENARIO: Readonly<Record<string, Step>> = {
  authenticating: AUTHENTICATING,
  introspecting: INTROSPECTING,
  proving: PROVING,
  walking: WALKING,
  misplacing: MISPLACING,
  acting: ACTING,
  administering: ADMINISTERING,
};
