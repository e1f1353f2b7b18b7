/** The way back in, for whoever runs the host, when nobody can administer the server any more. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { ADMIN_SCOPES } from '../../src/admin-api/index.ts';
import { BOOTSTRAP_OPERATOR_ID, type Person } from '../../src/people/index.ts';
import { credentialRecord } from '../contract/records.ts';
import { type App, startApp } from '../support/start-app.ts';
import { onEachStore, type StoreEnv } from '../support/stores.ts';
import { type Folder, makeFolder, type Ran } from './run-cli.ts';

interface Host {
  readonly app: App;
  readonly folder: Folder;
  /** Where credentials are to go. */
  readonly file: string;
  recover(...args: readonly string[]): Promise<Ran>;
}

/** A server that runs, and the command line on its machine. */
async function makeHost(t: ExecutionContext, store: StoreEnv): Promise<Host> {
  const app = await startApp(t, { env: store });
  const folder = await makeFolder(t);
  const env = {
    COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: app.directory,
    ...store,
  };
  const file = join(folder.path, 'administrator.json');
  return { app, folder, file, recover: (...args) => folder.cliHere(['admin', 'recover', ...args], { env }) };
}

async function administer(app: App, basic: readonly [string, string]) {
  const { json, status } = await app.post('/token', { grant_type: 'client_credentials' }, { basic });
  const call = async (method: string, path: string) => {
    const headers = { Authorization: `Bearer ${json.access_token}` };
    return fetch(`${app.base}/api/v1/${path}`, { method, headers });
  };
  return { status, scope: json.scope as string | undefined, call };
}

function readClient(file: string): [string, string] {
  const { client_id: id, client_secret: secret } = JSON.parse(readFileSync(file, 'utf8'));
  return [id, secret];
}

onEachStore(
  'whoever runs the host gets a new administrator when the last one has ended',
  async (t, store) => {
    const { app, file, recover } = await makeHost(t, store);
    const last = [app.admin.clientId, app.admin.secret] as const;
    const { call } = await administer(app, last);
    t.is((await call('POST', `agents/${app.admin.clientId}/kill`)).status, 200);
    t.is((await administer(app, last)).status, 401);

    const ran = await recover('--file', file);
    t.is(ran.code, 0, ran.stderr);
    t.is(ran.stdout, `${file}\n`);
    t.is(statSync(file).mode & 0o777, 0o600);
    const [id, secret] = readClient(file);
    t.false((ran.stdout + ran.stderr).includes(secret));

    const recovered = await administer(app, [id, secret]);
    t.is(recovered.status, 200);
    t.deepEqual(recovered.scope?.split(' ').sort(), [...ADMIN_SCOPES].sort());
    t.is((await recovered.call('POST', `agents/${app.admin.clientId}/retire`)).status, 200);
    t.is((await administer(app, last)).status, 401, 'nobody else gets anything back');
    const rows = (await app.trail()).filter(event => event.type === 'admin.recovered');
    t.deepEqual(
      rows.map(({ target, detail, outcome }) => ({ target, detail, outcome })),
      [{ target: id, detail: { owner: BOOTSTRAP_OPERATOR_ID }, outcome: 'done' }],
    );
  },
);

onEachStore(
  'a recovered administrator does not hang on a person who was stopped for a reason',
  async (t, store) => {
    const { app, file, recover } = await makeHost(t, store);
    const credential = credentialRecord(BOOTSTRAP_OPERATOR_ID);
    const operator = (await app.store.findPerson(BOOTSTRAP_OPERATOR_ID)) as Person;
    const disabled: Person = { ...operator, version: operator.version + 1, status: 'disabled', epoch: 1 };
    const replaced = { kind: 'replace', collection: 'person', record: disabled, ifVersion: 1 } as const;
    await app.store.commit({ changes: [replaced], events: [], authority: { none: 'boot' } });

    // Nobody has taken it over: an earlier version let it be disabled, and it is enabled again.
    t.is((await recover('--file', file)).code, 0);
    t.is((await app.store.findPerson(BOOTSTRAP_OPERATOR_ID))?.status, 'active');
    t.is((await administer(app, readClient(file))).status, 200);

    await app.store.commit({
      changes: [
        { kind: 'insert', collection: 'person-credential', record: credential },
        { ...replaced, record: { ...disabled, version: 4, epoch: 2 }, ifVersion: 3 },
      ],
      events: [],
      authority: { none: 'boot' },
    });
    const other = `${file}.other`;
    const ran = await recover('--file', other);
    t.is(ran.code, 0, ran.stderr);
    t.is((await app.store.findPerson(BOOTSTRAP_OPERATOR_ID))?.status, 'disabled');
    t.is((await administer(app, readClient(file))).status, 401);
    t.is((await administer(app, readClient(other))).status, 200);
  },
);

test('a file that is there is not overwritten, and then nobody is made', async t => {
  const { app, file, recover } = await makeHost(t, {});
  writeFileSync(file, 'something');
  const ran = await recover('--file', file);
  t.is(ran.code, 2);
  t.is(readFileSync(file, 'utf8'), 'something');
  t.is((await app.store.listAgents({ limit: 10 })).items.length, 1);
});

test('without a place its credentials go to the data directory, beside those that are there', async t => {
  const { app, recover } = await makeHost(t, {});
  const files = [(await recover()).stdout.trim(), (await recover()).stdout.trim()];
  t.is(new Set(files).size, 2);
  for (const file of files) {
    t.true(file.startsWith(join(app.directory, 'administrator-agt_')));
    t.is((await administer(app, readClient(file))).status, 200);
  }
});

test('a store on which no server has started has nobody to recover', async t => {
  const folder = await makeFolder(t);
  t.is((await folder.cliHere(['migrate'])).code, 0);
  const ran = await folder.cliHere(['admin', 'recover', '--file', 'administrator.json']);
  t.is(ran.code, 1);
  t.regex(ran.stderr, /No server has started/);
  t.false(existsSync(join(folder.path, 'administrator.json')));
});

test('a quarantined store is opened first', async t => {
  const { app, file, folder, recover } = await makeHost(t, {});
  const env = {
    COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: app.directory,
  };
  t.is((await folder.cliHere(['quarantine', 'start', '--yes'], { env })).code, 0);
  const ran = await recover('--file', file);
  t.is(ran.code, 1);
  t.regex(ran.stderr, /quarantined/);
  t.false(existsSync(file));
  const closed = await folder.cliHere(['quarantine', 'keep-closed', BOOTSTRAP_OPERATOR_ID], { env });
  t.is(closed.code, 1);
  t.regex(closed.stderr, /rests on this record/);
  t.is((await app.store.findPerson(BOOTSTRAP_OPERATOR_ID))?.status, 'active');
});
