/**
 * `npm run demo`: Countersign, a real MCP server protected by it, and a real agent, from the first token to the kill.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, PrivateKeyJwtProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Command } from 'commander';
import pc from 'picocolors';
import { pino } from 'pino';
import { type DemoWorld, seedDemoWorld } from '../../../seed/demo-world.ts';
import { storeTrail, verifyTrail } from '../../audit/index.ts';
import { newClientSecret } from '../../clients/index.ts';
import { loadConfig } from '../../config/index.ts';
import { newId } from '../../ids.ts';
import { type Running, startServer } from '../../start.ts';
import { freePort } from './free-port.ts';
import { type OrdersServer, startOrdersServer } from './orders-server.ts';
import { abbreviated, claim, StepFailed, Story } from './story.ts';

const program = new Command('demo')
  .description('Starts Countersign, an MCP server protected by it and an agent, and tells what happens.')
  .option('--once', 'end after the story; the exit code is 0 only if every step did what it says')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run demo             tells the story, then stays up with commands to try\n  npm run demo -- --once   tells the story and ends\n',
  );
const { once: endsAfterStory = false } = program.parse().opts<{ once?: boolean }>();

/** What is running, for the story and for its end. */
interface Stage {
  readonly server: Running;
  readonly orders: OrdersServer;
  readonly world: DemoWorld;
  readonly privateKeyPem: string;
  readonly admin: { readonly id: string; readonly secret: string };
}

const directory = await mkdtemp(join(tmpdir(), 'countersign-demo-'));
const stage = await setUp(directory);
let exitCode = 0;
try {
  await tell(stage);
} catch (error) {
  exitCode = 1;
  console.error(`\n${pc.red('The demo stopped:')} ${error instanceof StepFailed ? error.message : error}`);
}
if (endsAfterStory || exitCode !== 0) await end();
else {
  await printCommands(stage);
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
}

async function end(): Promise<void> {
  await stage.orders.stop();
  await stage.server.stop();
  await rm(directory, { recursive: true, force: true });
  process.exit(exitCode);
}

async function setUp(dataDir: string): Promise<Stage> {
  const admin = { id: newId('agt', Date.now()), secret: newClientSecret() };
  const config = loadConfig({
    COUNTERSIGN_PORT: String(await freePort()),
    COUNTERSIGN_STORE: `sqlite:${join(dataDir, 'countersign.sqlite')}`,
    COUNTERSIGN_DATA_DIR: dataDir,
    COUNTERSIGN_BOOTSTRAP_CLIENT_ID: admin.id,
    COUNTERSIGN_BOOTSTRAP_CLIENT_SECRET: admin.secret,
  });
  const server = await startServer(config, { log: pino({ level: 'silent' }) });
  const { store } = server;

  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ordersPort = await freePort();
  const world = await seedDemoWorld(
    { agents: store, people: store, resources: store, freshness: store },
    {
      ordersUrl: `http://localhost:${ordersPort}/mcp`,
      shopkeeperKey: { ...(publicKey.export({ format: 'jwk' }) as { kty: string }), alg: 'ES256' },
    },
    { requestId: newId('req', Date.now()), now: Date.now() },
  );
  const orders = await startOrdersServer({
    port: ordersPort,
    issuer: server.issuer,
    clientId: world.orders.id,
    clientSecret: world.orders.secret ?? '',
  });
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { server, orders, world, privateKeyPem, admin };
}

