/** What a start takes over from its configuration and from the files that the first start made, and what it leaves as it is. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ConfigError, parseKeyEncryptionKey } from '../../src/config/index.ts';
import { newId } from '../../src/ids.ts';
import { keyEncryptionKeyName } from '../../src/keys/index.ts';
import { BOOTSTRAP_OPERATOR_ID } from '../../src/people/index.ts';
import { makeFolder } from '../cli/run-cli.ts';
import {
  type App,
  type AppOptions,
  addAgent,
  addPerson,
  addResource,
  startAppIn,
} from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';

const SECRETS = ['first', 'second', 'third'].map(
  name => `A-secret-of-the-tests-that-is-the-${name}-0123456789`,
);
const [FIRST = '', SECOND = '', THIRD = ''] = SECRETS;
const newKey = (): string => randomBytes(32).toString('base64url');
const nameOf = (key: string): string => keyEncryptionKeyName(parseKeyEncryptionKey(key));

interface Place {
  readonly directory: string;
  start(env?: Readonly<Record<string, string | undefined>>, logs?: string[]): Promise<App>;
  /** What a start that is refused says. */
  refusal(env?: Readonly<Record<string, string | undefined>>): Promise<string>;
}

/** A directory and a store on which one server starts after the other, each under the name of its own port. */
async function makePlace(t: ExecutionContext, store: StoreEnv): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-start-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const start: Place['start'] = async (env, logs) => {
    const settings = { ...store, ...env };
    const app = await startAppIn(directory, {
      env: settings as NonNullable<AppOptions['env']>,
      ...(logs && { logs }),
    });
    t.teardown(() => app.stop());
    return app;
  };
  return {
    directory,
    start,
    refusal: async env => {
      const error = await t.throwsAsync(start(env), { instanceOf: ConfigError });
      return error?.message ?? '';
    },
  };
}

/** The client that configuration names. */
function configured(id: string, secret: string): Readonly<Record<string, string>> {
  return { COUNTERSIGN_BOOTSTRAP_CLIENT_ID: id, COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: secret };
}

/** No client is configured: the first start makes one. */
const NONE = { COUNTERSIGN_BOOTSTRAP_CLIENT_ID: undefined, COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: undefined };

interface Credentials {
  readonly client_id: string;
  readonly client_secret: string;
}

const madeClient = (place: Place): Credentials =>
  JSON.parse(readFileSync(join(place.directory, 'bootstrap-client.json'), 'utf8'));

async function status(app: App, id: string, secret: string): Promise<number> {
  return (await app.post('/token', { grant_type: 'client_credentials' }, { basic: [id, secret] })).status;
}

async function administer(app: App, id: string, secret: string) {
  const form = { grant_type: 'client_credentials' };
  const { json } = await app.post('/token', form, { basic: [id, secret] });
  return async (method: string, path: string) => {
    const headers = { Authorization: `Bearer ${json.access_token}` };
    const answer = await fetch(`${app.base}/api/v1/${path}`, { method, headers });
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely and assert on what they find
    return (await answer.json()) as any;
  };
}

/** With another Host than where it goes, which `fetch` does not send: the server has the name of another place. */
function sendTo(
  host: string,
  url: string,
  { auth, headers }: { readonly auth?: string; readonly headers?: Readonly<Record<string, string>> },
  form?: string,
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely and assert on what they find
): Promise<{ readonly status: number | undefined; readonly json: any }> {
  return new Promise((resolve, reject) => {
    const type = form !== undefined && { 'Content-Type': 'application/x-www-form-urlencoded' };
    const options = { method: form === undefined ? 'GET' : 'POST', auth: auth ?? null };
    request(url, { ...options, headers: { ...headers, ...type, Host: host } }, async answer => {
      const text = (await answer.toArray()).join('');
      resolve({ status: answer.statusCode, json: JSON.parse(text) });
    })
      .on('error', reject)
      .end(form);
  });
}

/** Gives the client a new secret, and takes away those that it had. */
async function replaceSecret(app: App, id: string, secret: string): Promise<string> {
  const call = await administer(app, id, secret);
  const before = (await call('GET', `agents/${id}/secrets`)).items as readonly { readonly id: string }[];
  const { secret: made } = await call('POST', `agents/${id}/secrets`);
  for (const old of before) await call('POST', `agents/${id}/secrets/${old.id}/revoke`);
  return made;
}

