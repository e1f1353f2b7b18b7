/**
 * Every kind of error, provoked over HTTP as a caller would meet it: what the answer says, where it leads, and what whoever
 * administers the server finds out by its reference.
 */
import { request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { type CataloguedReason, ERROR_CATALOGUE } from '../../src/http/error-catalogue.ts';
import { newId } from '../../src/ids.ts';
import { athOf, newProofKey, type ProofKey, signProof } from '../support/dpop.ts';
import {
  type Answer,
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  type FormParameters,
  getToken,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';

interface Provoked {
  readonly reason: CataloguedReason;
  readonly send: () => Promise<Answer>;
  /** What was sent, where the answer has to repeat it. */
  readonly sent?: string;
  /** What would have been accepted, where the answer has to say so. */
  readonly permitted?: string;
}

type World = Awaited<ReturnType<typeof startWorld>>;

async function startWorld(t: ExecutionContext) {
  // It stands still: a proof stays fresh however long the others take, and a minute of counted refusals does not end.
  const now = Date.now();
  const app = await startApp(t, { clock: () => now });
  const owner = await addPerson(app);
  const [resource, other] = [await addResource(app), await addResource(app)];
  const basicCall =
    (method: string, path: string, defaults: Record<string, string> = {}) =>
    (headers: Record<string, string> = {}, body?: string) =>
      send(app, method, path, { ...defaults, ...headers }, body);
  const adminToken = async (scope?: string) => {
    const form = { grant_type: 'client_credentials', scope };
    const { json } = await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] });
    return String(json.access_token);
  };
  const token = await adminToken();
  const admin = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    send(
      app,
      method,
      `/api/v1/${path}`,
      {
        Authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
    );
  return {
    app,
    owner,
    resource,
    other,
    agent: await addAgent(app, owner, resource),
    keyAgent: await addKeyAgent(app, owner, resource),
    proofKey: await newProofKey(),
    adminToken,
    token,
    admin,
    basicCall,
  };
}

