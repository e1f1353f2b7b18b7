/** How each kind of event of the audit trail comes about over HTTP, and what its row has to say. */
import { randomUUID } from 'node:crypto';
import type { AuditEvent, AuditEventType } from '../../src/audit/index.ts';
import type { DelegationChange } from '../../src/delegation/index.ts';
import type { ElevationChange } from '../../src/elevation/index.ts';
import { newId } from '../../src/ids.ts';
import type { Person } from '../../src/people/index.ts';
import { openStore } from '../../src/store/open-store.ts';
import { delegationRecord, elevationRecord } from '../contract/records.ts';
import { newProofKey, signProof } from '../support/dpop.ts';
import {
  type Answer,
  type App,
  getToken,
  presenting,
  signAssertion,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';

/** A server with something of everything in it, and an administrator's token. */
export interface World {
  readonly app: App;
  /** The store as `openStore` wants it. */
  readonly storeLocation: Parameters<typeof openStore>[0];
  readonly owner: Person;
  readonly resource: TestResource;
  readonly otherResource: TestResource;
  readonly agent: TestAgent;
  readonly otherAgent: TestAgent;
  /** Calls the admin API as the administrator. */
  admin(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
}

/** The one act that makes the event, after whatever had to be there before it, and what its row has to say. */
export interface Driven {
  readonly act: () => Promise<Answer | undefined>;
  readonly row: Partial<AuditEvent>;
}

type Drive = (world: World) => Promise<Driven>;
type Collection = 'agents' | 'people' | 'resources';

/** By whom and for whom an administrator's change is made. */
const byAdmin = ({ app: { admin } }: World) => ({
  outcome: 'done' as const,
  client: admin.clientId,
  subject: admin.clientId,
  actor: [admin.clientId],
});

function newRecord({ owner, resource }: World, collection: Collection): Record<string, unknown> {
  switch (collection) {
    case 'people':
      return { name: 'Somebody' };
    case 'resources':
      return {
        identifier: `https://${crypto.randomUUID()}.example/mcp`,
        name: 'Another resource server',
        scopes: [{ name: 'read', sentence: 'Read', risk: 'low' }],
      };
    case 'agents':
      return {
        name: 'Another agent',
        ownerId: owner.id,
        envelope: [{ resource: resource.identifier, scopes: ['read'] }],
        credential: { method: 'client_secret' },
      };
  }
}

/** A template that admits whatever makes itself known. */
async function admitApplications(world: World): Promise<void> {
  const application = { metadataHosts: ['127.0.0.1'], selfRegistration: 'open' };
  const template = { ...newRecord(world, 'agents'), application, credential: { method: 'none' } };
  const made = await world.admin('POST', 'agents', template);
  if (made.status !== 201) throw new Error(`${made.status} ${made.text}`);
}

async function ask({ app }: World, path: string, init?: RequestInit): Promise<undefined> {
  await (await fetch(`${app.base}${path}`, init)).arrayBuffer();
}

const resourceOf = (record: Record<string, unknown>): Partial<AuditEvent> =>
  record['identifier'] === undefined ? {} : { resource: String(record['identifier']) };

function creation(collection: Collection): Drive {
  return async world => {
    const prefix = ({ agents: 'agt', people: 'usr', resources: 'res' } as const)[collection];
    const record = { ...newRecord(world, collection), id: newId(prefix, world.app.now()) };
    return {
      act: () => world.admin('POST', collection, record),
      row: { ...byAdmin(world), target: record.id, ...resourceOf(record) },
    };
  };
}

/** A change of a record that is made for it; `before` are the changes that come before the act. */
function change(collection: Collection, verb: string, ...before: readonly string[]): Drive {
  return async world => {
    const record = newRecord(world, collection);
    const made = await world.admin('POST', collection, record);
    if (made.status !== 201) throw new Error(`${collection}: ${made.status} ${made.text}`);
    const path = `${collection}/${made.json.id}`;
    for (const each of before) await world.admin('POST', `${path}/${each}`);
    return {
      act: () =>
        verb === 'update'
          ? world.admin('PATCH', path, { name: 'Renamed' }, { 'If-Match': '"1"' })
          : world.admin('POST', `${path}/${verb}`),
      row: { ...byAdmin(world), target: made.json.id, ...resourceOf(record) },
    };
  };
}

function secretRevocation(collection: 'agents' | 'resources'): Drive {
  return async world => {
    const record = newRecord(world, collection);
    const path = `${collection}/${(await world.admin('POST', collection, record)).json.id}`;
    const { items } = (await world.admin('GET', `${path}/secrets`)).json;
    return {
      act: () => world.admin('POST', `${path}/secrets/${items[0].id}/revoke`),
      row: { ...byAdmin(world), target: path.slice(collection.length + 1), ...resourceOf(record) },
    };
  };
}

/** A change of the keys of a record that authenticates with one. */
function keyChange(collection: 'agents' | 'resources', verb: 'add' | 'revoke'): Drive {
  return async world => {
    const { publicJwk: first } = await newProofKey();
    const { publicJwk: second } = await newProofKey();
    const credential = { method: 'private_key_jwt', keys: [first] };
    const record = { ...newRecord(world, collection), credential };
    const id = (await world.admin('POST', collection, record)).json.id;
    const path = `${collection}/${id}/keys`;
    const { items } = (await world.admin('GET', path)).json;
    return {
      act: () =>
        verb === 'add'
          ? world.admin('POST', path, { key: second })
          : world.admin('POST', `${path}/${items[0].id}/revoke`),
      row: { ...byAdmin(world), target: id, ...resourceOf(record) },
    };
  };
}

async function introspected({ app, resource }: World, token: string): Promise<{ readonly jti: string }> {
  return (await app.post('/introspect', { token }, { basic: [resource.id, resource.secret] })).json;
}

const activeKey = (world: World, alg: string): Promise<string> => keyWith(world, alg, 'active');

async function keyWith(world: World, alg: string, status: string): Promise<string> {
  const { json } = await world.admin('GET', 'keys');
  const keys = json.items as readonly { id: string; alg: string; status: string }[];
  const key = keys.find(each => each.alg === alg && each.status === status);
  if (!key) throw new Error(`no ${status} key for ${alg}`);
  return key.id;
}

/** An agent's own request for a token. */
function asking({ app, agent, resource }: World, scope?: string): Promise<Answer> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier, scope };
  return app.post('/token', form, { basic: agent.basic });
}