onEachStore('a restart does not bring a replaced bootstrap secret back', async (t, store) => {
  const place = await makePlace(t, store);
  const id = newId('agt', Date.now());
  const first = await place.start(configured(id, FIRST));
  const replacement = await replaceSecret(first, id, FIRST);
  await first.stop();

  const second = await place.start(configured(id, FIRST));
  t.is(await status(second, id, FIRST), 401);
  t.is(await status(second, id, replacement), 200);
  await second.stop();

  // Configuration says something new: that holds from now on, and only until somebody replaces it.
  const third = await place.start(configured(id, SECOND));
  t.is(await status(third, id, SECOND), 200);
  t.is(await status(third, id, replacement), 401);
  const issued = (await third.trail()).filter(
    ({ type, detail }) => type === 'agent.secret-issued' && detail?.['by'] === 'configuration',
  );
  t.deepEqual(
    issued.map(({ target }) => target),
    [id],
  );
  const another = await replaceSecret(third, id, SECOND);
  await third.stop();
  const fourth = await place.start(configured(id, SECOND));
  t.is(await status(fourth, id, SECOND), 401);
  t.is(await status(fourth, id, another), 200);
});

whateverTheStore(
  'a server moves to another issuer whose API has its name taken: whoever names it gets the API, and nobody who could act there before',
  async (t, store) => {
    const place = await makePlace(t, store);
    const id = newId('agt', Date.now());
    const first = await place.start(configured(id, FIRST));
    const elsewhere = 'http://localhost:4999';
    const squatter = await addResource(first, {
      identifier: `${elsewhere}/api`,
      scopes: [{ name: 'agents', sentence: 'Do something', risk: 'low' }],
    });
    const envelope = [{ resource: squatter.identifier, scopes: ['agents'] }];
    const agent = await addAgent(first, await addPerson(first), squatter, { envelope, baseline: envelope });
    await first.stop();

    const logs: string[] = [];
    const moved = await place.start({ ...configured(id, FIRST), COUNTERSIGN_ISSUER: elsewhere }, logs);
    t.true(logs.some(line => line.includes('has its name taken') && line.includes(squatter.id)));
    const { host } = new URL(elsewhere);
    const form = { grant_type: 'client_credentials', resource: squatter.identifier };
    const ask = (basic: readonly [string, string]) =>
      sendTo(host, `${moved.base}/token`, { auth: basic.join(':') }, new URLSearchParams(form).toString());
    const { json } = await ask([id, FIRST]);
    const headers = { Authorization: `Bearer ${json.access_token}` };
    const read = await sendTo(host, `${moved.base}/api/v1/agents/${agent.id}`, { headers });
    t.is(read.status, 200, JSON.stringify(read.json));
    t.is((await ask(agent.basic)).json.error, 'invalid_target');
    await moved.stop();

    // Where the name is free, it is taken as ever, and whoever has started it is told what that ends.
    logs.length = 0;
    const onwards = await place.start(configured(id, FIRST), logs);
    t.true(logs.some(line => line.includes('was used under another issuer') && line.includes(first.issuer)));
    const named = { grant_type: 'client_credentials', resource: `${onwards.issuer}/api` };
    t.is((await onwards.post('/token', named, { basic: [id, FIRST] })).status, 200);
  },
);

onEachStore(
  'a process that starts beside another one brings no replaced secret back either',
  async (t, store) => {
    const place = await makePlace(t, store);
    const id = newId('agt', Date.now());
    const first = await place.start(configured(id, FIRST));
    const replacement = await replaceSecret(first, id, FIRST);
    const held = await first.store.findAgent(id);
    const second = await place.start({ ...configured(id, FIRST), COUNTERSIGN_ISSUER: first.issuer });
    t.deepEqual(await second.store.findAgent(id), held);
    t.is(await status(first, id, FIRST), 401);
    t.is(await status(first, id, replacement), 200);
  },
);

onEachStore(
  'a secret that was configured before its digest was kept is not applied again, and the next one is',
  async (t, store) => {
    const place = await makePlace(t, store);
    const id = newId('agt', Date.now());
    const first = await place.start(configured(id, FIRST));
    const replacement = await replaceSecret(first, id, FIRST);
    const agent = await first.store.findAgent(id);
    if (!agent) throw new Error('no bootstrap client');
    // As an earlier version left it.
    const { configuredSecretDigest: _, ...before } = agent;
    const record = { ...before, version: agent.version + 1 };
    await first.store.commit({
      changes: [{ kind: 'replace', collection: 'agent', record, ifVersion: agent.version }],
      events: [],
      authority: { none: 'boot' },
    });
    await first.stop();
    const second = await place.start(configured(id, FIRST));
    t.is(await status(second, id, FIRST), 401);
    t.is(await status(second, id, replacement), 200);
    await second.stop();
    const third = await place.start(configured(id, THIRD));
    t.is(await status(third, id, THIRD), 200);
  },
);