async function tell({ server, orders, world, privateKeyPem, admin }: Stage): Promise<void> {
  const { issuer, store } = server;
  const story = new Story();
  console.log(pc.bold('\nCountersign: one agent, one token, one verified call, one kill'));
  console.log(pc.dim(`authorization server ${issuer}   MCP server ${orders.url}`));

  const provider = credentialsOf(world.shopkeeper.id, privateKeyPem, issuer);
  /** The last answer of the MCP server: the SDK acts on it and shows only the outcome. */
  let lastAnswer: Response | undefined;
  const watchedFetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (String(input instanceof Request ? input.url : input) === orders.url) lastAnswer = response;
    return response;
  };
  const transport = new StreamableHTTPClientTransport(new URL(orders.url), {
    authProvider: provider,
    fetch: watchedFetch,
  });
  const agent = new Client({ name: 'shopkeeper', version: '1.0.0' });

  await story.step('The agent authenticates with its own key (private_key_jwt)', async fact => {
    await agent.connect(transport);
    fact('agent', `Shopkeeper ${pc.dim(world.shopkeeper.id)}`);
    fact('owner', 'Alice Owner');
  });

  const token = provider.tokens()?.access_token ?? '';
  await story.step('Its token is narrow: one audience, the baseline scope, five minutes', async fact => {
    const tokens = provider.tokens();
    claim(tokens?.scope === 'orders:read', `the scope is ${tokens?.scope}`);
    claim(tokens?.expires_in === 300, `it lives ${tokens?.expires_in} s`);
    fact('token', abbreviated(token));
    fact('scope', tokens.scope);
    fact('lives', `${tokens.expires_in} s`);
  });

  await story.step('The MCP server verifies it by introspection (RFC 7662)', async fact => {
    const answer = orders.lastIntrospection();
    claim(answer?.active === true && answer.sub === world.shopkeeper.id, 'the token was not verified');
    claim(answer.aud === orders.url, `the audience is ${answer.aud}`);
    fact('active', String(answer.active));
    fact('sub', answer.sub ?? '');
    fact('aud', answer.aud ?? '');
  });

  await story.step('A tool call within the scope works', async fact => {
    const result = await agent.callTool({ name: 'find_order', arguments: { number: '1001' } });
    const [content] = result.content as { text?: string }[];
    claim(content?.text?.includes('1001') === true, 'the tool did not answer');
    fact('find_order', content.text ?? '');
  });

  await story.step('A call with a made-up token is refused: 401', async fact => {
    const response = await callRefund(orders.url, 'cs_at_made-up');
    claim(response.status === 401, `the answer was ${response.status}`);
    fact('answer', `${response.status} ${response.headers.get('www-authenticate')?.split(',')[0] ?? ''}`);
  });

  await story.step('A tool beyond its scope is refused: 403 insufficient_scope', async fact => {
    const response = await callRefund(orders.url, token);
    const challenge = response.headers.get('www-authenticate') ?? '';
    claim(
      response.status === 403 && challenge.includes('insufficient_scope'),
      `the answer was ${response.status}`,
    );
    fact('answer', `${response.status} insufficient_scope`);
    const stepUp = await agent.callTool({ name: 'refund_order', arguments: { number: '1001' } }).then(
      () => 'granted',
      (error: Error) => error.message,
    );
    claim(/approval/.test(stepUp), `asking for more gave: ${stepUp}`);
    fact('step-up', 'invalid_scope: beyond what it gets without approval');
  });

  let killedAt = 0;
  await story.step('An administrator kills the agent: one call, one write', async fact => {
    const authorization = await administratorToken(issuer, admin);
    killedAt = performance.now();
    const response = await fetch(`${issuer}/api/v1/agents/${world.shopkeeper.id}/kill`, {
      method: 'POST',
      headers: { Authorization: authorization },
    });
    const { status } = (await response.json()) as { status: string };
    claim(response.status === 200 && status === 'suspended', `the answer was ${response.status}`);
    fact('agent', status);
  });

  await story.step('Its very next call is refused', async fact => {
    await agent.callTool({ name: 'find_order', arguments: { number: '1002' } }).then(
      () => claim(false, 'the call went through'),
      () => undefined,
    );
    const elapsedMs = performance.now() - killedAt;
    claim(orders.lastIntrospection()?.active === false, 'the token was still active');
    claim(lastAnswer?.status === 401, `the answer was ${lastAnswer?.status}`);
    fact('answer', '401, the token is not active');
    fact('kill', `to refusal in ${pc.bold(`${elapsedMs.toFixed(1)} ms`)}`);
  });

  await story.step('It cannot come back with its credentials', async fact => {
    const again = new Client({ name: 'shopkeeper', version: '1.0.0' });
    const fresh = credentialsOf(world.shopkeeper.id, privateKeyPem, issuer);
    const message = await again
      .connect(new StreamableHTTPClientTransport(new URL(orders.url), { authProvider: fresh }))
      .then(
        () => 'it was let in',
        (error: Error) => error.message,
      );
    claim(fresh.tokens() === undefined && message !== 'it was let in', message);
    fact('answer', 'invalid_client: client authentication failed');
  });

  await story.step('The audit trail has all of it, and its chain verifies', async fact => {
    const report = await verifyTrail(storeTrail(store));
    claim(report.isIntact, 'the chain is broken');
    const rows = (await store.readNewest(200))
      .filter(row => row.body.includes(world.shopkeeper.id))
      .reverse();
    const seen = rows.map(row => JSON.parse(row.body).event.type as string);
    for (const type of [
      'token.issued',
      'token.issue-refused',
      'agent.killed',
      'client.authentication-refused',
    ]) {
      claim(seen.includes(type), `no ${type} in the trail`);
    }
    fact('verified', `${report.rows} rows, every hash right`);
    for (const row of rows) {
      const { at, type, outcome, reason = '' } = JSON.parse(row.body).event;
      const mark = outcome === 'done' ? pc.green('✓') : pc.red('✗');
      fact(new Date(at).toISOString().slice(14, 23), `${mark} ${type} ${pc.dim(reason)}`);
    }
  });
}

