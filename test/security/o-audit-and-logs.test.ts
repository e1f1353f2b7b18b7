/** Group O: what is recorded, and what is never recorded. */
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  AUDIT_EVENTS,
  type AuditEvent,
  type AuditEventType,
  type AuditRow,
  formatAuditRow,
} from '../../src/audit/index.ts';
import { loadConfig } from '../../src/config/index.ts';
import { sweepElevations } from '../../src/elevation/index.ts';
import { DEFERRED_GRANT_TYPE, GRANT_TYPES, TOKEN_TYPES } from '../../src/oauth.ts';
import { resetFactor } from '../../src/people/index.ts';
import { referencedRequest } from '../../src/refusals/index.ts';
import { CHILD_ENV } from '../support/child-env.ts';
import { letAct } from '../support/elevations.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import {
  type App,
  addAgent,
  addKeyAgent,
  addPerson,
  addResource,
  heldClock,
  presenting,
  signAssertion,
  startApp,
} from '../support/start-app.ts';
import { type StoreEnv, whateverTheStore } from '../support/stores.ts';
import { enrol, Visitor } from '../support/visitor.ts';
import { EVERY_EVENT, type World } from './every-event.ts';
import { SCENARIO, Secrets, startHunt } from './secret-hunt.ts';

const PEOPLE = 'people sign in through the browser: test/people';
const DELEGATION = 'a person gives it in their session: test/delegation';
const ELEVATION = 'an agent asks and a person decides in their session: test/elevation';
const BROWSER = 'people let applications act for them in the browser: test/provider/authorize';
const RECOVERY = 'an operator brings it about at the terminal, and it ends everything else: test/recovery';

/** Events of the union that are not brought about here: each with the reason, and none without one. */
const ELSEWHERE: Partial<Record<AuditEventType, string>> = {
  'person.enrolment-refused': PEOPLE,
  'person.enrolled': PEOPLE,
  'person.reset-opened': PEOPLE,
  'person.sign-in-refused': PEOPLE,
  'person.sign-in-begun': PEOPLE,
  'person.factor-refused': PEOPLE,
  'person.factor-locked': PEOPLE,
  'person.signed-in': PEOPLE,
  'person.stepped-up': PEOPLE,
  'person.session-ended': PEOPLE,
  'person.sessions-ended': PEOPLE,
  'person.factor-set': PEOPLE,
  'person.factor-removed': PEOPLE,
  'delegation.given': DELEGATION,
  'delegation.replaced': DELEGATION,
  'delegation.give-refused': DELEGATION,
  'elevation.asked': ELEVATION,
  'elevation.displayed': ELEVATION,
  'elevation.approved': ELEVATION,
  'elevation.decide-refused': ELEVATION,
  'elevation.denied': ELEVATION,
  'elevation.cancelled': ELEVATION,
  'elevation.expired': ELEVATION,
  'elevation.redeemed': ELEVATION,
  'elevation.redeem-refused': ELEVATION,
  'elevation.ended': ELEVATION,
  'grant.given': BROWSER,
  'grant.refused': BROWSER,
  'grant.ended': BROWSER,
  'person.credential-voided': RECOVERY,
  'audit.pruned': 'when rows are older than they are to be kept: test/audit',
  'request.limited': 'by many failures: test/security/a-client-authentication.test.ts',
  'key.removed': 'when the last token of a key has expired: test/keys',
  'key.resealed': 'with another key-encryption key: test/keys',
  'person.credential-resealed': 'with another key-encryption key: test/keys',
  'deployment.key-noted':
    'by the first start with a key-encryption key: test/first-start/first-start.test.ts',
  'deployment.key-forgotten': 'with another key-encryption key: test/keys',
  'admin.recovered': 'by whoever runs the host: test/cli/recover.test.ts',
  'deployment.created': 'by the first start of a store: test/recovery',
  'deployment.backed-up': RECOVERY,
  'deployment.clock-accepted': 'by whoever runs the host: test/cli/clock.test.ts',
  'deployment.quarantined': RECOVERY,
  'deployment.record-confirmed': RECOVERY,
  'deployment.record-kept-closed': RECOVERY,
  'deployment.opened': RECOVERY,
  'deployment.request-refused': RECOVERY,
};