whateverTheStore(
  'the file of the first start makes its client once, and gives it no secret again',
  async (t, store) => {
    const place = await makePlace(t, store);
    const first = await place.start(NONE);
    const { client_id: id, client_secret: secret } = madeClient(place);
    t.is(await status(first, id, secret), 200);
    const replacement = await replaceSecret(first, id, secret);
    await first.stop();
    const second = await place.start(NONE);
    t.is(await status(second, id, secret), 401);
    t.is(await status(second, id, replacement), 200);
    await second.stop();
    // A client that began with a file is given a secret by configuration like any other.
    const third = await place.start(configured(id, FIRST));
    t.is(await status(third, id, FIRST), 200);
  },
);

whateverTheStore('a bootstrap client whose file is gone is not made anew', async (t, store) => {
  const place = await makePlace(t, store);
  const first = await place.start(NONE);
  const { client_id: id, client_secret: secret } = madeClient(place);
  await first.stop();
  rmSync(join(place.directory, 'bootstrap-client.json'));
  const second = await place.start(NONE);
  t.false(existsSync(join(place.directory, 'bootstrap-client.json')));
  t.is(await status(second, id, secret), 200);
  const agents = await second.store.listAgents({ limit: 10 });
  t.deepEqual(
    agents.items.map(agent => agent.id),
    [id as never],
  );
  t.is((await second.store.findPerson(BOOTSTRAP_OPERATOR_ID))?.status, 'active');
});

test('a start that ended before the store knew its client goes on with the files that it had made', async t => {
  const place = await makePlace(t, {});
  const key = newKey();
  const client = { client_id: newId('agt', Date.now()), client_secret: FIRST };
  mkdirSync(place.directory, { recursive: true });
  writeFileSync(join(place.directory, 'key-encryption-key'), key, { mode: 0o600 });
  writeFileSync(join(place.directory, 'bootstrap-client.json'), JSON.stringify(client), { mode: 0o600 });
  const file = join(place.directory, 'bootstrap-client.json');
  const twice = JSON.stringify(client).replace('{', '{"client_secret":"another",');
  writeFileSync(file, twice, { mode: 0o600 });
  await t.throwsAsync(place.start(NONE), {
    message: /bootstrap-client\.json: it is no JSON object with each member once/,
  });
  writeFileSync(file, JSON.stringify(client), { mode: 0o600 });
  const app = await place.start(NONE);
  t.is(await status(app, client.client_id, FIRST), 200);
  t.is(readFileSync(join(place.directory, 'key-encryption-key'), 'utf8'), key);
});

test('a start beside a store that is not new makes no key-encryption key, and names the file that is missing', async t => {
  const place = await makePlace(t, {});
  const file = join(place.directory, 'key-encryption-key');
  const first = await place.start(NONE);
  const keys = (await first.store.listSigningKeys()).map(({ id }) => id);
  await first.stop();
  renameSync(file, `${file}.away`);
  const refusal = await place.refusal(NONE);
  t.true(refusal.includes(`${file}: the key-encryption key is missing`), refusal);
  t.false(existsSync(file));

  writeFileSync(file, newKey(), { mode: 0o600 });
  const wrong = await place.refusal(NONE);
  t.true(wrong.includes(`${file}: it is not the key-encryption key of the store`), wrong);
  writeFileSync(file, 'half', { mode: 0o600 });
  t.true((await place.refusal(NONE)).includes(`${file}: it does not hold a key-encryption key`));

  renameSync(`${file}.away`, file);
  const again = await place.start(NONE);
  t.deepEqual(
    (await again.store.listSigningKeys()).map(({ id }) => id),
    keys,
  );
});

onEachStore('a start with another key-encryption key is refused, and changes nothing', async (t, store) => {
  const place = await makePlace(t, store);
  const [right, wrong] = [newKey(), newKey()];
  const first = await place.start({ COUNTERSIGN_KEY_ENCRYPTION_KEY: right });
  const known = await first.store.findDeployment();
  await first.stop();
  const refusal = await place.refusal({ COUNTERSIGN_KEY_ENCRYPTION_KEY: wrong });
  t.true(
    refusal.includes('COUNTERSIGN_KEY_ENCRYPTION_KEY: it is not the key-encryption key of the store'),
    refusal,
  );
  t.true(refusal.includes(nameOf(right)) && refusal.includes(nameOf(wrong)), refusal);
  t.false(refusal.includes(right) || refusal.includes(wrong));
  const file = join(place.directory, 'key.txt');
  writeFileSync(file, wrong, { mode: 0o600 });
  const byFile = { COUNTERSIGN_KEY_ENCRYPTION_KEY: undefined, COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE: file };
  t.true((await place.refusal(byFile)).includes(`${file}: it is not the key-encryption key of the store`));
  writeFileSync(file, right);
  const again = await place.start(byFile);
  t.deepEqual(await again.store.findDeployment(), known);
  t.is((await again.trail()).filter(event => event.type === 'deployment.key-noted').length, 1);
});

