/** Stops a server in the middle of its work, as a rollout does (I10): nobody is cut off who can be answered. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { type AuditEvent, type AuditRow, storeTrail } from '../../src/audit/index.ts';
import { type Deployment, populate, type World } from '../support/deployment.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { TestAgent } from '../support/start-app.ts';

export interface StopReport {
  readonly acknowledged: number;
  /** From the signal to the end of the process. */
  readonly stopMs: number;
}

/**
 * Callers that keep their connections alive are at work when the signal comes. None of their requests is left without an answer,
 * and everything that was answered is there afterwards. Start the deployment with a delay of a second.
 */
export async function stopUnderLoad(t: ExecutionContext, deployment: Deployment): Promise<StopReport> {
  const server = await deployment.start();
  const world = await populate(deployment, 8);
  const tokens: string[] = [];
  const callers = Array.from({ length: 16 }, (_, index) =>
    callUntilRefused(server, world, world.agents[index % 8] as TestAgent, tokens),
  );
  await until(() => tokens.length > 50);

  const signalledAt = performance.now();
  const ended = server.end('SIGTERM');
  await until(() => server.logs.some(line => line.includes('"msg":"stopping"')));
  const ready = await ask(server.port, `GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  t.regex(ready, /^HTTP\/1\.1 503 [\s\S]*\r\nConnection: close\r\n[\s\S]*"process":"stopping"/);

  // A connection that the system had taken when the door closed, and the server had not, is reset: its request was never read.
  const ends = await Promise.all(callers);
  t.true(
    ends.every(code => code === 'ECONNREFUSED' || code === 'ECONNRESET'),
    `each was answered until the door closed: ${ends.join(' ')}`,
  );
  t.is(await ended, 0);
  const stopMs = Math.round(performance.now() - signalledAt);

  const again = await deployment.restart(server);
  t.is(await countIssued(deployment, world), tokens.length, 'a token was issued and nobody told');
  const basic = [world.resource.id, world.resource.secret] as const;
  for (const token of tokens) {
    t.true(
      (await again.post('/introspect', { token }, { basic })).json.active,
      'an acknowledged token is lost',
    );
  }
  await again.end('SIGTERM');
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

/** A request that is half sent when the signal comes is answered once the rest arrives. */
export async function finishSlowRequest(t: ExecutionContext, deployment: Deployment): Promise<void> {
  const server = await deployment.start();
  const world = await populate(deployment, 1);
  const [begun, rest] = halves(server, world);
  const socket = connect(server.port, '127.0.0.1');
  socket.write(begun);
  await atWork(server);
  const ended = server.end('SIGTERM');
  await until(() => server.logs.some(line => line.includes('"msg":"stopping"')));
  await until(() => isRefused(server.port));
  socket.write(rest);
  const answer = await readAll(socket);
  t.regex(answer, /^HTTP\/1\.1 200 [\s\S]*\r\nConnection: close\r\n[\s\S]*"access_token"/);
  t.is(await ended, 0);
}

/** A request that never ends is cut off at the deadline. Start the deployment with one of a second. */
export async function cutOffEndlessRequest(t: ExecutionContext, deployment: Deployment): Promise<number> {
  const server = await deployment.start();
  const world = await populate(deployment, 1);
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(halves(server, world)[0]);
  await atWork(server);
  const signalledAt = performance.now();
  t.is(await server.end('SIGTERM'), 0);
  socket.destroy();
  return performance.now() - signalledAt;
}

/** Whoever sends a second signal does not wait for anybody. */
export async function stopAtOnce(t: ExecutionContext, deployment: Deployment): Promise<void> {
  const server = await deployment.start();
  const world = await populate(deployment, 1);
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(halves(server, world)[0]);
  await atWork(server);
  server.signal('SIGTERM');
  await until(() => server.logs.some(line => line.includes('"msg":"stopping"')));
  const signalledAt = performance.now();
  t.is(await server.end('SIGTERM'), 130);
  t.true(performance.now() - signalledAt < 1_000);
  socket.destroy();
}

/** @returns the code of the error that a request ended in: a refusal of the connection is the only good one */
async function callUntilRefused(
  server: ServerProcess,
  { resource }: World,
  agent: TestAgent,
  tokens: string[],
): Promise<string> {
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  for (;;) {
    try {
      const answer = await server.post('/token', form, { basic: agent.basic });
      if (answer.status !== 200) return `${answer.status} ${answer.text}`;
      tokens.push(answer.json.access_token);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}

/** A request for a token, in two parts. */
function halves(server: ServerProcess, { agents, resource }: World): readonly [string, string] {
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
  return [`${head.join('\r\n')}\r\n\r\n${form.slice(0, 10)}`, form.slice(10)];
}

/** What was sent before has reached the server when something that was sent later has been answered. */
async function atWork(server: ServerProcess): Promise<void> {
  await ask(server.port, 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
}

async function ask(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request);
  return readAll(socket);
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
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

async function until(isReached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await isReached())) {
    if (performance.now() > deadline) throw new Error('it did not come about');
    await delay(5);
  }
}