function send(
  app: App,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${app.base}${path}`, { method, headers }, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        const received = new Headers();
        for (const [name, value] of Object.entries(response.headers)) received.set(name, String(value));
        resolve({ status: response.statusCode ?? 0, headers: received, text, json });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** What comes of exchanging what cannot be exchanged. */
function exchanging({ app, agent, token }: World): readonly Provoked[] {
  const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
  const ask = (form: Record<string, string>) => () =>
    app.post(
      '/token',
      { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', ...form },
      { basic: agent.basic },
    );
  const subject = { subject_token: token, subject_token_type: accessToken };
  const unknown = {
    subject_token: `dlg_${'0'.repeat(32)}`,
    subject_token_type: 'urn:countersign:token-type:delegation',
  };
  return [
    { reason: 'oauth/subject-token-missing', send: ask({ subject_token: token }) },
    { reason: 'oauth/actor-token-incomplete', send: ask({ ...subject, actor_token: token }) },
    {
      reason: 'oauth/requested-token-type-not-supported',
      send: ask({ ...subject, requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
      sent: 'urn:ietf:params:oauth:token-type:saml2',
      permitted: accessToken,
    },
    { reason: 'oauth/audience-not-supported', send: ask({ ...subject, audience: 'orders' }) },
    {
      reason: 'oauth/authorization-details-not-supported',
      send: ask({ ...subject, authorization_details: '[]' }),
    },
    { reason: 'oauth/subject-token-unknown', send: ask(unknown) },
    { reason: 'oauth/subject-token-not-delegated', send: ask(subject) },
    { reason: 'oauth/subject-token-type-not-supported', send: ask({ ...subject, subject_token_type: 'x' }) },
    { reason: 'oauth/subject-token-too-long', send: ask({ ...subject, subject_token: 'x'.repeat(9_000) }) },
  ];
}

/** What comes of asking for more, and of asking what has become of that, wrongly. */
function deferring({ app, agent, resource }: World): readonly Provoked[] {
  const send = (form: Record<string, string>) => () => app.post('/token', form, { basic: agent.basic });
  const poll = { grant_type: 'urn:ietf:params:oauth:grant-type:deferred' };
  const code = `cs_dc_${'A'.repeat(48)}`;
  const more = {
    grant_type: 'client_credentials',
    resource: resource.identifier,
    scope: 'write',
    completion_mode: 'deferred',
  };
  return [
    { reason: 'oauth/deferral-code-missing', send: send(poll) },
    {
      reason: 'oauth/deferral-parameter-not-permitted',
      send: send({ ...poll, deferral_code: code, scope: 'read' }),
    },
    { reason: 'oauth/elevation-code-unknown', send: send({ ...poll, deferral_code: code }) },
    {
      reason: 'oauth/elevation-duration-malformed',
      send: send({ ...more, duration: 'for ever' }),
      sent: 'for ever',
      permitted: 'a number of seconds',
    },
    // The owner has never enrolled.
    { reason: 'oauth/elevation-approver-cannot-countersign', send: send(more) },
    {
      reason: 'oauth/authorization-details-not-supported',
      send: send({ ...more, authorization_details: '[]' }),
    },
  ];
}

/** What comes of authenticating wrongly, and of asking for what is not permitted. */
async function atTheMachineEndpoints(world: World): Promise<readonly Provoked[]> {
  const { app, owner, resource, other, agent, keyAgent, proofKey } = world;
  const grant = { grant_type: 'client_credentials', resource: resource.identifier };
  const ask = (form: FormParameters, basic = agent.basic, headers = {}) =>
    app.post('/token', form, { basic, headers });
  const asserting = async (claims = {}, header = {}, key = keyAgent.privateKey) => {
    const agentWithKey = { id: keyAgent.id, privateKey: key };
    const assertion = await signAssertion(app, agentWithKey, claims, header);
    return app.post('/token', { ...grant, ...presenting(assertion) });
  };
  const keys = [{ ...keyAgent.publicJwk, kid: 'its-name' }];
  const named = await addAgent(app, owner, resource, { credential: { method: 'private_key_jwt', keys } });
  const now = Math.floor(app.now() / 1000);
  const foreign = await newProofKey();
  const suspended = await addAgent(app, owner, resource);
  await world.admin('POST', `agents/${suspended.id}/kill`);
  const idle = await addAgent(app, owner, resource, { baseline: [] });
  const without = await addAgent(app, owner, resource, { dpop: 'required' });
  const closed = await addResource(app);
  const ofClosed = await addAgent(app, owner, closed);
  await world.admin('POST', `resources/${closed.id}/kill`);
  const gone = await addPerson(app, 'Gone Owner');
  const orphan = await addAgent(app, gone, resource);
  await world.admin('POST', `people/${gone.id}/kill`);
  const used = await signAssertion(app, keyAgent);
  await app.post('/token', { ...grant, ...presenting(used) });
  const proving = async (claims = {}, header = {}, key: ProofKey = proofKey) =>
    ask(grant, agent.basic, { DPoP: await signProof(app, key, claims, header) });
  const usedProof = await signProof(app, proofKey);
  await ask(grant, agent.basic, { DPoP: usedProof });

  return [
    { reason: 'oauth/no-credentials', send: () => app.post('/token', grant) },
    { reason: 'oauth/unknown-client', send: () => ask(grant, [newId('agt', 1), agent.basic[1]]) },
    { reason: 'oauth/wrong-secret', send: () => ask(grant, [agent.id, other.secret]) },
    { reason: 'oauth/wrong-auth-method', send: () => ask(grant, [keyAgent.id, agent.basic[1]]) },
    { reason: 'oauth/client-not-enabled', send: () => ask(grant, suspended.basic) },
    { reason: 'oauth/owner-disabled', send: () => ask(grant, orphan.basic) },
    { reason: 'oauth/assertion-replayed', send: () => app.post('/token', { ...grant, ...presenting(used) }) },
    {
      reason: 'oauth/assertion-header-not-permitted',
      send: () => asserting({}, { jku: 'https://evil.example/' }),
    },
    {
      reason: 'oauth/assertion-key-unknown',
      send: () => asserting({ iss: named.id, sub: named.id }, { kid: 'another' }),
    },
    { reason: 'oauth/assertion-signature-wrong', send: () => asserting({}, {}, foreign.privateKey) },
    { reason: 'oauth/assertion-claims-malformed', send: () => asserting({ jti: undefined }) },
    { reason: 'oauth/assertion-issuer-wrong', send: () => asserting({ iss: agent.id }) },
    { reason: 'oauth/assertion-audience-wrong', send: () => asserting({ aud: other.identifier }) },
    { reason: 'oauth/assertion-expired', send: () => asserting({ iat: now - 600, exp: now - 400 }) },
    { reason: 'oauth/assertion-lifetime-too-long', send: () => asserting({ exp: now + 3_600 }) },
    { reason: 'oauth/assertion-from-the-future', send: () => asserting({ iat: now + 200, exp: now + 260 }) },
    {
      reason: 'oauth/several-auth-methods',
      send: () => ask({ ...grant, client_id: agent.id, client_secret: agent.basic[1] }),
    },
    {
      reason: 'oauth/authorization-malformed',
      send: () => app.post('/token', grant, { headers: { Authorization: 'Basic !' } }),
    },
    {
      reason: 'oauth/credentials-malformed',
      send: () => ask({ ...grant, client_id: 'another' }),
      sent: 'another',
    },
    {
      reason: 'oauth/origin-foreign',
      send: () => ask(grant, agent.basic, { Origin: 'https://evil.example' }),
      sent: 'https://evil.example',
      permitted: new URL(app.issuer).origin,
    },
    {
      reason: 'oauth/parameters-in-url',
      send: () => app.post('/token?scope=read', grant, { basic: agent.basic }),
    },
    { reason: 'oauth/client-may-not-ask', send: () => ask(grant, [resource.id, resource.secret]) },
    { reason: 'oauth/dpop-proof-malformed', send: () => ask(grant, agent.basic, { DPoP: 'x.y' }) },
    { reason: 'oauth/dpop-header-not-permitted', send: () => proving({}, { typ: 'JWT' }) },
    { reason: 'oauth/dpop-signature-wrong', send: () => proving({}, { jwk: foreign.publicJwk }) },
    { reason: 'oauth/dpop-claims-malformed', send: () => proving({ jti: 7 }) },
    { reason: 'oauth/dpop-method-wrong', send: () => proving({ htm: 'GET' }) },
    { reason: 'oauth/dpop-url-wrong', send: () => proving({ htu: `${app.issuer}/revoke` }) },
    { reason: 'oauth/dpop-time-outside-window', send: () => proving({ iat: now - 3_600 }) },
    { reason: 'oauth/dpop-proof-replayed', send: () => ask(grant, agent.basic, { DPoP: usedProof }) },
    { reason: 'oauth/dpop-required', send: () => ask(grant, without.basic) },
    {
      reason: 'oauth/resource-missing',
      send: () => ask({ grant_type: 'client_credentials' }),
      permitted: resource.identifier,
    },
    {
      reason: 'oauth/resource-not-permitted',
      send: () => ask({ ...grant, resource: other.identifier }),
      sent: other.identifier,
      permitted: resource.identifier,
    },
    {
      reason: 'oauth/resource-disabled',
      send: () => ask({ ...grant, resource: closed.identifier }, ofClosed.basic),
      sent: closed.identifier,
    },
    {
      reason: 'oauth/several-resources',
      send: () => ask({ ...grant, resource: [resource.identifier, other.identifier] }),
      sent: `${resource.identifier} ${other.identifier}`,
    },
    {
      reason: 'oauth/scope-malformed',
      send: () => ask({ ...grant, scope: 'read  write' }),
      sent: 'read  write',
      permitted: 'read | write',
    },
    {
      reason: 'oauth/scope-unknown',
      send: () => ask({ ...grant, scope: 'reed' }),
      sent: 'reed',
      permitted: 'read | write',
    },
    {
      reason: 'oauth/scope-beyond-envelope',
      send: () => ask({ ...grant, scope: 'delete' }),
      sent: 'delete',
      permitted: 'read | write',
    },
    {
      reason: 'oauth/scope-needs-approval',
      send: () => ask({ ...grant, scope: 'write' }),
      sent: 'write',
      permitted: 'read',
    },
    { reason: 'oauth/scope-none-by-default', send: () => ask(grant, idle.basic), permitted: 'nothing' },
    ...exchanging(world),
    ...deferring(world),
    { reason: 'oauth/grant-type-missing', send: () => ask({ resource: resource.identifier }) },
    {
      reason: 'oauth/grant-type-not-supported',
      send: () => ask({ grant_type: 'password' }),
      sent: 'password',
      permitted: 'client_credentials',
    },
    {
      reason: 'oauth/token-missing',
      send: () => app.post('/introspect', {}, { basic: [resource.id, resource.secret] }),
    },
    {
      reason: 'oauth/media-type-not-supported',
      send: () => ask(JSON.stringify(grant), agent.basic, { 'Content-Type': 'application/json' }),
      sent: 'application/json',
      permitted: 'application/x-www-form-urlencoded',
    },
    { reason: 'oauth/body-too-large', send: () => ask(`x=${'a'.repeat(70_000)}`), permitted: '65536' },
    {
      reason: 'oauth/duplicate-parameter',
      send: () => ask('grant_type=client_credentials&scope=read&scope=write'),
    },
    {
      reason: 'oauth/too-many-parameters',
      send: () => ask(Array.from({ length: 70 }, (_, index) => `p${index}=1`).join('&')),
      permitted: '64',
    },
  ];
}

/** What comes of calling our own API wrongly. */
async function atTheAdminApi(world: World): Promise<readonly Provoked[]> {
  const { app, owner, resource, agent, keyAgent, proofKey, token, admin } = world;
  const nobody = newId('agt', 1);
  const record = {
    name: 'An agent',
    ownerId: owner.id,
    envelope: [{ resource: resource.identifier, scopes: ['read'] }],
    credential: { method: 'client_secret' },
  };
  const create = (changes: Record<string, unknown>) => admin('POST', 'agents', { ...record, ...changes });
  const read = (headers: Record<string, string>, path = '/api/v1/agents') => send(app, 'GET', path, headers);
  const narrow = await world.adminToken('read');
  const ofAgent = await getToken(app, agent, resource);
  const retired = (await create({})).json.id;
  await admin('POST', `agents/${retired}/retire`);
  const disabled = (await admin('POST', 'people', { name: 'Disabled' })).json.id;
  await admin('POST', `people/${disabled}/kill`);
  const keys = (await admin('GET', 'keys')).json.items as readonly { id: string; alg: string }[];
  const key = keys.find(({ alg }) => alg === 'EdDSA');
  await admin('POST', 'keys/rotate', { alg: 'ES256' });
  const form = { grant_type: 'client_credentials' };
  const bound = await app.post('/token', form, {
    basic: [app.admin.clientId, app.admin.secret],
    headers: { DPoP: await signProof(app, proofKey) },
  });
  const boundToken = String(bound.json.access_token);
  const proofFor = async (accessToken: string, proof: ProofKey) =>
    signProof(app, proof, { htm: 'GET', htu: `${app.issuer}/api/v1/agents`, ...athOf(accessToken) });
  const apiResource = (await admin('GET', 'resources')).json.items.find(
    (each: { identifier: string }) => each.identifier === `${app.issuer}/api`,
  );

  return [
    { reason: 'api/no-token', send: () => read({}) },
    { reason: 'api/token-in-url', send: () => read({}, `/api/v1/agents?access_token=${token}`) },
    { reason: 'api/token-not-live', send: () => read({ Authorization: `Bearer ${token.slice(0, -4)}AAAA` }) },
    { reason: 'api/token-for-another-resource', send: () => read({ Authorization: `Bearer ${ofAgent}` }) },
    { reason: 'api/token-is-bound', send: () => read({ Authorization: `Bearer ${boundToken}` }) },
    {
      reason: 'api/token-is-not-bound',
      send: async () => read({ Authorization: `DPoP ${token}`, DPoP: await proofFor(token, proofKey) }),
    },
    {
      reason: 'api/token-bound-to-another-key',
      send: async () =>
        read({ Authorization: `DPoP ${boundToken}`, DPoP: await proofFor(boundToken, await newProofKey()) }),
    },
    {
      reason: 'api/dpop-token-hash-wrong',
      send: async () => read({ Authorization: `DPoP ${boundToken}`, DPoP: await proofFor(token, proofKey) }),
    },
    {
      reason: 'api/admin-scope-missing',
      send: () => send(app, 'POST', `/api/v1/agents/${agent.id}/kill`, { Authorization: `Bearer ${narrow}` }),
      sent: 'read',
      permitted: 'kill',
    },
    {
      reason: 'api/origin-foreign',
      send: () => read({ Authorization: `Bearer ${token}`, Origin: 'https://evil.example' }),
      sent: 'https://evil.example',
      permitted: new URL(app.issuer).origin,
    },
    { reason: 'api/route-unknown', send: () => admin('GET', 'agentz'), sent: 'GET /api/v1/agentz' },
    { reason: 'api/version-required', send: () => admin('PATCH', `agents/${agent.id}`, { name: 'B' }) },
    {
      reason: 'api/version-changed',
      send: () => admin('PATCH', `agents/${agent.id}`, { name: 'B' }, { 'If-Match': '"7"' }),
      sent: '\\"7\\"',
      permitted: '\\"1\\"',
    },
    {
      reason: 'api/input-invalid',
      send: () => admin('GET', 'agents?limit=lots'),
      sent: 'lots',
      permitted: 'a whole number',
    },
    {
      reason: 'api/media-type-not-supported',
      send: () => admin('POST', 'agents', 'a=b', { 'Content-Type': 'text/plain' }),
      sent: 'text/plain',
      permitted: 'application/json',
    },
    { reason: 'api/body-too-large', send: () => create({ name: 'x'.repeat(300_000) }), permitted: '262144' },
    { reason: 'api/duplicate-parameter', send: () => admin('GET', 'agents?limit=1&limit=2') },
    { reason: 'api/json-malformed', send: () => admin('POST', 'agents', '{') },
    {
      reason: 'api/json-too-deep',
      send: () => admin('POST', 'agents', '['.repeat(40) + ']'.repeat(40)),
      permitted: '16 levels',
    },
    { reason: 'api/json-member-repeated', send: () => admin('POST', 'agents', '{"name":1,"name":2}') },
    { reason: 'api/json-key-not-permitted', send: () => admin('POST', 'agents', '{"__proto__":{}}') },
    {
      reason: 'api/delegation-unknown',
      send: () => admin('GET', `delegations/dlg_${'0'.repeat(32)}`),
      sent: `dlg_${'0'.repeat(32)}`,
    },
    {
      reason: 'api/elevation-unknown',
      send: () => admin('GET', `elevations/elv_${'0'.repeat(32)}`),
      sent: `elv_${'0'.repeat(32)}`,
    },
    { reason: 'api/agent-unknown', send: () => admin('GET', `agents/${nobody}`), sent: nobody },
    { reason: 'api/agent-exists', send: () => create({ id: agent.id }), sent: agent.id },
    { reason: 'api/agent-is-retired', send: () => admin('POST', `agents/${retired}/restore`) },
    { reason: 'api/owner-not-registered', send: () => create({ ownerId: newId('usr', 1) }) },
    { reason: 'api/owner-not-active', send: () => create({ ownerId: disabled }), sent: disabled },
    {
      reason: 'api/envelope-resource-unknown',
      send: () => create({ envelope: [{ resource: 'https://nowhere.example', scopes: ['read'] }] }),
      sent: 'https://nowhere.example',
    },
    {
      reason: 'api/envelope-scope-unknown',
      send: () => create({ envelope: [{ resource: resource.identifier, scopes: ['reed'] }] }),
      sent: 'reed',
      permitted: 'read',
    },
    {
      reason: 'api/baseline-beyond-envelope',
      send: () => create({ baseline: [{ resource: resource.identifier, scopes: ['write'] }] }),
      sent: 'write',
      permitted: 'read',
    },
    {
      reason: 'api/default-resource-beyond-envelope',
      send: () => create({ defaultResource: world.other.identifier }),
      sent: world.other.identifier,
      permitted: resource.identifier,
    },
    { reason: 'api/expiry-in-the-past', send: () => create({ expiresAt: '2001-01-01T00:00:00.000Z' }) },
    {
      reason: 'api/credential-takes-no-key',
      send: () => admin('POST', `agents/${world.agent.id}/keys`, { key: keyAgent.publicJwk }),
    },
    {
      reason: 'api/client-key-registered',
      send: () => admin('POST', `agents/${keyAgent.id}/keys`, { key: keyAgent.publicJwk }),
    },
    {
      reason: 'api/client-key-unknown',
      send: () => admin('POST', `agents/${keyAgent.id}/keys/jwk_${'A'.repeat(12)}/revoke`),
    },
    { reason: 'api/credential-takes-no-secret', send: () => admin('POST', `agents/${keyAgent.id}/secrets`) },
    { reason: 'api/person-unknown', send: () => admin('GET', `people/${newId('usr', 1)}`) },
    { reason: 'api/person-exists', send: () => admin('POST', 'people', { id: owner.id, name: 'Again' }) },
    { reason: 'api/resource-unknown', send: () => admin('GET', `resources/${newId('res', 1)}`) },
    {
      reason: 'api/resource-exists',
      send: () =>
        admin('POST', 'resources', {
          identifier: resource.identifier,
          name: 'Again',
          scopes: [{ name: 'read', sentence: 'Read', risk: 'low' }],
        }),
    },
    { reason: 'api/record-protected', send: () => admin('POST', `resources/${apiResource.id}/kill`) },
    { reason: 'api/key-unknown', send: () => admin('POST', `keys/${newId('key', 1)}/kill`) },
    {
      reason: 'api/key-rotation-pending',
      send: () => admin('POST', 'keys/rotate', { alg: 'ES256' }),
      sent: 'ES256',
    },
    {
      reason: 'api/key-without-successor',
      send: () => admin('POST', `keys/${key?.id}/retire`),
      sent: key?.id ?? '',
    },
    { reason: 'api/reference-unknown', send: () => admin('GET', `errors/err_${'A'.repeat(66)}`) },
    {
      reason: 'api/host-foreign',
      send: () => read({ Host: 'evil.example' }),
      sent: 'evil.example',
      permitted: new URL(app.issuer).host,
    },
    {
      reason: 'api/host-foreign',
      send: () => send(app, 'POST', '/token', { Host: 'evil.example' }),
      sent: 'evil.example',
    },
    { reason: 'api/path-unknown', send: () => send(app, 'GET', '/tokens', {}), sent: 'GET /tokens' },
    {
      reason: 'api/method-not-allowed',
      send: () => send(app, 'DELETE', '/token', {}),
      sent: 'DELETE',
      permitted: 'POST',
    },
  ];
}

/** What the protocol engine answers. */
function atTheEngine({ app, agent, resource }: World): readonly Provoked[] {
  const code = {
    grant_type: 'authorization_code',
    code: 'x',
    redirect_uri: 'https://app.example/cb',
    code_verifier: 'v'.repeat(43),
  };
  const html = { Accept: 'text/html' };
  return [
    {
      reason: 'engine/invalid_client',
      send: () => app.post('/par', {}, { basic: [agent.id, 'wrong'.repeat(9)] }),
    },
    { reason: 'engine/invalid_client', send: () => app.post('/par', { client_id: 'nobody' }) },
    { reason: 'api/method-not-allowed', send: () => send(app, 'GET', '/token', {}), permitted: 'POST' },
    { reason: 'engine/invalid_request', send: () => send(app, 'GET', '/authorize', {}) },
    { reason: 'engine/invalid_request', send: () => send(app, 'GET', '/authorize', html) },
    {
      reason: 'engine/invalid_client',
      send: () => send(app, 'GET', `/authorize?client_id=${newId('agt', 1)}&response_type=code`, html),
    },
    { reason: 'engine/invalid_request', send: () => app.post('/token', code, { basic: agent.basic }) },
    {
      reason: 'engine/invalid_request',
      send: () =>
        app.post('/par', { resource: resource.identifier, response_type: 'code' }, { basic: agent.basic }),
    },
  ];
}

test('every error names its cause, what was sent and what is permitted, leads to its anchor, and is found again by its reference', async t => {
  const world = await startWorld(t);
  const { app, admin } = world;
  const page = await (await fetch(`${app.base}/docs/errors`)).text();
  const secrets = [
    app.admin.secret,
    world.agent.basic[1],
    world.resource.secret,
    world.other.secret,
    world.token,
  ];
  const provoked = [
    ...(await atTheMachineEndpoints(world)),
    ...(await atTheAdminApi(world)),
    ...atTheEngine(world),
  ];
  t.true(provoked.length >= 60, `${provoked.length}`);
  const seen = new Set<string>();
  for (const { reason, send, sent, permitted } of provoked) {
    const answer = await send();
    const what = `${reason}: ${answer.status} ${answer.text}`;
    const text = ERROR_CATALOGUE.get(reason);
    t.true(answer.status >= 400, what);
    const reference = answer.headers.get('error-ref') ?? '';
    t.false(seen.has(reference), reason);
    seen.add(reference);

    // What the caller is told.
    const { error, error_uri, error_description, type, title } = answer.json ?? {};
    const isPage = answer.headers.get('content-type')?.startsWith('text/html') ?? false;
    if (isPage) {
      t.true(answer.text.includes(`href="${app.issuer}/docs/errors#${text?.name}"`), what);
      t.true(answer.text.includes(reference), what);
    } else if (reason.startsWith('api/')) {
      t.is(answer.headers.get('content-type'), 'application/problem+json', what);
      t.is(type, `${app.issuer}/docs/errors#${text?.name}`, what);
      t.is(title, text?.meaning, what);
    } else {
      t.is(error, text?.name, what);
      t.is(error_uri, `${app.issuer}/docs/errors#${text?.name}`, what);
      if (reason.startsWith('oauth/')) t.true(error_description.startsWith(text?.meaning), what);
      t.truthy(error_description, what);
    }
    if (!reason.startsWith('engine/')) t.is(answer.status, Number(text?.status), what);
    if (sent !== undefined) t.true(answer.text.includes(sent), `${what} does not repeat ${sent}`);
    if (permitted !== undefined)
      t.true(answer.text.includes(permitted), `${what} does not permit ${permitted}`);
    for (const secret of secrets) t.false(answer.text.includes(secret), what);
    t.is(page.split(`id="${text?.name}"`).length, 2, what);
    t.is(answer.headers.get('cache-control'), 'no-store', what);

    // What an administrator finds out.
    const explained = await admin('GET', `errors/${reference}`);
    t.is(explained.status, 200, `${what}: ${reference} ${explained.text}`);
    t.is(explained.json.answer.reason, reason, what);
    t.is(explained.json.answer.fix, text?.fix, what);
    const rows = explained.json.events as readonly { reason: string; requestId: string }[];
    for (const row of rows) t.is(row.requestId, explained.json.requestId, what);
    t.is(Date.parse(explained.json.at), app.now(), what);
  }
  t.log(`${provoked.length} errors of ${new Set(provoked.map(({ reason }) => reason)).size} reasons`);
});