onEachStore(
  'a key-encryption key is missed although no signing key is sealed with it any more, until all is sealed anew',
  async (t, store) => {
    const place = await makePlace(t, store);
    const [older, newer] = [newKey(), newKey()];
    const id = newId('agt', Date.now());
    const client = configured(id, FIRST);
    const withOlder = { ...client, COUNTERSIGN_KEY_ENCRYPTION_KEY: older };
    const withBoth = {
      ...client,
      COUNTERSIGN_KEY_ENCRYPTION_KEY: newer,
      COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: older,
    };
    const withNewer = { ...client, COUNTERSIGN_KEY_ENCRYPTION_KEY: newer };
    const first = await place.start(withOlder);
    // The one that starts beside it has both, as while processes are started anew one after the other.
    const second = await place.start(withBoth);
    await first.stop();
    const call = await administer(second, id, FIRST);
    for (const key of await second.store.listSigningKeys()) await call('POST', `keys/${key.id}/kill`);
    await second.stop();
    t.true((await place.refusal(withNewer)).includes(nameOf(older)));
    t.true((await place.refusal(withOlder)).includes(nameOf(newer)));

    const third = await place.start(withBoth);
    await (await administer(third, id, FIRST))('POST', 'keys/reseal');
    const [forgotten] = (await third.trail()).filter(event => event.type === 'deployment.key-forgotten');
    t.deepEqual(forgotten?.detail, { keyEncryptionKeys: [nameOf(older)] });
    await third.stop();
    t.true((await place.refusal(withOlder)).includes(nameOf(newer)));
    const fourth = await place.start(withNewer);
    t.is(await status(fourth, id, FIRST), 200);
  },
);

whateverTheStore(
  'a store of an earlier version has its key-encryption key noted at the next start',
  async (t, store) => {
    const place = await makePlace(t, store);
    const [right, wrong] = [newKey(), newKey()];
    const first = await place.start({ COUNTERSIGN_KEY_ENCRYPTION_KEY: right });
    const known = await first.store.findDeployment();
    if (!known) throw new Error('no deployment');
    const { keyChecks, ...before } = known;
    t.is(keyChecks?.length, 1);
    const record = { ...before, version: known.version + 1 };
    await first.store.commit({
      changes: [{ kind: 'replace', collection: 'deployment', record, ifVersion: known.version }],
      events: [],
      authority: { none: 'boot' },
    });
    await first.stop();
    t.true((await place.refusal({ COUNTERSIGN_KEY_ENCRYPTION_KEY: wrong })).includes(nameOf(right)));
    const second = await place.start({ COUNTERSIGN_KEY_ENCRYPTION_KEY: right });
    t.is((await second.store.findDeployment())?.keyChecks?.length, 1);
  },
);

test('a restored store needs the key-encryption key of the time of its backup, until all is sealed anew', async t => {
  const place = await makePlace(t, {});
  const folder = await makeFolder(t, {
    COUNTERSIGN_STORE: `sqlite:${join(place.directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: place.directory,
  });
  const run = async (...args: readonly string[]) => {
    const ran = await folder.cliHere(args);
    t.is(ran.code, 0, ran.stderr);
  };
  const [older, newer] = [newKey(), newKey()];
  const id = newId('agt', Date.now());
  const client = configured(id, FIRST);
  const withNewer = { ...client, COUNTERSIGN_KEY_ENCRYPTION_KEY: newer };
  const withBoth = { ...withNewer, COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: older };
  await (await place.start({ ...client, COUNTERSIGN_KEY_ENCRYPTION_KEY: older })).stop();
  await run('backup', 'backup.sqlite');
  const changed = await place.start(withBoth);
  await (await administer(changed, id, FIRST))('POST', 'keys/reseal');
  await changed.stop();

  await run('restore', 'backup.sqlite');
  t.true((await place.refusal(withNewer)).includes(nameOf(older)));
  await (await place.start(withBoth)).stop();
  const { stdout } = await folder.cliHere(['quarantine', 'list', '-o', 'json']);
  const count = stdout.trim().split('\n').length;
  await run('quarantine', 'confirm', '--all', String(count), '--secret', 'keep');
  await run('quarantine', 'open');
  const opened = await place.start(withBoth);
  await (await administer(opened, id, FIRST))('POST', 'keys/reseal');
  await opened.stop();
  t.is(await status(await place.start(withNewer), id, FIRST), 200);
});
