import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import type { AuditEvent } from '../../src/audit/index.ts';
import { parseKeyEncryptionKey } from '../../src/config/index.ts';
import {
  advanceSigningKeys,
  resealSigningKeys,
  rotateBySchedule,
  rotateSigningKeys,
  type SigningKeyDeps,
  sealingKey,
} from '../../src/keys/index.ts';
import type { SigningAlg } from '../../src/oauth.ts';
import { adminClient } from '../support/admin-client.ts';
import {
  type Answer,
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  getToken,
  introspect,
  startApp,
  startAppIn,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { onEachStore } from '../support/stores.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const KEK = randomBytes(32).toString('base64url');
const SEALING = sealingKey(parseKeyEncryptionKey(KEK));

interface World {
  readonly app: App;
  readonly resource: TestResource;
  readonly agent: TestAgent;
  /** Sets the clock. */
  at(ms: number): void;
  readonly start: number;
  admin(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly json: Answer['json'] }>;
  jwks(): Promise<JSONWebKeySet>;
  kids(): Promise<readonly string[]>;
  /** Which key signs now. */
  signer(): Promise<string>;
}

async function startWorld(
  t: ExecutionContext,
  env: AppOptions['env'] = {},
  alg: SigningAlg = 'ES256',
): Promise<World> {
  const start = Date.now();
  // Keys that are made in one millisecond have no order.
  let now = start - 1_000;
  const app = await startApp(t, {
    clock: () => now,
    // A test that moves the clock by months follows the schedule itself: the server would do so too, now or then.
    env: { ...env, COUNTERSIGN_KEY_ENCRYPTION_KEY: KEK, COUNTERSIGN_SIGNING_KEY_ROTATION_DAYS: '0' },
  });
  const resource = await addResource(app, { tokenFormat: { kind: 'jwt', alg } });
  const agent = await addAgent(app, await addPerson(app), resource);
  now = start;
  const jwks = async () => (await (await fetch(`${app.base}/jwks`)).json()) as JSONWebKeySet;
  return {
    app,
    resource,
    agent,
    start,
    jwks,
    at: ms => {
      now = ms;
    },
    admin: async (method, path, body) => {
      const form = { grant_type: 'client_credentials', scope: 'keys read' };
      const token = (await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] })).json;
      const response = await fetch(`${app.base}/api/v1/${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${token.access_token}`,
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, json: await response.json() };
    },
    kids: async () => (await jwks()).keys.filter(key => key.alg === alg).map(key => key.kid ?? ''),
    signer: async () => decodeProtectedHeader(await getToken(app, agent, resource)).kid ?? '',
  };
}

/** As the server has them, so that a test can do at once what the server does every few seconds. */
function depsOf(app: App): SigningKeyDeps {
  const timing = { overlapMs: 10 * MINUTE, verifiesMs: 10 * MINUTE };
  return { keys: app.store, freshness: app.store, sealing: SEALING, timing };
}

const verifies = (jwks: JSONWebKeySet, token: string, at: number): Promise<boolean> =>
  jwtVerify(token, createLocalJWKSet(jwks), { currentDate: new Date(at) }).then(
    () => true,
    error => {
      if (error instanceof errors.JOSEError) return false;
      throw error;
    },
  );

const ofKey = async (app: App, id: string): Promise<readonly AuditEvent[]> =>
  (await app.trail()).filter(event => event.target === id);

