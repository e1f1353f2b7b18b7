/** Stops a server in the middle of its work, as a rollout does (I10): nobody is cut off who can be answered. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type AuditEvent, type AuditRow, storeTrail } from '../../src/audit/index.ts';
import { type Deployment, deploy, populate, type World } from '../support/deployment.ts';
import { EventCount } from '../support/event-count.ts';
import { patient, type ServerProcess } from '../support/server-process.ts';
import type { TestAgent } from '../support/start-app.ts';
import { freshStore, type ProofHost, type StoreKind } from './proof.ts';

const CALLERS = 16;
/** What a request is answered with that was never read, as the door had closed: on a new connection, or on one that was kept. */
const NEVER_READ = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

/** Settings that end nothing for as long as a proof takes. */
const LONG_DELAY = { COUNTERSIGN_STOP_DELAY_SECONDS: '60' };
const LONG_DRAIN = { COUNTERSIGN_SHUTDOWN_SECONDS: '300' };

async function deployWith(
  host: ProofHost,
  kind: StoreKind,
  env: Readonly<Record<string, string>>,
): Promise<Deployment> {
  const shared = await freshStore(host, kind);
  return deploy(host, { ...shared, env: { ...shared.env, ...env } });
}

export interface StopReport {
  readonly acknowledged: number;
  /** From the signal to the end of the process: for as long as its delay it takes connections as before. */
  readonly stopMs: number;
}

/**
 * Callers that keep their connections alive are at work when the signal comes. None of their requests is left without an answer,
 * and everything that was answered is there afterwards.
 *
 * @param options `acknowledged`: so many tokens at least when the signal comes; `delaySeconds`: for so long the callers go on
 */
export async function stopUnderLoad(
  host: ProofHost,
  kind: StoreKind,
  { acknowledged, delaySeconds }: { readonly acknowledged: number; readonly delaySeconds: number },
): Promise<StopReport> {
  const ending = { COUNTERSIGN_STOP_DELAY_SECONDS: String(delaySeconds) };
  const deployment = await deployWith(host, kind, { ...ending, ...LONG_DRAIN });
  const server = await deployment.start();
  const world = await populate(deployment, CALLERS / 2);
  const tokens: string[] = [];
  const issued = new EventCount();
  const note = (token: string): void => {
    tokens.push(token);
    issued.note();
  };
  const callers = Promise.all(
    Array.from({ length: CALLERS }, (_, index) =>
      callUntilGone(server, world, world.agents[index % world.agents.length] as TestAgent, note),
    ),
  );
  await Promise.race([issued.reached(acknowledged), callers]);
  const signalledAt = performance.now();
  const ended = server.end('SIGTERM');
  // A connection that the system had taken when the door closed, and the server had not, is reset: its request was never read.
  const ends = await callers;
  assert.ok(
    ends.every(code => NEVER_READ.includes(code)),
    `each was answered until the door closed: ${ends.join(' ')}`,
  );
  assert.equal(await ended, 0);
  const stopMs = performance.now() - signalledAt;
  assert.ok(tokens.length >= acknowledged, `${tokens.length} tokens when the signal came`);

  const again = await deployment.restart(server);
  assert.equal(
    await countIssued(deployment, world),
    tokens.length,
    'a token was issued and nobody told, or the other way round',
  );
  const basic = [world.resource.id, world.resource.secret] as const;
  for (const token of tokens) {
    const answer = await patient(again).post('/introspect', { token }, { basic });
    assert.equal(answer.json.active, true, `an acknowledged token is lost: ${answer.text}`);
  }
  assert.equal(await again.end('SIGTERM'), 0);
  return { acknowledged: tokens.length, stopMs };
}

/** How many tokens the trail has for the agents of this world. */
function countIssued(deployment: Deployment, { agents }: World): Promise<number> {
  const ids = new Set(agents.map(({ id }) => id));
  return deployment.withStore(async ({ store }) => {
    let issued = 0;
    for await (const page of storeTrail(store).rows()) {
      for (const { body } of page as AuditRow[]) {
        const { event } = JSON.parse(body) as { readonly event: AuditEvent };
        if (event.type === 'token.issued' && ids.has(event.client ?? '')) issued += 1;
      }
    }
    return issued;
  });
}