test('a refusal that has no row of its own is found again all the same, with the client that was claimed', async t => {
  const { app, agent, admin } = await startWorld(t);
  const form = { grant_type: 'client_credentials' };
  const references: string[] = [];
  for (let index = 0; index < 20; index += 1) {
    const answer = await app.post('/token', form, { basic: [agent.id, `wrong-${index}`] });
    references.push(answer.headers.get('error-ref') ?? '');
  }
  // Counted together: two of three have no row.
  let withRow = 0;
  for (const reference of references) {
    const { json } = await admin('GET', `errors/${reference}`);
    t.is(json.answer.reason, 'oauth/wrong-secret');
    t.is(json.claimedClient, agent.id);
    withRow += json.events.length;
  }
  t.is(withRow, 1);
});

test('I15: answers to reasons that look alike differ in their references alone, and those are as long', async t => {
  const { app, agent, resource } = await startWorld(t);
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const answers = [
    await app.post('/token', form),
    await app.post('/token', form, { basic: [newId('agt', 1), agent.basic[1]] }),
    await app.post('/token', form, { basic: ['nobody', agent.basic[1]] }),
    await app.post('/token', form, { basic: [agent.id, 'wrong'] }),
  ];
  t.is(new Set(answers.map(({ text }) => text)).size, 1);
  t.is(new Set(answers.map(({ headers }) => headers.get('error-ref')?.length)).size, 1);
});

test('explaining an error takes the audit scope, and a reference of another deployment tells nothing', async t => {
  const { app, adminToken, agent } = await startWorld(t);
  const refused = await app.post('/token', {}, { basic: agent.basic });
  const reference = refused.headers.get('error-ref') ?? '';
  const explain = async (token: string, which: string, from: App = app) =>
    send(from, 'GET', `/api/v1/errors/${which}`, { Authorization: `Bearer ${token}` });
  t.is((await explain(await adminToken('read keys agents kill'), reference)).status, 403);
  t.is((await explain(await adminToken('audit'), reference)).status, 200);
  const other = await startWorld(t);
  const foreign = await explain(await other.adminToken('audit'), reference, other.app);
  t.is(foreign.status, 404);
  t.false(foreign.text.includes('grant-type'));
  for (const malformed of ['x', `${reference}A`, 'err_', encodeURIComponent('../keys')]) {
    t.is((await explain(await adminToken('audit'), malformed)).status, 400, malformed);
  }
});