onEachStore(
  'R057: a successor is published before it signs, and the former key verifies until its last token has expired',
  async (t, store) => {
    const { app, agent, resource, at, start, admin, jwks, kids, signer } = await startWorld(t, store);
    const former = await signer();
    const rotated = await admin('POST', 'keys/rotate', { alg: 'ES256' });
    t.is(rotated.status, 201);
    const [{ id: successor, status, activatesAt }] = rotated.json.items;
    t.is(status, 'published');
    t.is(Date.parse(activatesAt), start + 10 * MINUTE);

    t.deepEqual(await kids(), [former, successor]);
    t.is(await signer(), former);
    at(start + 10 * MINUTE - 1);
    const last = await getToken(app, agent, resource);
    t.is(decodeProtectedHeader(last).kid, former);
    at(start + 10 * MINUTE);
    t.is(await signer(), successor);
    t.deepEqual(await kids(), [former, successor]);

    const expiry = (decodeJwt(last).exp ?? 0) * 1000;
    at(expiry - 1);
    t.true(await verifies(await jwks(), last, expiry - 1));
    t.true((await introspect(app, resource, last)).json.active);
    at(start + 20 * MINUTE);
    t.deepEqual(await kids(), [successor]);
    await advanceSigningKeys(depsOf(app), app.origin());
    const { json } = await admin('GET', 'keys');
    const states = Object.fromEntries(
      json.items.map((key: { id: string; status: string }) => [key.id, key.status]),
    );
    t.like(states, { [former]: 'removed', [successor]: 'active' });
    t.deepEqual(
      (await ofKey(app, successor)).map(({ type }) => type),
      ['key.created', 'key.activated'],
    );
  },
);

onEachStore(
  'a private half that signs no longer is destroyed, and the trail has every step',
  async (t, store) => {
    const { app, at, start, admin, signer } = await startWorld(t, store);
    const former = await signer();
    await admin('POST', 'keys/rotate', { alg: 'ES256' });
    const advance = () => advanceSigningKeys(depsOf(app), app.origin());
    await advance();
    t.truthy((await app.store.findSigningKey(former))?.sealedPrivateKey);
    at(start + 10 * MINUTE);
    await advance();
    t.is((await app.store.findSigningKey(former))?.sealedPrivateKey, undefined);
    at(start + 20 * MINUTE);
    await advance();
    await advance();
    t.deepEqual(
      (await ofKey(app, former)).map(({ type }) => type),
      ['key.created', 'key.rotated', 'key.retired', 'key.removed'],
    );
  },
);

test('I18: what a key has become is not taken back by a clock that is set back, nor by a restart', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const start = Date.now();
  let now = start - 1_000;
  const env = { COUNTERSIGN_KEY_ENCRYPTION_KEY: KEK };
  const first = await startAppIn(directory, { env, clock: () => now });
  now = start;
  const [former] = await first.store.listSigningKeys();
  const [successor] = await rotateSigningKeys(depsOf(first), { alg: former?.alg }, first.origin());
  const jwks = async (app: App) =>
    ((await (await fetch(`${app.base}/jwks`)).json()) as JSONWebKeySet).keys.map(key => key.kid);

  now = start + 10 * MINUTE;
  const active = (app: App) => app.store.findSigningKey(successor?.id ?? '').then(key => key?.status);
  await advanceSigningKeys(depsOf(first), first.origin());
  t.is(await active(first), 'active');
  now = start + 21 * MINUTE;
  t.false((await jwks(first)).includes(former?.id));
  await advanceSigningKeys(depsOf(first), first.origin());
  // Back in the running process: its time does not go back.
  now = start - DAY;
  t.false((await jwks(first)).includes(former?.id));
  await first.stop();

  // Back by as much as a start puts up with, in a process that has never seen a later time.
  now = start + 21 * MINUTE - 4_000;
  const second = await startAppIn(directory, { env, clock: () => now });
  t.teardown(() => second.stop());
  t.false((await jwks(second)).includes(former?.id));
  t.true((await jwks(second)).includes(successor?.id));
  await advanceSigningKeys(depsOf(second), second.origin());
  const ids = [former?.id, successor?.id];
  const keys = (await second.store.listSigningKeys()).filter(key => ids.includes(key.id));
  t.deepEqual(
    keys.map(({ status }) => status),
    ['removed', 'active'],
  );
});

test('a clock set forward ends nothing that is needed: the other key signs on', async t => {
  const { at, start, admin, signer, kids } = await startWorld(t);
  const former = await signer();
  await admin('POST', 'keys/rotate', {});
  at(start + 400 * DAY);
  const successor = await signer();
  t.not(successor, former);
  t.deepEqual(await kids(), [successor]);
});

