import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { pino } from 'pino';
import { createAgent } from '../../src/agents/index.ts';
import type { AuditEvent, AuthorisedOrigin } from '../../src/audit/index.ts';
import { type Clock, certainMoment, type Deadline, type SystemTime } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { SlowestPeer } from '../../src/http/listen.ts';
import { newId } from '../../src/ids.ts';
import { newOrigin } from '../../src/origin.ts';
import { createPerson, type Person } from '../../src/people/index.ts';
import { startServer } from '../../src/process/start.ts';
import { createResource, type Resource } from '../../src/resources/index.ts';
import type { Store } from '../../src/store/store.ts';
import { freePort } from './free-port.ts';

/** The configuration of a server of its own: any port, an empty store, files that nobody else has. */
export interface AppOptions {
  /** More of the environment, such as `COUNTERSIGN_ISSUER`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** Its two clocks, each moved by itself: instead of `clock`. */
  readonly time?: SystemTime;
  /** What time the database has; as the wall where absent. */
  readonly databaseTime?: Clock;
  /** Ends the waits for others. Where absent they last for as long as the others take: a busy machine is no reason to give up. */
  readonly deadline?: Deadline;
  /** What a slow peer may take. */
  readonly slowest?: SlowestPeer;
  /** The issuer has this path, and this scheme. Its port is one that is free. */
  readonly issuerAt?: { readonly path: string; readonly scheme?: 'http' | 'https' };
  /** Takes what is logged, one JSON line each; nothing is printed. */
  readonly logs?: string[];
}

/** A clock that stands still until it is moved, so that nothing expires while a test is slow, and no minute ends in between. */
export interface HeldClock {
  (): number;
  pass(ms: number): void;
}

export function heldClock(start: number = Date.now()): HeldClock {
  let now = start;
  const pass = (ms: number): void => {
    now += ms;
  };
  return Object.assign(() => now, { pass });
}

/** Ends nothing by itself: `end` ends whatever is waited for. */
export interface HeldDeadline {
  (ms: number): AbortSignal;
  end(): void;
}

export function heldDeadline(): HeldDeadline {
  const waits = new Set<AbortController>();
  const begin = (): AbortSignal => {
    const wait = new AbortController();
    waits.add(wait);
    return wait.signal;
  };
  const end = (): void => {
    for (const wait of waits) wait.abort(new DOMException('The time is up', 'TimeoutError'));
    waits.clear();
  };
  return Object.assign(begin, { end });
}

/** A store that shares its machine with whatever else runs may take longer than anybody would wait for it otherwise. */
export const PATIENCE = 600;

/** Passwords of tests are no secrets: hashed at full cost, an enrolment alone takes as long as five starts of a server. */
export const TEST_HASH_COST = { memoryCost: 8, timeCost: 1, parallelism: 1 };

const endless: Deadline = () => new AbortController().signal;

/** A server that takes requests over real HTTP, and what a test needs to call it. */
export interface App {
  readonly issuer: string;
  /** Where it listens: the issuer's host may be another one. */
  readonly base: string;
  readonly store: Store;
  readonly directory: string;
  readonly admin: { readonly clientId: string; readonly secret: string };
  readonly now: Clock;
  origin(): AuthorisedOrigin;
  /** Sends a form; `basic` are client credentials, `host` replaces the Host header. */
  post(path: string, form: FormParameters, options?: PostOptions): Promise<Answer>;
  /** The audit trail, oldest first. */
  trail(): Promise<readonly AuditEvent[]>;
  stop(): Promise<void>;
}

export type FormParameters = Readonly<Record<string, string | readonly string[] | undefined>> | string;
export interface PostOptions {
  readonly basic?: readonly [clientId: string, secret: string];
  readonly headers?: Readonly<Record<string, string>>;
}
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely and assert on what they find
  readonly json: any;
}