async function adminToken(app: App): Promise<string> {
  const form = { grant_type: 'client_credentials' };
  return (await app.post('/token', form, { basic: [app.admin.clientId, app.admin.secret] })).json
    .access_token;
}

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program as it is shipped. */
function countersign(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Finished> {
  const program = join(import.meta.dirname, '../../bin/countersign.js');
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [program, ...args],
      { env: { ...CHILD_ENV, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** How a command line finds the store of a server under test. */
const environmentOf = (app: App, store: StoreEnv): Readonly<Record<string, string>> => ({
  COUNTERSIGN_STORE: `sqlite:${join(app.directory, 'countersign.sqlite')}`,
  COUNTERSIGN_DATA_DIR: app.directory,
  ...store,
});

async function startWorld(
  t: ExecutionContext,
  clock: () => number,
  env: Readonly<Record<string, string>>,
): Promise<World> {
  const app = await startApp(t, { clock, env });
  const [owner, resource, otherResource] = [
    await addPerson(app),
    await addResource(app),
    await addResource(app),
  ];
  const token = await adminToken(app);
  return {
    app,
    storeLocation: loadConfig(environmentOf(app, env)).store,
    owner,
    resource,
    otherResource,
    agent: await addAgent(app, owner, resource),
    otherAgent: await addAgent(app, owner, resource),
    admin: async (method, path, body, headers) => {
      const response = await fetch(`${app.base}/api/v1/${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body && { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
    },
  };
}

test('a hunt finds a secret as it is and in each of its encodings, at the beginning, in the middle and at the end', t => {
  const secrets = new Secrets();
  for (const other of ['an innocent text of the tests', 'S3cret-of-somebody-else']) secrets.add(other, other);
  const secret = secrets.add('it', 'S3cret-of-the-tests/=?');
  const text = Buffer.from(secret);
  for (const [what, needle] of [
    ['it', secret],
    ['it in base64', text.toString('base64')],
    ['it in base64url', text.toString('base64url')],
    ['it in hexadecimal', text.toString('hex')],
    ['it form-encoded', encodeURIComponent(secret)],
  ] as const) {
    for (const haystack of [
      needle,
      `${needle} and more`,
      `before ${needle} and more`,
      `S3cret S3c${needle}`,
    ]) {
      t.true(secrets.findIn(Buffer.from(haystack)).includes(what), `${what}: ${haystack}`);
    }
    t.deepEqual(secrets.findIn(Buffer.from(needle.slice(0, -3))), [], what);
    t.deepEqual(secrets.findIn(Buffer.from(needle.slice(1))), [], what);
  }
});

test('R134: every event of the union can be brought about, or it is said why it cannot', t => {
  const covered = [...Object.keys(EVERY_EVENT), ...Object.keys(ELSEWHERE)];
  t.deepEqual(covered.toSorted(), Object.keys(AUDIT_EVENTS).toSorted());
  // Where it is said that it is brought about elsewhere, a test there names it, or the next one does.
  const root = join(import.meta.dirname, '..');
  const elsewhere = globSync('**/*.ts', { cwd: root })
    .filter(file => !file.startsWith('security/'))
    .map(file => readFileSync(join(root, file), 'utf8'))
    .join('\n');
  const here = readFileSync(import.meta.filename, 'utf8');
  const isNamed = (type: string) => elsewhere.includes(`'${type}'`) || here.includes(`type: '${type}'`);
  t.deepEqual(
    Object.keys(ELSEWHERE).filter(type => !isNamed(type)),
    [],
  );
});

test('R134: what a person and an agent do in their sessions makes one row each that says for whom, by whom and through which client', async t => {
  const time = heldClock(Math.ceil(Date.now() / 30_000) * 30_000);
  const env = {
    COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.0/8,::1/128',
    COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND: '1',
  };
  const app = await startApp(t, { clock: time, env });
  const visitor = new Visitor(app);
  const ada = await enrol(app, visitor, ['member'], 'Ada Lovelace');
  const resource = await addResource(app);
  const agent = await addAgent(app, ada.person, resource);
  const [person, identifier] = [ada.person.id, resource.identifier];
  let from = 0;
  const seen = new Set<string>();
  /** What was recorded since the last look: exactly these, in one request that had no rows before. */
  const recorded = async (...expected: readonly Partial<AuditEvent>[]) => {
    const rows = (await app.trail()).slice(from).filter(({ requestId }) => requestId.startsWith('req_'));
    from = (await app.trail()).length;
    t.deepEqual(
      rows.map(({ type }) => type),
      expected.map(({ type = 'lane.opened' }) => type),
    );
    for (const [index, row] of rows.entries()) {
      t.like(row, { outcome: 'done', ...expected[index], at: app.now() });
      t.regex(row.address ?? '', /^(127\.0\.0\.1|::1)$/);
      t.is(row.requestId, rows[0]?.requestId ?? '');
    }
    t.false(seen.has(rows[0]?.requestId ?? ''));
    seen.add(rows[0]?.requestId ?? '');
  };
  time.pass(60_000);
  from = (await app.trail()).length;
  await visitor.get('/sign-in');
  const { location = '' } = await visitor.submit('/sign-in', { email: ada.email, password: PASSWORD });
  await recorded({ type: 'person.sign-in-begun', target: person });
  await visitor.get(location);
  await visitor.submit('/sign-in/factor', { code: codeOf(ada.seed, app.now()) });
  await recorded({ type: 'person.signed-in', target: person });

  const delegation = await letAct(app, ada.person, agent, resource);
  from = (await app.trail()).length;
  const ask = (form: Record<string, string>) => app.post('/token', form, { basic: agent.basic });
  const exchanged = await ask({
    grant_type: GRANT_TYPES.tokenExchange,
    subject_token: delegation.id,
    subject_token_type: TOKEN_TYPES.delegation,
    resource: identifier,
  });
  t.is(exchanged.status, 200, exchanged.text);
  const acting = { client: agent.id, subject: person, actor: [agent.id], resource: identifier };
  await recorded({ type: 'token.issued', ...acting, scope: 'read' });

  const waiting = {
    grant_type: 'client_credentials',
    scope: 'read write',
    resource: identifier,
    completion_mode: 'deferred',
  };
  const asked = await ask(waiting);
  const target = (await app.trail()).findLast(({ type }) => type === 'elevation.asked')?.target ?? '';
  const about = { target, resource: identifier };
  await recorded({ type: 'elevation.asked', ...about, client: agent.id });
  await visitor.get(`/approvals/${target}`);
  await recorded({ type: 'elevation.displayed', ...about, actor: [person] });
  time.pass(60_000);
  await visitor.submit(`/approvals/${target}/approve`, { code: codeOf(ada.seed, app.now()) });
  await recorded({ type: 'elevation.approved', ...about, actor: [person] });
  const poll = { grant_type: DEFERRED_GRANT_TYPE, deferral_code: asked.json.deferral_code };
  t.is((await ask(poll)).status, 200);
  await recorded(
    { type: 'elevation.redeemed', ...about, client: agent.id },
    { type: 'token.issued', client: agent.id },
  );
  await ask(poll);
  await recorded({ type: 'elevation.redeem-refused', ...about, outcome: 'refused', client: agent.id });

  await ask(waiting);
  const second = (await app.trail()).findLast(({ type }) => type === 'elevation.asked')?.target ?? '';
  await visitor.get(`/approvals/${second}`);
  from = (await app.trail()).length;
  await visitor.submit(`/approvals/${second}/deny`, { reason: 'not-now' });
  await recorded({ type: 'elevation.denied', target: second, actor: [person] });

  time.pass(60_000);
  await visitor.get('/step-up');
  await visitor.submit('/step-up', { code: codeOf(ada.seed, app.now()) });
  await recorded({ type: 'person.stepped-up', target: person });
  await visitor.get('/me');
  await visitor.submit('/me/recovery-codes');
  await recorded({ type: 'person.factor-set', target: person });
  time.pass(60_000);
  await new Visitor(app).signIn(ada.email, ada.seed, app.now());
  const other = (await app.trail()).findLast(({ type }) => type === 'person.signed-in')?.detail?.['session'];
  from = (await app.trail()).length;
  await visitor.get('/me');
  await visitor.submit('/me/sessions/end-others');
  const ended = { target: person, actor: [person], detail: { sessions: [other as string] } };
  await recorded({ type: 'person.sessions-ended', ...ended });
  await visitor.get('/me');
  await visitor.submit('/sign-out');
  await recorded({ type: 'person.session-ended', target: person });

  // Nobody does this one: the time is over. The server finds out by itself, now or a moment ago.
  await ask(waiting);
  const third = (await app.trail()).findLast(({ type }) => type === 'elevation.asked')?.target ?? '';
  time.pass(10 * 60_000);
  const { store } = app;
  await sweepElevations({ elevations: store, epochs: store.epochs, freshness: store }, app.origin());
  const expired = (await app.trail()).filter(({ type }) => type === 'elevation.expired');
  t.regex(expired[0]?.requestId ?? '', /^req_[0-9a-f]{32}$/);
  t.deepEqual(expired, [
    {
      type: 'elevation.expired',
      outcome: 'done',
      at: app.now(),
      requestId: expired[0]?.requestId ?? '',
      subject: agent.id,
      target: third,
      resource: identifier,
      scope: 'read write',
      detail: { agent: agent.id, approver: person, epoch: 1 },
    },
  ]);
  const onHost = app.origin();
  const link = { people: store, credentials: store, store, freshness: store, epochs: store.epochs };
  const { expiresAt } = await resetFactor({ ...link, issuer: app.issuer }, person, onHost);
  const opened = (await app.trail()).filter(
    ({ type, requestId }) => type === 'person.reset-opened' || requestId === onHost.requestId,
  );
  t.deepEqual(opened, [
    {
      type: 'person.reset-opened',
      outcome: 'done',
      at: app.now(),
      requestId: onHost.requestId,
      target: person,
      detail: { purpose: 'reset', by: ['host'], until: new Date(expiresAt).toISOString() },
    },
  ]);
  from = (await app.trail()).length;

  const far = { 'X-Forwarded-For': '192.0.2.7' };
  let status = 200;
  while (status !== 429) ({ status } = await fetch(`${app.base}/jwks`, { headers: far }));
  const [limited, ...more] = (await app.trail()).slice(from);
  t.like(limited, { type: 'request.limited', reason: 'address-rate-exceeded', address: '192.0.2.7' });
  t.deepEqual(more, []);
});

whateverTheStore(
  'R134: each event makes exactly one row that says who, for whom, by whom, what came of it, in which request and when; the shipped program verifies the chain',
  async (t, store) => {
    let now = Date.now();
    const checkpoints = await mkdtemp(join(tmpdir(), 'countersign-checkpoints-'));
    t.teardown(() => rm(checkpoints, { recursive: true, force: true }));
    const file = join(checkpoints, 'checkpoints.jws');
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const world = await startWorld(t, () => now, {
      ...store,
      COUNTERSIGN_AUDIT_CHECKPOINT_FILE: file,
      COUNTERSIGN_AUDIT_CHECKPOINT_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    });
    const { app } = world;
    const requests = new Set<string>();
    for (const [type, drive] of Object.entries(EVERY_EVENT)) {
      const { act, row } = await drive(world);
      now += 1_000;
      const before = (await app.trail()).length;
      const answer = await act();
      const recorded = (await app.trail()).slice(before);
      // What the server does by itself in the background, such as activating a key whose time has come, has no address.
      const added = answer ? recorded.filter(({ address }) => address !== undefined) : recorded;
      const ofType = added.filter(event => event.type === type);
      t.is(ofType.length, 1, `${type}: ${answer?.status} ${answer?.text}`);
      const [event] = ofType as [AuditEvent];
      t.like(event, { ...row, at: now }, type);
      t.is(event.outcome, /refused$/.test(type) ? 'refused' : 'done', type);
      t.is(event.reason === undefined, event.outcome === 'done', type);
      if (answer) {
        t.regex(event.requestId, /^req_[0-9a-f]{32}$/, type);
        t.regex(event.address ?? '', /^(127\.0\.0\.1|::1)$/, type);
        const reference = answer.headers.get('error-ref');
        if (reference !== null) t.is(referencedRequest(reference), event.requestId, type);
      }
      // What else the same request recorded is found under its number, and no other request's is.
      t.deepEqual([...new Set(added.map(each => each.requestId))], [event.requestId], type);
      t.false(requests.has(event.requestId), type);
      requests.add(event.requestId);
    }
    await app.stop();

    const env = environmentOf(app, store);
    const key = join(checkpoints, 'checkpoint.pub.pem');
    await writeFile(key, publicKey.export({ type: 'spki', format: 'pem' }));
    const verified = await countersign(env, 'audit', 'verify', '-c', file, '-k', key);
    t.is(verified.code, 0, verified.stdout + verified.stderr);
    t.regex(verified.stdout, /✔ \d+ rows in \d+ lanes: every hash is right/);

    const exported = await countersign(env, 'audit', 'export');
    const trail = join(checkpoints, 'trail.jsonl');
    await writeFile(trail, exported.stdout);
    // Offline: nothing but the file, the checkpoints and the public key.
    const offline = ['audit', 'verify', '-f', trail, '-c', file, '-k', key];
    t.is((await countersign({}, ...offline)).code, 0);

    const lines = exported.stdout.trimEnd().split('\n');
    const index = lines.findIndex(line => line.includes('agent.killed'));
    const { lane, seq } = JSON.parse(lines[index] ?? '') as { lane: string; seq: number };
    for (const [tampered, why] of [
      [lines.with(index, (lines[index] ?? '').replace('agent.killed', 'agent.retired')), 'altered'],
      [lines.toSpliced(index, 1), 'missing'],
    ] as const) {
      await writeFile(trail, `${tampered.join('\n')}\n`);
      const found = await countersign({}, ...offline);
      t.is(found.code, 1, found.stdout);
      t.true(found.stdout.includes(`${lane} row ${seq}: ${why}`), found.stdout);
      const json = JSON.parse((await countersign({}, ...offline, '-o', 'json')).stdout);
      const report = (json.lanes as { lane: string; firstBad?: object }[]).find(each => each.lane === lane);
      t.deepEqual(report?.firstBad, { lane, seq, why });
      t.false(json.isIntact);
    }
  },
);

whateverTheStore(
  'R136: whatever is asked, and whatever is sent to the wrong place, no secret is in logs, spans, trail, store, metrics, checkpoints or refusals',
  async (t, store) => {
    const hunt = await startHunt(t, store);
    const { app, secrets } = hunt;
    const found = new Map<string, readonly string[]>();
    const search = (where: string, bytes: string | Buffer) => {
      const hits = secrets.findIn(Buffer.from(bytes));
      if (hits.length > 0) found.set(where, [...(found.get(where) ?? []), ...hits]);
    };
    const searchStore = async (when: string) => {
      for (const { where, bytes } of await hunt.stored()) search(`${where} ${when}`, bytes);
    };
    for (const [name, step] of Object.entries(SCENARIO)) {
      const before = hunt.refusals.length;
      await step(hunt);
      t.log(`${name}: ${hunt.refusals.length - before} refusals`);
      // What is written and overwritten again has been in the file all the same.
      await searchStore(`after ${name}`);
    }
    const metrics = await hunt.metrics();
    t.regex(metrics, /^countersign_/m);
    search('the metrics', metrics);
    const types = new Set((await app.trail()).map(({ type }) => type));
    for (const type of [
      'person.signed-in',
      'delegation.given',
      'elevation.redeemed',
      'client.authorization-refused',
    ] as const)
      t.true(types.has(type), type);
    await app.stop();
    await searchStore('in the end');

    for (const refusal of hunt.refusals) search('an answer that refuses', refusal);
    search('the log', hunt.logs.join(''));
    const spans = hunt.spans();
    for (const span of spans) search('a span', span);
    search('the checkpoints', await readFile(hunt.checkpointFile));
    const env = environmentOf(app, store);
    for (const args of [
      ['export'],
      ['tail', '-n', '99999'],
      ['tail', '-o', 'json', '-n', '99999'],
      ['verify'],
    ]) {
      const { code, stdout, stderr } = await countersign(env, 'audit', ...args);
      t.is(code, 0, stderr);
      search(`audit ${args.join(' ')}`, stdout + stderr);
    }
    t.deepEqual(
      [...found].map(([where, hits]) => [where, [...new Set(hits)]]),
      [],
    );
    t.true(secrets.size > 30 && hunt.refusals.length > 500 && spans.length > 1_000);
  },
);

/** What breaks lines, moves cursors, ends strings, turns text around or cannot be seen. */
const HOSTILE = {
  'line ends': 'a\r\n2030-01-01T00:00:00.000Z ✓ agent.restored client=b',
  'a second log line': 'a\n{"level":30,"msg":"ready"}',
  'terminal escapes': 'a\u001b[2K\u001b[1A\u001b]0;title\u0007\u009b31m',
  'the end of a JSON string': 'a","outcome":"done"},"seq":1}\n{"event":{"type":"agent.restored',
  'text turned around': 'a\u202e\u2066gnp.exe\u2069\u200f',
  'what cannot be seen': 'a\u200b\u2060\ufeff\u{e0041}\u115f\u00ad',
  'other line ends': 'a\u0085b\u2028c\u2029d\u000b\u000c',
  NUL: 'a\u0000b',
  'half a character': 'a\ud83d',
  backspaces: 'agt_admin\b\b\b\b\b\u007f',
} as const;

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

/** Sends bytes as they are: no client library would put these into a request line or a header. */
function sendRaw(app: App, head: string): Promise<string> {
  const socket = connect(Number(new URL(app.base).port), 'localhost');
  return new Promise((resolve, reject) => {
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', chunk => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    // Not ended from here: the server would take that for an abort.
    socket.write(`${head}\r\nConnection: close\r\n\r\n`, 'latin1');
  });
}

test('R137: line ends, terminal escapes, broken JSON, bidi and NUL in every field a caller controls make one escaped row and one line', async t => {
  const logs: string[] = [];
  // It stands still but between fields, so that no minute ends and no count is written in between.
  let now = Date.now();
  const app = await startApp(t, {
    logs,
    clock: () => now,
    env: { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.0/8,::1/128' },
  });
  const owner = await addPerson(app);
  const resource = await addResource(app);
  const agent = await addAgent(app, owner, resource);
  const keyAgent = await addKeyAgent(app, owner, resource);
  let token = await adminToken(app);
  const { host } = new URL(app.issuer);
  const asking = { grant_type: 'client_credentials', resource: resource.identifier };
  const ask = (form: Record<string, string>, headers: Record<string, string> = {}) =>
    app.post('/token', { ...asking, ...form }, { basic: agent.basic, headers });
  const present = async (claims: object, header: object = {}) =>
    app.post('/token', {
      ...asking,
      ...presenting(await signAssertion(app, keyAgent, { ...claims }, { ...header })),
    });
  const admin = (method: string, path: string, body?: object) =>
    fetch(`${app.base}/api/v1/${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body && { 'Content-Type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    }).then(async response => ({ status: response.status, text: await response.text() }));
  const envelope = [{ resource: resource.identifier, scopes: ['read'] }];
  const newAgent = { name: 'x', ownerId: owner.id, envelope, credential: { method: 'client_secret' } };
  const bytes = (text: string) => Buffer.from(text.toWellFormed()).toString('latin1');
  const rawRequest = async (head: string) => {
    const answer = await sendRaw(app, head);
    t.is(answer.split('HTTP/1.1 ').length, 2, 'one answer, in one piece');
    return { text: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
  };
  const raw = (path: string, header: string) =>
    rawRequest(`GET ${path} HTTP/1.1\r\nAuthorization: Bearer ${token}\r\n${header}`);

  const visitor = new Visitor(app);
  const fields: Record<string, (text: string) => Promise<{ readonly text: string }>> = {
    scope: text => ask({ scope: text }),
    resource: text => ask({ resource: text }),
    'path of a resource': text => ask({ resource: `https://mcp.example/${text}` }),
    grant_type: text => ask({ grant_type: text }),
    'name of a parameter': text =>
      app.post(
        '/token',
        new URLSearchParams([
          [text, '1'],
          [text, '2'],
        ]).toString(),
      ),
    client_id: text => app.post('/token', { ...asking, client_id: text, client_secret: 'x' }),
    'client_id beside another': text => ask({ client_id: text }),
    'user of Basic': text => app.post('/token', asking, { basic: [text, 'x'] }),
    'user of Basic, encoded': text =>
      app.post('/token', asking, { basic: [encodeURIComponent(text.toWellFormed()), 'x'] }),
    'password of Basic': text => app.post('/token', asking, { basic: [agent.id, text] }),
    'reason of a request that waits': text =>
      ask({ scope: 'read write', completion_mode: 'deferred', reason: text }),
    'duration of a request that waits': text =>
      ask({ scope: 'read write', completion_mode: 'deferred', duration: text }),
    deferral_code: text =>
      app.post('/token', { grant_type: DEFERRED_GRANT_TYPE, deferral_code: text }, { basic: agent.basic }),
    'subject_token of an exchange': text =>
      ask({
        grant_type: GRANT_TYPES.tokenExchange,
        subject_token: text,
        subject_token_type: TOKEN_TYPES.delegation,
      }),
    'address of a sign-in': async text => {
      await visitor.get('/sign-in');
      const shown = await visitor.submit('/sign-in', { email: `${text}@example.com` });
      t.is(shown.status, 401);
      return shown;
    },
    'token to introspect': text =>
      app.post('/introspect', { token: text }, { basic: [resource.id, resource.secret] }),
    'token to revoke': text => app.post('/revoke', { token: text }, { basic: agent.basic }),
    client_assertion: text => app.post('/token', { ...asking, ...presenting(text) }),
    client_assertion_type: text =>
      app.post('/token', { ...asking, client_assertion: 'x', client_assertion_type: text }),
    'iss of an assertion': text => present({ iss: text }),
    'sub of an assertion': text => present({ sub: text }),
    'iss and sub of an assertion': text => present({ iss: text, sub: text }),
    'aud of an assertion': text => present({ aud: text }),
    'jti of an assertion': text => present({ jti: text }),
    'a claim of an assertion': text => present({ [text]: text }),
    'kid of an assertion': text => present({}, { kid: text }),
    'typ of an assertion': text => present({}, { typ: text }),
    'jku of an assertion': text => present({}, { jku: text }),
    'name of an agent': text => admin('POST', 'agents', { ...newAgent, name: text }),
    'purpose of an agent': text => admin('POST', 'agents', { ...newAgent, purpose: text }),
    'name of a person': text => admin('POST', 'people', { name: text }),
    'e-mail of a person': text => admin('POST', 'people', { name: 'x', email: `${text}@example.com` }),
    'name of a resource server': text =>
      admin('POST', 'resources', {
        identifier: `https://${crypto.randomUUID()}.example/`,
        name: text,
        scopes: [{ name: 'read', sentence: text, risk: 'low' }],
      }),
    'identifier of a resource server': text =>
      admin('POST', 'resources', {
        identifier: `https://x.example/${text}`,
        name: 'x',
        scopes: [{ name: 'read', sentence: 'x', risk: 'low' }],
      }),
    'scope of an envelope': text =>
      admin('POST', 'agents', { ...newAgent, envelope: [{ resource: resource.identifier, scopes: [text] }] }),
    'resource of an envelope': text =>
      admin('POST', 'agents', { ...newAgent, envelope: [{ resource: text, scopes: ['read'] }] }),
    'name of a field': text => admin('POST', 'agents', { ...newAgent, [text]: 1 }),
    'path of the API, encoded': text => admin('GET', `agents/${encodeURIComponent(text.toWellFormed())}`),
    'path of the API': text => raw(`/api/v1/agents/${bytes(text)}`, `Host: ${host}`),
    'unknown path of the API': text => raw(`/api/v1/${bytes(text)}/x`, `Host: ${host}`),
    'path of the engine': text => raw(`/authorize/${bytes(text)}`, `Host: ${host}`),
    'parameters of the engine': text =>
      raw(
        `/authorize?client_id=${encodeURIComponent(text.toWellFormed())}&state=${encodeURIComponent(text.toWellFormed())}`,
        `Host: ${host}`,
      ),
    'query, encoded': text => admin('GET', `agents?after=${encodeURIComponent(text.toWellFormed())}`),
    query: text => raw(`/api/v1/agents?${bytes(text)}=1`, `Host: ${host}`),
    Host: text => raw('/api/v1/agents/x', `Host: ${bytes(text)}`),
    Authorization: text =>
      rawRequest(`GET /api/v1/agents HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${bytes(text)}`),
  };
  for (const name of [
    'User-Agent',
    'X-Forwarded-For',
    'Forwarded',
    'X-Request-Id',
    'Referer',
    'Origin',
    'If-Match',
    'DPoP',
    'traceparent',
  ]) {
    fields[name] = text => raw('/api/v1/agents/x', `Host: ${host}\r\n${name}: ${bytes(text)}`);
  }

  const rowsSince = async (known: AuditRow | undefined) => {
    const newest = await app.store.readNewest(20);
    return newest.slice(
      0,
      newest.findIndex(({ hash }) => hash === known?.hash),
    );
  };
  const startedWith = logs.length;
  let requests = 0;
  for (const [index, [field, send]] of Object.entries(fields).entries()) {
    // A client has a hundred rows of its own in a minute. What was counted in it is written before the row of the next refusal.
    if (index % 9 === 0) {
      now += 60_000;
      token = await adminToken(app);
      await app.post('/token', asking, { basic: [`agt_${index}`, 'x'] });
      requests += 2;
    }
    for (const [what, text] of Object.entries(HOSTILE)) {
      const [before] = await app.store.readNewest(1);
      const answer = await send(text);
      requests += 1;
      const added = await rowsSince(before);
      const about = `${field}: ${what}`;
      // A name with a brace in it may be a good name: then there are the agent and its secret.
      const ids = new Set(added.map(row => JSON.parse(row.body).event.requestId));
      t.true(ids.size <= 1 && added.length <= 2, `${about}: ${added.length} rows`);
      // Pages have line ends of their own.
      t.notRegex(answer.text.replaceAll('\n', ''), UNSEEN, about);
      for (const row of added) {
        t.notRegex(row.body, UNSEEN, about);
        t.notRegex(formatAuditRow(row), UNSEEN, about);
        const { event } = JSON.parse(row.body) as { event: AuditEvent };
        t.regex(event.address ?? '', /^[0-9a-f.:]+$/, about);
        t.true(row.body.length < 3_000, about);
      }
    }
  }
  for (const line of logs.slice(startedWith)) {
    t.true(line.endsWith('\n'));
    t.notRegex(line.slice(0, -1), UNSEEN);
    t.notThrows(() => JSON.parse(line));
  }
  t.true(logs.length - startedWith <= requests);
  await app.stop();

  const env = environmentOf(app, {});
  const { stdout: exported } = await countersign(env, 'audit', 'export');
  const total = exported.trimEnd().split('\n').length;
  const { stdout: tail } = await countersign(env, 'audit', 'tail', '-n', '99999');
  const lines = tail.trimEnd().split('\n');
  t.is(lines.length, total);
  for (const line of lines) {
    t.notRegex(line, UNSEEN);
    t.regex(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z [✓✗] [a-z.-]+ /);
  }
  const { code, stdout } = await countersign(env, 'audit', 'verify');
  t.is(code, 0, stdout);
});
