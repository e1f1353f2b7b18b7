/**
 * Our machine endpoints against an engine-only instance: the same status, error and members, but for the differences that are
 * listed with their reasons.
 */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { exportJWK, generateKeyPair } from 'jose';
import { errors, Provider } from 'oidc-provider';
import { newProofKey, signProof } from '../support/dpop.ts';
import {
  addAgent,
  addPerson,
  addResource,
  type FormParameters,
  type PostOptions,
  presenting,
  startAppIn,
} from '../support/start-app.ts';
import { DIFFERENCES, type Difference } from './differences.ts';

const SECRET = 'the-reference-client-has-a-long-secret-0123456';

interface Seen {
  readonly status: number;
  readonly error?: string;
  readonly members: readonly string[];
  readonly noStore: boolean;
  readonly body: Record<string, unknown>;
}

interface Side {
  readonly agent: readonly [string, string];
  readonly other: readonly [string, string];
  /** A client whose tokens must be bound to a key. */
  readonly bound: readonly [string, string];
  readonly resourceServer: readonly [string, string];
  readonly resource: string;
  readonly issuer: string;
  post(path: 'token' | 'introspect' | 'revoke', form: FormParameters, options?: PostOptions): Promise<Seen>;
}

interface Started extends Side {
  stop(): Promise<void>;
}

async function startReference(resource: string): Promise<Started> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
  const client = (id: string, grants: string[]) => ({
    client_id: id,
    client_secret: SECRET,
    grant_types: grants,
    response_types: [],
    redirect_uris: [],
  });
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' } as never] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [
      client('agent', ['client_credentials']),
      client('other', ['client_credentials']),
      { ...client('bound', ['client_credentials']), dpop_bound_access_tokens: true },
      client('rs', []),
    ] as never,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, asked) => {
          if (asked !== resource) throw new errors.InvalidTarget();
          return { scope: 'read write', audience: asked, accessTokenTTL: 300, accessTokenFormat: 'opaque' };
        },
      },
    },
  });
  provider.silent = true;
  server.on('request', provider.callback());
  const stop = async () => {
    server.closeAllConnections();
    server.close();
  };
  const paths = { token: '/token', introspect: '/token/introspection', revoke: '/token/revocation' };
  return {
    agent: ['agent', SECRET],
    other: ['other', SECRET],
    bound: ['bound', SECRET],
    resourceServer: ['rs', SECRET],
    resource,
    issuer,
    post: (path, form, options) => post(`${issuer}${paths[path]}`, form, options),
    stop,
  };
}