onEachStore('the schedule makes one successor, however many processes follow it', async (t, store) => {
  const { app, at, start } = await startWorld(t, store);
  const run = () =>
    Promise.all(Array.from({ length: 8 }, () => rotateBySchedule(depsOf(app), 90 * DAY, app.origin())));
  // The first keys are a second older than that.
  at(start - 1_000 + 90 * DAY - 1);
  await run();
  t.is((await app.store.listSigningKeys()).length, 2);
  at(start + 90 * DAY + MINUTE);
  await run();
  await run();
  const keys = await app.store.listSigningKeys();
  t.is(keys.length, 4);
  t.is(keys.filter(key => key.retiresAt !== undefined).length, 2);
  const rotations = (await app.trail()).filter(event => event.type === 'key.rotated');
  t.deepEqual(
    rotations.map(event => event.detail?.['cause']),
    ['schedule', 'schedule'],
  );
  await rotateBySchedule(depsOf(app), 0, { ...app.origin(), now: start + 4_000 * DAY });
  t.is((await app.store.listSigningKeys()).length, 4);
});

onEachStore(
  'two rotations at once make one successor; the other is told which is pending',
  async (t, store) => {
    const { admin, kids } = await startWorld(t, store);
    const answers = await Promise.all([1, 2, 3, 4].map(() => admin('POST', 'keys/rotate', { alg: 'ES256' })));
    t.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
    const refused = answers.find(({ status }) => status === 409);
    const [, successor] = await kids();
    t.is(refused?.json.type.split('#')[1], 'key-rotation-pending');
    t.true(refused?.json.detail.includes(successor));
    t.is((await kids()).length, 2);
  },
);

test('a key without a successor is not retired; with one, the successor signs at once', async t => {
  const { admin, signer, kids } = await startWorld(t);
  const former = await signer();
  const refused = await admin('POST', `keys/${former}/retire`);
  t.is(refused.status, 409);
  t.is(refused.json.type.split('#')[1], 'key-without-successor');
  t.is(await signer(), former);
  const [{ id: successor }] = (await admin('POST', 'keys/rotate', { alg: 'ES256' })).json.items;
  const retired = await admin('POST', `keys/${former}/retire`);
  t.is(retired.json.status, 'retired');
  t.is(await signer(), successor);
  t.deepEqual(await kids(), [former, successor]);
  t.is((await admin('POST', `keys/${former}/retire`)).json.updatedAt, retired.json.updatedAt);
});

test('retiring or killing a successor that has not signed ends the rotation, and the present key signs on', async t => {
  const { at, start, admin, signer, kids } = await startWorld(t);
  const former = await signer();
  for (const verb of ['retire', 'kill']) {
    const [{ id: successor }] = (await admin('POST', 'keys/rotate', { alg: 'ES256' })).json.items;
    t.is((await admin('POST', `keys/${successor}/${verb}`)).status, 200);
    t.deepEqual(await kids(), [former]);
  }
  at(start + 2 * DAY);
  t.is(await signer(), former);
});

test('a killed key is followed at once by the successor that is published already', async t => {
  const { admin, signer, kids } = await startWorld(t);
  const former = await signer();
  const [{ id: successor }] = (await admin('POST', 'keys/rotate', { alg: 'ES256' })).json.items;
  t.is((await admin('POST', `keys/${former}/kill`)).json.status, 'killed');
  t.is(await signer(), successor);
  t.deepEqual(await kids(), [successor]);
});

test('an overlap of 0 has to be asked for, and the API says what it costs', async t => {
  const { admin, signer } = await startWorld(t);
  const former = await signer();
  for (const overlapSeconds of [-1, 1.5, 604_801, '0', null]) {
    t.is((await admin('POST', 'keys/rotate', { overlapSeconds })).status, 400, String(overlapSeconds));
  }
  t.is((await admin('POST', 'keys/rotate', { now: true })).status, 400);
  const [{ id, status }] = (await admin('POST', 'keys/rotate', { alg: 'ES256', overlapSeconds: 0 })).json
    .items;
  t.is(status, 'active');
  t.is(await signer(), id);
  t.not(id, former);
});