/** For as long as its delay lasts a server that was told to stop takes new connections, answers on them, and says so in `/readyz`. */
export async function serveUntilDelayIsOver(host: ProofHost, kind: StoreKind): Promise<void> {
  const deployment = await deployWith(host, kind, LONG_DELAY);
  const server = await deployment.start();
  const world = await populate(deployment, 1);
  server.signal('SIGTERM');
  await untilStopping(server);
  const ready = await ask(server.port, `GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  assert.match(ready, /^HTTP\/1\.1 503 [\s\S]*\r\nConnection: close\r\n[\s\S]*"process":"stopping"/);
  // Each of these closes its connection, so every one is a new one.
  const { resource, agents } = world;
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (let call = 0; call < 3; call += 1) {
    const answer = await patient(server).post('/token', form, { basic: (agents[0] as TestAgent).basic });
    assert.deepEqual([answer.status, answer.headers.get('connection')], [200, 'close'], answer.text);
  }
  // A second signal waits for no delay.
  assert.equal(await server.end('SIGTERM'), 130);
}

/**
 * A request that is half sent when the signal comes is answered once the rest arrives; one that never ends is cut off at the
 * deadline. Two servers, told to stop one after the other: the first one's deadline is the later one, so it outlasts the second.
 *
 * @returns how long the second one took to end, whose deadline is a second
 */
export async function waitForHalfSentRequests(host: ProofHost, kind: StoreKind): Promise<number> {
  const lasting = await tellToStop(await deployWith(host, kind, LONG_DRAIN));
  const hasty = await tellToStop(await deployWith(host, kind, { COUNTERSIGN_SHUTDOWN_SECONDS: '1' }));
  assert.equal(await hasty.ended, 0);
  const stopMs = performance.now() - hasty.signalledAt;
  assert.equal(await readAll(hasty.socket), '', 'nothing was answered that was not asked');

  lasting.socket.write(lasting.rest);
  const answer = await readAll(lasting.socket);
  assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*\r\nConnection: close\r\n[\s\S]*"access_token"/);
  assert.equal(await lasting.ended, 0);
  return stopMs;
}

/** A server whose door is closed, with a request that was half sent before. */
async function tellToStop(deployment: Deployment) {
  const server = await deployment.start();
  const { socket, rest } = await sendHalf(server, await populate(deployment, 1));
  const signalledAt = performance.now();
  const ended = server.end('SIGTERM');
  await untilStopping(server);
  while (!(await isRefused(server.port))) await delay(5);
  return { server, socket, rest, signalledAt, ended };
}

/**
 * Whoever sends a second signal does not wait for anybody.
 *
 * @returns how long it took from there
 */
export async function stopAtOnce(host: ProofHost, kind: StoreKind): Promise<number> {
  const deployment = await deployWith(host, kind, LONG_DRAIN);
  const { server, socket } = await tellToStop(deployment);
  const signalledAt = performance.now();
  // By the first signal alone it would end with 0.
  assert.equal(await server.end('SIGTERM'), 130);
  const stopMs = performance.now() - signalledAt;
  assert.equal(await readAll(socket), '');
  return stopMs;
}

/** @returns the code of the error that a request ended in, or the answer that no request should get */
async function callUntilGone(
  server: ServerProcess,
  { resource }: World,
  agent: TestAgent,
  note: (token: string) => void,
): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (;;) {
    try {
      const answer = await patient(server).post('/token', form, { basic: agent.basic });
      if (answer.status !== 200) return `${answer.status} ${answer.text}`;
      note(answer.json.access_token);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}

/** Sends the first half of a request for a token, and resolves when it is there. */
async function sendHalf(server: ServerProcess, { agents, resource }: World) {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    resource: resource.identifier,
  }).toString();
  const basic = Buffer.from((agents[0] as TestAgent).basic.join(':')).toString('base64');
  const head = [
    'POST /token HTTP/1.1',
    `Host: ${new URL(server.issuer).host}`,
    `Authorization: Basic ${basic}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${form.length}`,
  ];
  const socket = connect(server.port, '127.0.0.1');
  // Who reads is told; nobody else is to fall over it.
  socket.on('error', () => undefined);
  socket.write(`${head.join('\r\n')}\r\n\r\n${form.slice(0, 10)}`);
  await once(socket, 'connect');
  // What was sent before has reached the server when something that was sent later has been answered.
  await ask(server.port, 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  return { socket, rest: form.slice(10) };
}

async function ask(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request);
  return readAll(socket);
}

/** What comes until the connection is closed, however that is. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  try {
    for await (const chunk of socket) text += String(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
  return text;
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

async function untilStopping(server: ServerProcess): Promise<void> {
  while (!server.logs.some(line => line.includes('"msg":"stopping"'))) await delay(5);
}