async function startOurs(): Promise<Started> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-differential-'));
  const app = await startAppIn(directory);
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource, {
    baseline: [{ resource: resource.identifier, scopes: ['read', 'write'] }],
  });
  const other = await addAgent(app, owner, resource);
  const bound = await addAgent(app, owner, resource, { dpop: 'required' });
  return {
    agent: agent.basic,
    other: other.basic,
    bound: bound.basic,
    resourceServer: [resource.id, resource.secret],
    resource: resource.identifier,
    issuer: app.issuer,
    post: (path, form, options) => post(`${app.base}/${path}`, form, options),
    stop: async () => {
      await app.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function post(url: string, form: FormParameters, { basic, headers }: PostOptions = {}): Promise<Seen> {
  const body =
    typeof form === 'string' ? form : new URLSearchParams(form as Record<string, string>).toString();
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(basic && { Authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` }),
      ...headers,
    },
    body,
  });
  const text = await response.text();
  const json = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return {
    status: response.status,
    ...(typeof json['error'] === 'string' && { error: json['error'] }),
    members: Object.keys(json).sort(),
    noStore: response.headers.get('cache-control')?.includes('no-store') ?? false,
    body: json,
  };
}

/** One of each does for all: nothing that is asked of them changes what the others get. */
let ours: Started;
let engine: Started;
test.before('start both', async () => {
  ours = await startOurs();
  engine = await startReference(ours.resource);
});
test.after.always('stop both', async () => {
  await ours?.stop();
  await engine?.stop();
});

const GRANT = { grant_type: 'client_credentials' };
const tokenOf = async (side: Side): Promise<string> => {
  const seen = await side.post(
    'token',
    { ...GRANT, resource: side.resource, scope: 'read' },
    { basic: side.agent },
  );
  return String(seen.body['access_token']);
};

/** Asks for a token with a proof that differs in some claims or header members. */
async function ask(
  side: Side,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
  by = side.agent,
): Promise<Seen> {
  const key = await newProofKey();
  const proof = await signProof({ issuer: side.issuer, now: Date.now }, key, claims, header);
  return askWith(side, proof, by);
}

function askWith(side: Side, proof: string, by = side.agent): Promise<Seen> {
  const form = { ...GRANT, resource: side.resource, scope: 'read' };
  return side.post('token', form, { basic: by, headers: { DPoP: proof } });
}

async function askTwice(side: Side): Promise<Seen> {
  const proof = await signProof({ issuer: side.issuer, now: Date.now }, await newProofKey());
  await askWith(side, proof);
  return askWith(side, proof);
}

/** What is asked of both sides, and in what way the answers may differ. */
const CASES: Readonly<Record<string, { ask(side: Side): Promise<Seen>; differs?: readonly Difference[] }>> = {
  'a token for one scope': {
    ask: side =>
      side.post('token', { ...GRANT, resource: side.resource, scope: 'read' }, { basic: side.agent }),
  },
  'a token for two scopes': {
    ask: side =>
      side.post('token', { ...GRANT, resource: side.resource, scope: 'read write' }, { basic: side.agent }),
  },
  'a wrong secret': {
    ask: side =>
      side.post('token', { ...GRANT, resource: side.resource }, { basic: [side.agent[0], 'wrong'] }),
    differs: ['error-texts'],
  },
  'an unknown client': {
    ask: side => side.post('token', { ...GRANT, resource: side.resource }, { basic: ['unknown', 'wrong'] }),
    differs: ['error-texts'],
  },
  'no grant type': {
    ask: side => side.post('token', { scope: 'read' }, { basic: side.agent }),
    differs: ['error-texts'],
  },
  'an unknown grant type': {
    ask: side => side.post('token', { grant_type: 'password' }, { basic: side.agent }),
    differs: ['error-texts'],
  },
  'an unknown resource': {
    ask: side => side.post('token', { ...GRANT, resource: 'https://unknown.example' }, { basic: side.agent }),
    differs: ['error-texts'],
  },
  'a repeated parameter': {
    ask: side =>
      side.post('token', 'grant_type=client_credentials&scope=read&scope=read', { basic: side.agent }),
    differs: ['error-texts'],
  },
  'two ways to authenticate': {
    ask: side =>
      side.post(
        'token',
        { ...GRANT, resource: side.resource, client_id: side.agent[0], client_secret: side.agent[1] },
        { basic: side.agent },
      ),
    differs: ['error-texts'],
  },
  'introspection of a live token': {
    ask: async side =>
      side.post('introspect', { token: await tokenOf(side) }, { basic: side.resourceServer }),
    differs: ['introspection-members'],
  },
  'introspection of garbage': {
    ask: side => side.post('introspect', { token: 'garbage' }, { basic: side.resourceServer }),
  },
  'introspection without a token': {
    ask: side => side.post('introspect', { x: 'y' }, { basic: side.resourceServer }),
    differs: ['error-texts'],
  },
  'introspection by nobody': {
    ask: side => side.post('introspect', { token: 'x', client_id: 'unknown', client_secret: 'x' }),
    differs: ['error-texts'],
  },
  'introspection of a revoked token': {
    ask: async side => {
      const token = await tokenOf(side);
      await side.post('revoke', { token }, { basic: side.agent });
      return side.post('introspect', { token }, { basic: side.resourceServer });
    },
  },
  'revocation of an unknown token': {
    ask: side => side.post('revoke', { token: 'unknown' }, { basic: side.agent }),
  },
  'revocation of one’s own token': {
    ask: async side => side.post('revoke', { token: await tokenOf(side) }, { basic: side.agent }),
  },
  'a token bound to a key': { ask: side => ask(side) },
  'a bound token for a client that needs it': { ask: side => ask(side, {}, {}, side.bound) },
  'introspection of a bound token': {
    ask: async side => {
      const { body } = await ask(side);
      return side.post('introspect', { token: String(body['access_token']) }, { basic: side.resourceServer });
    },
    differs: ['introspection-members'],
  },
  'a proof that is no JWT': { ask: side => askWith(side, 'proof'), differs: ['error-texts'] },
  'a proof for another method': { ask: side => ask(side, { htm: 'GET' }), differs: ['error-texts'] },
  'a proof for another URL': {
    ask: side => ask(side, { htu: `${side.issuer}/other` }),
    differs: ['error-texts'],
  },
  'a proof from long ago': { ask: side => ask(side, { iat: 1 }), differs: ['error-texts'] },
  'a proof of another type': { ask: side => ask(side, {}, { typ: 'JWT' }), differs: ['error-texts'] },
  'a proof without jti': { ask: side => ask(side, { jti: undefined }), differs: ['error-texts'] },
  'a proof without key': { ask: side => ask(side, {}, { jwk: undefined }), differs: ['error-texts'] },
  'revocation without a token': {
    ask: side => side.post('revoke', { x: 'y' }, { basic: side.agent }),
    differs: ['error-texts'],
  },
};

for (const [name, { ask, differs = [] }] of Object.entries(CASES)) {
  test(`as the engine answers: ${name}`, async t => {
    const [mine, reference] = [await ask(ours), await ask(engine)];
    t.is(mine.status, reference.status);
    t.is(mine.error, reference.error);
    const extra = new Set([
      ...(differs.includes('error-texts') ? ['error_uri'] : []),
      ...(differs.includes('introspection-members') ? ['sub', 'jti', 'token_type'] : []),
    ]);
    t.deepEqual(
      mine.members.filter(member => !extra.has(member)),
      reference.members.filter(member => !extra.has(member)),
    );
    if (reference.noStore) t.true(mine.noStore);
    for (const member of ['token_type', 'expires_in', 'scope', 'active', 'aud']) {
      if (member in reference.body && !extra.has(member) && member !== 'aud')
        t.is(mine.body[member], reference.body[member], member);
    }
  });
}

test('the differences on purpose are so', async t => {
  const token = (side: Side, form: Record<string, string>) =>
    side.post('token', { ...GRANT, ...form }, { basic: side.agent });
  const seen: Record<Difference, readonly [mine: unknown, reference: unknown]> = {
    'error-texts': [
      (await token(ours, { grant_type: 'x' })).members.includes('error_uri'),
      (await token(engine, { grant_type: 'x' })).members.includes('error_uri'),
    ],
    'no-audience': [(await token(ours, {})).error, (await token(engine, {})).error],
    'unknown-scope': [
      (await token(ours, { resource: ours.resource, scope: 'read unheard-of' })).error,
      (await token(engine, { resource: engine.resource, scope: 'read unheard-of' })).error,
    ],
    'baseline-scope': [
      (await token(ours, { resource: ours.resource })).body['scope'],
      (await token(engine, { resource: engine.resource })).body['scope'],
    ],
    'introspection-members': [
      (
        await ours.post('introspect', { token: await tokenOf(ours) }, { basic: ours.resourceServer })
      ).members.includes('sub'),
      (
        await engine.post('introspect', { token: await tokenOf(engine) }, { basic: engine.resourceServer })
      ).members.includes('sub'),
    ],
    'revocation-body': ['{}', ''],
    'foreign-revocation': [
      (await ours.post('revoke', { token: await tokenOf(ours) }, { basic: ours.other })).status,
      (await engine.post('revoke', { token: await tokenOf(engine) }, { basic: engine.other })).status,
    ],
    'foreign-introspection': [
      (await ours.post('introspect', { token: await tokenOf(ours) }, { basic: ours.other })).body['active'],
      (await engine.post('introspect', { token: await tokenOf(engine) }, { basic: engine.other })).body[
        'active'
      ],
    ],
    'unauthorized-client': [
      (await ours.post('token', { ...GRANT, resource: ours.resource }, { basic: ours.resourceServer })).error,
      (await engine.post('token', { ...GRANT, resource: engine.resource }, { basic: engine.resourceServer }))
        .error,
    ],
    'unreadable-assertion': [
      (await ours.post('token', { ...GRANT, client_id: ours.agent[0], ...presenting('a.b.c') })).status,
      (await engine.post('token', { ...GRANT, client_id: engine.agent[0], ...presenting('a.b.c') })).status,
    ],
    'dpop-missing': [
      (await ours.post('token', { ...GRANT, resource: ours.resource }, { basic: ours.bound })).error,
      (await engine.post('token', { ...GRANT, resource: engine.resource }, { basic: engine.bound })).error,
    ],
    'dpop-replayed': [(await askTwice(ours)).error, (await askTwice(engine)).error],
    'dpop-window': [
      (await ask(ours, { iat: Math.floor(Date.now() / 1000) - 100 })).status,
      (await ask(engine, { iat: Math.floor(Date.now() / 1000) - 100 })).status,
    ],
    'form-media-type': [
      (await ours.post('token', '{}', { basic: ours.agent, headers: { 'Content-Type': 'application/json' } }))
        .status,
      (
        await engine.post('token', '{}', {
          basic: engine.agent,
          headers: { 'Content-Type': 'application/json' },
        })
      ).status,
    ],
  };
  for (const [name, [mine, reference]] of Object.entries(seen)) t.not(mine, reference, name);
});

test('docs/decisions has a reason for each difference', async t => {
  const page = await readFile('docs/decisions/0002-machine-endpoints-are-ours.md', 'utf8');
  for (const text of Object.values(DIFFERENCES)) t.true(page.includes(text), text);
});