onEachStore(
  'keys are sealed anew while the server runs, and after a crash the rest of them',
  async (t, store) => {
    const { app, admin, signer } = await startWorld(t, store);
    // The server opens its keys.
    await signer();
    await admin('POST', 'keys/rotate', {});
    const current = sealingKey(parseKeyEncryptionKey(randomBytes(32).toString('base64url')), [
      parseKeyEncryptionKey(KEK),
    ]);
    const sealedWith = async () =>
      (await app.store.listSigningKeys()).map(key => key.sealedPrivateKey?.split('.')[1]);
    t.deepEqual(await sealedWith(), Array(4).fill(SEALING.keyName));

    let commits = 0;
    const crashing: SigningKeyDeps['keys'] = {
      listSigningKeys: () => app.store.listSigningKeys(),
      findSigningKey: id => app.store.findSigningKey(id),
      commit: unit => {
        commits += 1;
        return commits > 2 ? Promise.reject(new Error('crash')) : app.store.commit(unit);
      },
    };
    const deps = { ...depsOf(app), sealing: current };
    await t.throwsAsync(resealSigningKeys({ ...deps, keys: crashing }, app.origin()), { message: 'crash' });
    t.is((await sealedWith()).filter(name => name === current.keyName).length, 2);
    const [one, other] = await Promise.all([
      resealSigningKeys(deps, app.origin()),
      resealSigningKeys(deps, app.origin()),
    ]);
    t.is((one?.resealed ?? 0) + (other?.resealed ?? 0), 2);
    t.deepEqual(await sealedWith(), Array(4).fill(current.keyName));
    t.is((await app.trail()).filter(event => event.type === 'key.resealed').length, 4);
    // The server knows the older key only; what it has opened it goes on using.
    t.regex(await signer(), /^key_/);
    t.deepEqual(await resealSigningKeys(deps, app.origin()), {
      keyEncryptionKey: current.keyName,
      resealed: 0,
    });
  },
);

test('a server whose key-encryption key is gone does not start, and says which one is missing', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const successor = randomBytes(32).toString('base64url');
  const env = { COUNTERSIGN_KEY_ENCRYPTION_KEY: KEK };
  await (await startAppIn(directory, { env })).stop();
  const error = await t.throwsAsync(
    startAppIn(directory, { env: { COUNTERSIGN_KEY_ENCRYPTION_KEY: successor } }),
  );
  t.regex(
    error?.message ?? '',
    new RegExp(`COUNTERSIGN_KEY_ENCRYPTION_KEY: it is not the key.* sealed with .* ${SEALING.keyName};`),
  );

  const both = { COUNTERSIGN_KEY_ENCRYPTION_KEY: successor, COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: KEK };
  const app = await startAppIn(directory, { env: both });
  t.is((await adminClient(app).resealSigningKeys()).resealed, 2);
  await app.stop();
  // The former one is out of use for good.
  await (await startAppIn(directory, { env: { COUNTERSIGN_KEY_ENCRYPTION_KEY: successor } })).stop();
  await t.throwsAsync(startAppIn(directory, { env }), {
    message: /it is not the key-encryption key of the store/,
  });
});

test('what a process with a newer key-encryption key signs verifies in one that has it not, which says so', async t => {
  const { app, admin, signer, kids } = await startWorld(t, {}, 'EdDSA');
  const former = await signer();
  const newer = sealingKey(parseKeyEncryptionKey(randomBytes(32).toString('base64url')));
  const [made] = await rotateSigningKeys(
    { ...depsOf(app), sealing: newer },
    { alg: 'EdDSA', overlapSeconds: 0 },
    app.origin(),
  );
  t.deepEqual(await kids(), [former, made?.id]);
  const { json } = await admin('GET', 'keys');
  t.is(json.items.find((key: { id: string }) => key.id === made?.id).sealedWith, newer.keyName);
  const refused = await admin('POST', 'keys/reseal');
  t.is(refused.status, 409);
  t.true(refused.json.detail.includes(newer.keyName));
});