/** What the agent authenticates with. Told that it is refused, it does not try the same tokens again. */
function credentialsOf(clientId: string, privateKey: string, expectedIssuer: string): PrivateKeyJwtProvider {
  const provider = new PrivateKeyJwtProvider({
    clientId,
    privateKey,
    algorithm: 'ES256',
    expectedIssuer,
    jwtLifetimeSeconds: 60,
  });
  return Object.assign(provider, { invalidateCredentials: () => undefined });
}

/** A tool call without the SDK's help, to see the bare answer. */
function callRefund(url: string, token: string): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'refund_order', arguments: { number: '1001' } },
    }),
  });
}

async function administratorToken(issuer: string, admin: Stage['admin']): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${Buffer.from(`${admin.id}:${admin.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'kill' }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  claim(token !== undefined, 'the administrator got no token');
  return `Bearer ${token}`;
}

async function printCommands({ server, orders, world, admin }: Stage): Promise<void> {
  const { issuer } = server;
  const reporter = `${world.reporter.id}:${world.reporter.secret ?? ''}`;
  const title = (text: string) => console.log(`\n${pc.bold(text)}`);
  console.log(
    `\n${pc.bold('Still up.')} Try it yourself, with another agent (Reporter). Ctrl-C stops everything.`,
  );
  console.log(
    `authorization server  ${issuer}\nmetadata              ${issuer}/.well-known/oauth-authorization-server\nMCP server            ${orders.url}`,
  );
  title('1. Get a token');
  console.log(
    `TOKEN=$(curl -s -u ${reporter} -d grant_type=client_credentials \\\n  ${issuer}/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'); echo $TOKEN`,
  );
  title('2. Introspect it, as the MCP server does');
  console.log(
    `curl -s -u ${world.orders.id}:${world.orders.secret ?? ''} -d token=$TOKEN ${issuer}/introspect`,
  );
  title('3. Revoke it');
  console.log(`curl -s -u ${reporter} -d token=$TOKEN ${issuer}/revoke`);
  title('4. Kill the agent');
  console.log(
    `curl -s -X POST -H "Authorization: Bearer $(curl -s -u ${admin.id}:${admin.secret} -d grant_type=client_credentials \\\n  ${issuer}/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')" \\\n  ${issuer}/api/v1/agents/${world.reporter.id}/kill`,
  );
  console.log('');
}