/** Starts a server for one test, and ends it with the test. */
export async function startApp(
  t: { teardown(work: () => Promise<void>): void },
  options: AppOptions = {},
): Promise<App> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  const app = await startAppIn(directory, options);
  t.teardown(async () => {
    await app.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return app;
}

/** Starts a server on the files of a directory, so that a test can start another one there. */
export async function startAppIn(directory: string, options: AppOptions = {}): Promise<App> {
  const { issuerAt, ...rest } = options;
  for (;;) {
    const port = issuerAt && String(await freePort());
    const env = issuerAt && {
      COUNTERSIGN_PORT: port ?? '',
      COUNTERSIGN_ISSUER: `${issuerAt.scheme ?? 'http'}://localhost:${port}${issuerAt.path}`,
    };
    try {
      return await startOnce(directory, { ...rest, env: { ...rest.env, ...env } });
    } catch (error) {
      // A connection of somebody else has taken the port meanwhile; a given one is free again when that has ended.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await setTimeout(50);
    }
  }
}

async function startOnce(directory: string, options: AppOptions): Promise<App> {
  const clock = options.time?.wall ?? options.clock ?? Date.now;
  const { time = options.clock && { wall: clock, monotonic: clock } } = options;
  const { logs } = options;
  const admin = { clientId: newId('agt', clock()), secret: 'A-secret-of-the-tests-that-is-long-enough-0123' };
  const config = loadConfig({
    COUNTERSIGN_PORT: '0',
    COUNTERSIGN_STORE: `sqlite:${join(directory, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: directory,
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.clientId,
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
    ...options.env,
  });
  const log = pino({ level: 'trace' }, { write: line => void logs?.push(line) });
  const { deadline = endless } = options;
  const running = await startServer(config, {
    time,
    databaseTime: options.databaseTime ?? (time && clock),
    log,
    deadline,
    slowest: options.slowest,
    patience: PATIENCE,
    hashCost: TEST_HASH_COST,
  });
  const base = `${config.tls ? 'https' : 'http'}://localhost:${running.port}`;
  let stopped: Promise<void> | undefined;
  return {
    issuer: running.issuer,
    base,
    store: running.store,
    directory,
    admin,
    now: clock,
    origin: () => ({ ...newOrigin(certainMoment(clock())), authority: { none: 'host-command' } }),
    post: (path, form, post = {}) => send(`${base}${path}`, form, post),
    trail: async () =>
      (await running.store.readNewest(5_000)).map(row => JSON.parse(row.body).event).reverse(),
    stop: () => {
      stopped ??= running.stop();
      return stopped;
    },
  };
}

async function send(url: string, form: FormParameters, { basic, headers }: PostOptions): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(basic && { Authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` }),
      ...headers,
    },
    body: typeof form === 'string' ? form : toForm(form),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

function toForm(parameters: Exclude<FormParameters, string>): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of value === undefined ? [] : [value].flat()) form.append(name, each as string);
  }
  return form;
}

/** Registers a person to own agents. */
export async function addPerson(app: App, name = 'Ada Owner'): Promise<Person> {
  return (await createPerson({ people: app.store }, { name, roles: ['member'] }, app.origin())).person;
}

export interface TestResource extends Resource {
  readonly secret: string;
}

let resources = 0;

/** Registers a resource server with the scopes read, write and delete. */
export async function addResource(app: App, overrides: Record<string, unknown> = {}): Promise<TestResource> {
  resources += 1;
  const { resource, secret } = await createResource(
    { resources: app.store },
    {
      identifier: `https://mcp-${resources}.example/mcp`,
      name: `Resource server ${resources}`,
      scopes: [
        { name: 'read', sentence: 'Read orders', risk: 'low' },
        { name: 'write', sentence: 'Change orders', risk: 'medium' },
        { name: 'delete', sentence: 'Delete orders', risk: 'high' },
      ],
      tokenFormat: { kind: 'opaque' },
      accessTokenTtlSeconds: 3_600,
      credential: { method: 'client_secret' },
      ...overrides,
    },
    app.origin(),
  );
  return { ...resource, secret: secret ?? '' };
}

export interface TestAgent {
  readonly id: string;
  readonly basic: readonly [string, string];
  /** Its key, where it authenticates with one. */
  readonly privateKey?: CryptoKey;
  readonly publicJwk?: JWK;
}

/** Registers an agent: envelope read and write, baseline read, at one resource server; with a secret, or a key of its own. */
export async function addAgent(
  app: App,
  owner: Person,
  resource: Resource,
  overrides: Record<string, unknown> = {},
): Promise<TestAgent> {
  const { agent, secret } = await createAgent(
    { agents: app.store, people: app.store, resources: app.store, freshness: app.store },
    {
      name: 'An agent',
      ownerId: owner.id,
      envelope: [{ resource: resource.identifier, scopes: ['read', 'write'] }],
      baseline: [{ resource: resource.identifier, scopes: ['read'] }],
      credential: { method: 'client_secret' },
      ...overrides,
    },
    app.origin(),
  );
  return { id: agent.id, basic: [agent.id, secret ?? ''] };
}

/** Registers an agent that signs assertions. */
export async function addKeyAgent(
  app: App,
  owner: Person,
  resource: Resource,
  alg: 'ES256' | 'EdDSA' | 'PS256' = 'ES256',
): Promise<TestAgent & { readonly privateKey: CryptoKey; readonly publicJwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const credential = { method: 'private_key_jwt', keys: [publicJwk] };
  const agent = await addAgent(app, owner, resource, { credential });
  return { ...agent, privateKey, publicJwk };
}

let assertions = 0;

/** Signs a client assertion; `claims` and `header` replace single members, undefined removes them. */
export async function signAssertion(
  app: App,
  agent: { readonly id: string; readonly privateKey: CryptoKey },
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  assertions += 1;
  const now = Math.floor(app.now() / 1000);
  const payload = {
    iss: agent.id,
    sub: agent.id,
    aud: app.issuer,
    jti: `assertion-${assertions}`,
    iat: now,
    exp: now + 60,
    ...claims,
  };
  return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', ...header }).sign(agent.privateKey);
}

/** The parameters with which a client presents an assertion. */
export function presenting(assertion: string): { client_assertion_type: string; client_assertion: string } {
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  };
}

/** A token for an agent with a secret, at one resource server. */
export async function getToken(
  app: App,
  agent: TestAgent,
  resource: Resource,
  scope?: string,
): Promise<string> {
  const answer = await app.post(
    '/token',
    { grant_type: 'client_credentials', resource: resource.identifier, scope },
    { basic: agent.basic },
  );
  if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`);
  return answer.json.access_token;
}

/** Introspects as the resource server itself. */
export async function introspect(app: App, resource: TestResource, token: string): Promise<Answer> {
  return app.post('/introspect', { token }, { basic: [resource.id, resource.secret] });
}