/** One entry for each event of the union: one that is missing here makes the test of R134 fail. */
export const EVERY_EVENT: Partial<Record<AuditEventType, Drive>> = {
  // What every process does first.
  'lane.opened': async ({ app, storeLocation }) => {
    const lane = newId('lane', app.now());
    return {
      act: async () => {
        await (await openStore(storeLocation, { now: app.now, lane })).close();
        return undefined;
      },
      row: { requestId: lane },
    };
  },
  'client.authentication-refused': async ({ app, agent }) => ({
    act: () => app.post('/token', { grant_type: 'client_credentials' }, { basic: [agent.id, 'wrong'] }),
    row: { reason: 'wrong-secret', client: agent.id },
  }),
  'client.keys-refused': async world => {
    const { app } = world;
    const credential = { method: 'private_key_jwt', jwksUri: 'https://127.0.0.1/jwks' };
    const record = { ...newRecord(world, 'agents'), credential };
    const { id } = (await world.admin('POST', 'agents', record)).json;
    const { privateKey } = await newProofKey();
    const form = {
      grant_type: 'client_credentials',
      ...presenting(await signAssertion(app, { id, privateKey })),
    };
    return {
      act: () => app.post('/token', form),
      row: { reason: 'egress-address-not-permitted', client: id },
    };
  },
  'client.document-refused': async world => {
    const clientId = 'https://127.0.0.1/editor.json';
    await admitApplications(world);
    return {
      act: () => ask(world, `/authorize?client_id=${encodeURIComponent(clientId)}`),
      row: { reason: 'egress-address-not-permitted', client: clientId },
    };
  },
  'client.authorization-refused': async world => ({
    act: () => ask(world, `/authorize?client_id=${world.agent.id}&response_type=code`),
    row: { reason: 'invalid_request', client: world.agent.id },
  }),
  'client.registered': async world => {
    await admitApplications(world);
    return {
      act: () =>
        ask(world, '/register', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ client_name: 'Editor', redirect_uris: ['https://editor.example/'] }),
        }),
      row: { detail: { name: 'Editor', redirectUris: ['https://editor.example/'] } },
    };
  },
  'client.dpop-refused': async ({ app, agent, resource }) => {
    const headers = { DPoP: await signProof(app, await newProofKey()) };
    const form = { grant_type: 'client_credentials', resource: resource.identifier };
    await app.post('/token', form, { basic: agent.basic, headers });
    return {
      act: () => app.post('/token', form, { basic: agent.basic, headers }),
      row: { reason: 'dpop-proof-replayed', client: agent.id, subject: agent.id },
    };
  },
  'token.issued': async world => {
    const { id } = world.agent;
    const row = { client: id, subject: id, actor: [id], resource: world.resource.identifier, scope: 'read' };
    return { act: () => asking(world), row };
  },
  'token.issue-refused': async world => {
    const { id } = world.agent;
    return {
      act: () => asking(world, 'delete'),
      row: {
        reason: 'scope-beyond-envelope',
        client: id,
        subject: id,
        resource: world.resource.identifier,
      },
    };
  },
  'token.revoked': async world => {
    const { app, agent, resource } = world;
    const token = await getToken(app, agent, resource);
    const { jti } = await introspected(world, token);
    return {
      act: () => app.post('/revoke', { token }, { basic: agent.basic }),
      row: { client: agent.id, subject: agent.id, actor: [agent.id], jti },
    };
  },
  'token.revocation-refused': async world => {
    const { app, agent, otherAgent, resource } = world;
    const token = await getToken(app, agent, resource);
    const { jti } = await introspected(world, token);
    return {
      act: () => app.post('/revoke', { token }, { basic: otherAgent.basic }),
      row: { reason: 'foreign-token', client: otherAgent.id, subject: otherAgent.id, jti },
    };
  },
  'token.introspection-refused': async ({ app, agent, resource, otherResource }) => {
    const token = await getToken(app, agent, resource);
    return {
      act: () => app.post('/introspect', { token }, { basic: [otherResource.id, otherResource.secret] }),
      row: { reason: 'foreign-audience', client: otherResource.id },
    };
  },
  'delegation.ended': async world => {
    const { app, agent, owner, resource } = world;
    const about = { personId: owner.id, agentId: agent.id as `agt_${string}`, resourceId: resource.id };
    const record = delegationRecord({ ...about, resource: resource.identifier });
    const given: DelegationChange = { kind: 'insert', collection: 'delegation', record };
    await app.store.commit({ changes: [given], events: [], authority: { none: 'boot' } });
    return {
      act: () => world.admin('POST', `delegations/${record.id}/end`),
      row: {
        ...byAdmin(world),
        target: record.id,
        resource: resource.identifier,
        detail: { person: owner.id, agent: agent.id, epoch: 1 },
      },
    };
  },
  'elevation.revoked': async world => {
    const { app, agent, owner, resource } = world;
    const record = elevationRecord({
      agentId: agent.id as `agt_${string}`,
      subject: agent.id,
      approverId: owner.id as `usr_${string}`,
      resource: resource.identifier,
    });
    const asked: ElevationChange = { kind: 'insert', collection: 'elevation', record };
    await app.store.commit({ changes: [asked], events: [], authority: { none: 'boot' } });
    return {
      act: () => world.admin('POST', `elevations/${record.id}/revoke`),
      row: {
        ...byAdmin(world),
        subject: agent.id,
        target: record.id,
        resource: resource.identifier,
        detail: { agent: agent.id, approver: owner.id, epoch: 1 },
      },
    };
  },
  'agent.created': creation('agents'),
  'agent.updated': change('agents', 'update'),
  'agent.secret-issued': change('agents', 'secrets'),
  'agent.secret-revoked': secretRevocation('agents'),
  'agent.key-added': keyChange('agents', 'add'),
  'agent.key-revoked': keyChange('agents', 'revoke'),
  'agent.tokens-revoked': change('agents', 'tokens/revoke'),
  'agent.killed': change('agents', 'kill'),
  'agent.retired': change('agents', 'retire'),
  'agent.restored': change('agents', 'restore', 'kill'),
  'person.created': creation('people'),
  'person.invited': async ({ admin, app }) => {
    const { json } = await admin('POST', 'people', { name: 'Grace', email: `${randomUUID()}@example.com` });
    return {
      act: () => admin('POST', `people/${json.id}/invite`),
      row: { client: app.admin.clientId, target: json.id },
    };
  },
  'person.updated': change('people', 'update'),
  'person.killed': change('people', 'kill'),
  'person.restored': change('people', 'restore', 'kill'),
  'resource.created': creation('resources'),
  'resource.updated': change('resources', 'update'),
  'resource.secret-issued': change('resources', 'secrets'),
  'resource.secret-revoked': secretRevocation('resources'),
  'resource.key-added': keyChange('resources', 'add'),
  'resource.key-revoked': keyChange('resources', 'revoke'),
  'resource.killed': change('resources', 'kill'),
  'resource.restored': change('resources', 'restore', 'kill'),
  // The last active key has a successor from the moment it is gone.
  'key.created': async world => {
    const id = await activeKey(world, 'ES256');
    return { act: () => world.admin('POST', `keys/${id}/kill`), row: byAdmin(world) };
  },
  'key.killed': async world => {
    const id = await activeKey(world, 'EdDSA');
    return { act: () => world.admin('POST', `keys/${id}/kill`), row: { ...byAdmin(world), target: id } };
  },
  // A rotation that is ended by retiring the successor leaves the world as it was.
  'key.rotated': async world => {
    const target = await activeKey(world, 'ES256');
    return {
      act: () => world.admin('POST', 'keys/rotate', { alg: 'ES256' }),
      row: { ...byAdmin(world), target },
    };
  },
  'key.rotation-ended': async world => {
    const target = await activeKey(world, 'ES256');
    const pending = await keyWith(world, 'ES256', 'published');
    return { act: () => world.admin('POST', `keys/${pending}/retire`), row: { ...byAdmin(world), target } };
  },
  'key.activated': async world => {
    const { json } = await world.admin('POST', 'keys/rotate', { alg: 'ES256' });
    const present = await activeKey(world, 'ES256');
    const row = { ...byAdmin(world), target: json.items[0].id };
    return { act: () => world.admin('POST', `keys/${present}/retire`), row };
  },
  'key.retired': async world => {
    await world.admin('POST', 'keys/rotate', { alg: 'EdDSA' });
    const target = await activeKey(world, 'EdDSA');
    return { act: () => world.admin('POST', `keys/${target}/retire`), row: { ...byAdmin(world), target } };
  },
  'admin.refused': async world => ({
    act: () => world.admin('GET', `agents/agt_${'0'.repeat(32)}`),
    row: { ...byAdmin(world), outcome: 'refused', reason: 'agent-unknown' },
  }),
};
