/** `countersign doctor`: what is seeded is found, with its mending; what is right is not called wrong. */
import { randomBytes, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import { checkMachine } from '../../src/cli/doctor/settings.ts';
import { loadConfig } from '../../src/config/index.ts';
import { TLS_CERTIFICATE, TLS_PRIVATE_KEY } from '../config/tls-pair.ts';
import { COMPILED } from '../support/child-env.ts';
import { freePort } from '../support/free-port.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { type Folder, makeFolder, type RunOptions } from './run-cli.ts';

interface Finding {
  readonly check: string;
  readonly verdict: string;
  readonly found: string;
  readonly mend?: string;
}

async function findings(folder: Folder, env: RunOptions['env'] = {}): Promise<readonly Finding[]> {
  const ran = await folder.cliHere(['doctor', '-o', 'json'], { env });
  const all: readonly Finding[] = ran.json.findings;
  const isBad = all.some(({ verdict }) => verdict === 'bad');
  if (ran.code !== (isBad ? 1 : 0)) throw new Error(`exit code ${ran.code} with ${ran.stdout}`);
  return all;
}

/** What is bad or a warning, besides what a folder without a server has. */
async function complaints(folder: Folder, env: RunOptions['env'] = {}): Promise<readonly Finding[]> {
  return (await findings(folder, env)).filter(
    ({ check, verdict }) => verdict !== 'ok' && check !== 'checkpoints',
  );
}

function seen(
  t: ExecutionContext,
  all: readonly Finding[],
  check: string,
  verdict: string,
  found: RegExp,
): void {
  const finding = all.find(each => each.check === check && found.test(each.found));
  t.is(finding?.verdict, verdict, `${check} ${found}: ${JSON.stringify(all)}`);
  t.true((finding?.mend ?? '').length > 5, check);
}

interface Deployment {
  readonly folder: Folder;
  readonly server: ServerProcess;
  readonly port: number;
}

/** A server that has been started in a folder. */
async function deploy(t: ExecutionContext): Promise<Deployment> {
  const port = await freePort();
  const folder = await makeFolder(t, { COUNTERSIGN_PORT: String(port) });
  const server = await startServerProcess({
    env: {
      ...COMPILED,
      COUNTERSIGN_STORE: `sqlite:${join(folder.path, 'var/countersign.sqlite')}`,
      COUNTERSIGN_DATA_DIR: join(folder.path, 'var'),
    },
    issuer: `http://localhost:${port}`,
    port,
  });
  t.teardown(() => server.end('SIGTERM'));
  return { folder, server, port };
}

// One at a time: what is run here has the folder of the process, from which servers are started.
test.serial(
  'G24: a server that is well is called so, check by check, and nothing is changed by looking',
  async t => {
    const { folder } = await deploy(t);
    const file = join(folder.path, 'var/countersign.sqlite');
    const before = countRows(file);
    const all = await findings(folder);
    t.deepEqual(await complaints(folder), []);
    const checks = ['settings', 'exposure', 'private files', 'disk', 'store', 'clock', 'signing keys'];
    for (const check of [...checks, 'metadata', 'server clock', 'browsers', 'readiness', 'public keys']) {
      t.is(all.find(each => each.check === check)?.verdict, 'ok', check);
    }
    t.is(countRows(file), before);
    const shown = await folder.cli(['doctor', '-o', 'table']);
    t.is(shown.code, 0);
    t.regex(shown.stdout, /^✔ settings +all are permitted\n/);
    const secret = JSON.parse(
      readFileSync(join(folder.path, 'var/bootstrap-client.json'), 'utf8'),
    ).client_secret;
    t.false(shown.stdout.includes(secret));
  },
);

test.serial('a folder in which nothing was started yet is no defect, but nobody answers there', async t => {
  // A port that is given to nobody, and that `fetch` does not refuse by itself.
  const folder = await makeFolder(t, { COUNTERSIGN_PORT: '2' });
  const all = await complaints(folder);
  t.is(all.length, 1);
  seen(t, all, 'issuer', 'bad', /cannot be reached: .*ECONNREFUSED/);
  t.false(existsSync(join(folder.path, 'var')));
});

test.serial('G24: settings that are wrong are told, all of them', async t => {
  const folder = await makeFolder(t);
  const env = { COUNTERSIGN_PORT: 'x', COUNTERSIGN_ISUER: 'https://as.example' };
  const all = await complaints(folder, env);
  t.is(all.length, 2);
  seen(t, all, 'settings', 'bad', /did you mean COUNTERSIGN_ISSUER/);
  seen(t, all, 'settings', 'bad', /COUNTERSIGN_PORT: "x"/);
});

test.serial('G24: what can be read by others, and what cannot be opened, is found', async t => {
  const { folder, server } = await deploy(t);
  await server.end('SIGTERM');
  const inVar = (name: string): string => join(folder.path, 'var', name);
  chmodSync(inVar('bootstrap-client.json'), 0o644);
  chmodSync(inVar('countersign.sqlite'), 0o664);
  const open = await complaints(folder);
  seen(t, open, 'private files', 'bad', /bootstrap-client\.json .*644/);
  seen(t, open, 'private files', 'bad', /countersign\.sqlite .*664/);
  chmodSync(inVar('bootstrap-client.json'), 0o600);
  chmodSync(inVar('countersign.sqlite'), 0o600);

  const other = { COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
  seen(
    t,
    await complaints(folder, other),
    'signing keys',
    'bad',
    /sealed with the key-encryption key .*not configured/,
  );
  // With the right one among the older ones, there is something to do, and nothing is lost.
  const older = readFileSync(inVar('key-encryption-key'), 'utf8').trim();
  const both = { ...other, COUNTERSIGN_OLDER_KEY_ENCRYPTION_KEYS: older };
  seen(t, await complaints(folder, both), 'signing keys', 'warning', /2 are sealed with an older key/);
  renameSync(inVar('key-encryption-key'), inVar('elsewhere'));
  seen(t, await complaints(folder), 'signing keys', 'bad', /key-encryption key is missing/);
  renameSync(inVar('elsewhere'), inVar('key-encryption-key'));

  writeFileSync(inVar('broken.sqlite'), randomBytes(8192), { mode: 0o600 });
  const broken = { COUNTERSIGN_STORE: `sqlite:${inVar('broken.sqlite')}` };
  seen(t, await complaints(folder, broken), 'store', 'bad', /cannot be read/);
});

test.serial('G24: a store of another schema, of a backup, or from the future is found', async t => {
  const { folder, server } = await deploy(t);
  await server.end('SIGTERM');
  const file = join(folder.path, 'var/countersign.sqlite');
  const change = (sql: string): void => {
    const database = new DatabaseSync(file);
    database.exec(sql);
    database.close();
  };
  const version = schemaOf(file);
  change(`PRAGMA user_version = ${version + 1}`);
  seen(t, await complaints(folder), 'store', 'bad', /this program knows/);
  change(`PRAGMA user_version = ${version - 1}`);
  seen(t, await complaints(folder), 'store', 'warning', /the newest is/);
  change(`PRAGMA user_version = ${version}`);

  const future = { lane: 'lane_x', seq: 1, event: { type: 'lane.opened', at: Date.now() + 3_600_000 } };
  change(`INSERT INTO audit(lane, seq, body, hash) VALUES ('lane_x', 1, '${JSON.stringify(future)}', 'x')`);
  seen(t, await complaints(folder), 'clock', 'bad', /still to come/);

  t.is((await folder.cliHere(['quarantine', 'start', '--yes'])).code, 0);
  seen(t, await complaints(folder), 'quarantine', 'bad', /came out of a backup/);
});

test.serial('G24: what is open to others, or hidden behind a proxy, is found', async t => {
  const folder = await makeFolder(t);
  seen(t, await complaints(folder, { COUNTERSIGN_HOST: '0.0.0.0' }), 'exposure', 'bad', /over plain HTTP/);
  const proxied = { COUNTERSIGN_ISSUER: 'https://localhost:1' };
  seen(t, await complaints(folder, proxied), 'exposure', 'warning', /no proxy is trusted/);
  const trusting = { ...proxied, COUNTERSIGN_TRUSTED_PROXIES: '10.0.0.1' };
  t.false((await complaints(folder, trusting)).some(({ check }) => check === 'exposure'));
});

test.serial('G24: a certificate that has ended, or soon will, is found', async t => {
  const folder = await makeFolder(t);
  const file = (name: string): string => join(folder.path, name);
  writeFileSync(file('cert.pem'), TLS_CERTIFICATE);
  writeFileSync(file('key.pem'), TLS_PRIVATE_KEY, { mode: 0o600 });
  const config = loadConfig({
    COUNTERSIGN_ISSUER: 'https://as.example',
    COUNTERSIGN_TLS_CERT_FILE: file('cert.pem'),
    COUNTERSIGN_TLS_KEY_FILE: file('key.pem'),
  });
  const endsAt = new X509Certificate(TLS_CERTIFICATE).validToDate.getTime();
  const verdictAt = (now: number): string | undefined =>
    checkMachine(config, now).find(({ check }) => check === 'certificate')?.verdict;
  t.is(verdictAt(endsAt - 15 * 86_400_000), 'ok');
  t.is(verdictAt(endsAt - 13 * 86_400_000), 'warning');
  t.is(verdictAt(endsAt), 'bad');
});

type Change = (request: IncomingMessage, answer: { status: number; headers: Headers; text: string }) => void;

/** The issuer of a server behind a proxy that it knows of, except for what the proxy does wrong. */
async function behindProxy(t: ExecutionContext, port: number, change: Change): Promise<string> {
  const proxy = createServer(async (request, response) => {
    const upstream = await fetch(`http://localhost:${port}${request.url}`, {
      headers: { Origin: request.headers.origin ?? '' },
    });
    const headers = new Headers(upstream.headers);
    headers.delete('content-length');
    const text = (await upstream.text()).replaceAll(`http://localhost:${port}`, issuer);
    const answer = { status: upstream.status, headers, text };
    change(request, answer);
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(answer.text);
  }).listen(0);
  t.teardown(() => proxy.close());
  const issuer = `http://localhost:${(proxy.address() as AddressInfo).port}`;
  return issuer;
}

test.serial(
  'G24: a proxy that hides, renames, rewrites or keeps what it should pass on is found',
  async t => {
    const { folder, port } = await deploy(t);
    const behind = async (change: Change): Promise<readonly Finding[]> =>
      complaints(folder, { COUNTERSIGN_ISSUER: await behindProxy(t, port, change) });
    t.deepEqual(await behind(() => undefined), []);
    const hidden = await behind((_, answer) => {
      answer.status = 404;
    });
    seen(t, hidden, 'issuer', 'bad', /answers 404/);
    const otherName = await behind((_, answer) => {
      answer.text = answer.text.replace(/"issuer":"[^"]*"/, '"issuer":"https://other.example"');
    });
    seen(t, otherName, 'metadata', 'bad', /calls itself "https:\/\/other\.example"/);
    const rewritten = await behind((_, answer) => {
      answer.text = answer.text.replace(
        /"token_endpoint":"[^"]*"/,
        '"token_endpoint":"http://inside:8080/token"',
      );
    });
    seen(t, rewritten, 'metadata', 'bad', /token_endpoint is http:\/\/inside:8080\/token/);
    const noOrigin = await behind((_, answer) => answer.headers.delete('access-control-allow-origin'));
    seen(t, noOrigin, 'browsers', 'warning', /Access-Control-Allow-Origin/);
    const otherKeys = await behind((request, answer) => {
      if (request.url === '/jwks') answer.text = '{"keys":[]}';
    });
    seen(t, otherKeys, 'public keys', 'bad', /of the store is not served/);
    const notReady = await behind((request, answer) => {
      if (request.url !== '/readyz') return;
      answer.status = 503;
      answer.text = '{"status":"unavailable","checks":{"store":"does not answer"}}';
    });
    seen(t, notReady, 'readiness', 'bad', /store: does not answer/);
    const [before, late, after] = [
      Date.now(),
      await behind((_, answer) => answer.headers.set('date', new Date(0).toUTCString())),
      Date.now(),
    ];
    seen(t, late, 'server clock', 'bad', /^\d+ s behind this machine$/);
    const seconds = Number.parseInt(late.find(({ check }) => check === 'server clock')?.found ?? '', 10);
    // The header has no parts of a second.
    t.true(seconds >= before / 1_000 - 2 && seconds <= after / 1_000 + 2, `${seconds}`);
  },
);

test.serial('a server elsewhere is examined from outside, with the credentials of its profile', async t => {
  const { folder, port } = await deploy(t);
  const credentials = join(folder.path, 'var/bootstrap-client.json');
  const elsewhere = await makeFolder(t);
  const login = ['login', '-p', 'there', '--url', `http://localhost:${port}`, '--credentials', credentials];
  t.is((await elsewhere.cliHere(login)).code, 0);
  const well = await elsewhere.cliHere(['doctor', '--profile', 'there', '-o', 'json']);
  t.is(well.code, 0, well.stdout);
  t.true(well.json.findings.some(({ check, verdict }: Finding) => check === 'sign-in' && verdict === 'ok'));
  t.false(well.json.findings.some(({ check }: Finding) => check === 'store'));
  const profiles = join(elsewhere.path, '.config/countersign/profiles.json');
  writeFileSync(
    profiles,
    readFileSync(profiles, 'utf8').replace(/"clientSecret": "[^"]*"/, '"clientSecret": "x"'),
  );
  t.is(statSync(profiles).mode & 0o777, 0o600);
  const ill = await elsewhere.cliHere(['doctor', '--profile', 'there', '-o', 'json']);
  t.is(ill.code, 1);
  seen(t, ill.json.findings, 'sign-in', 'bad', /invalid_client/);
});

function schemaOf(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  } finally {
    database.close();
  }
}

function countRows(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare('SELECT count(*) AS rows FROM audit').get()?.['rows']);
  } finally {
    database.close();
  }
}
