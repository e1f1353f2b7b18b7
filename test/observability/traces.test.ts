/** Spans as their receiver gets them: the server as operators run it, set up by the page's own file, and a receiver of OTLP. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { NodeTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { readCodeBlocks } from '../docs/code-block.ts';
import { deploy, populate, sharedSqlite } from '../support/deployment.ts';
import { freePort } from '../support/free-port.ts';
import { startServerProcess } from '../support/server-process.ts';
import { heldDeadline, startApp } from '../support/start-app.ts';

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string | number>>;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'attributes'> & {
        readonly attributes: readonly OtlpAttribute[];
      })[];
    }[];
  }[];
}

/** OTLP over HTTP in JSON; a span arrives once it has ended. */
async function startReceiver(t: ExecutionContext) {
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as OtlpBody;
    for (const { scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(scope => scope.spans)) {
        const attributes = span.attributes.map(({ key, value }) => [
          key,
          value.stringValue ?? value.intValue,
        ]);
        spans.push({ ...span, attributes: Object.fromEntries(attributes) });
      }
    }
    response.setHeader('Content-Type', 'application/json').end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return { spans, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` };
}

/** What `docs/traces.md` tells to write, in a folder that has its packages. */
async function documentedSetup(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-traces-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await symlink(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'));
  const blocks = readCodeBlocks(await readFile('docs/traces.md', 'utf8'));
  const file = join(directory, 'tracing.mjs');
  await writeFile(file, blocks.find(({ marks }) => marks.get('file') === 'tracing.mjs')?.text ?? '');
  return `--import ${pathToFileURL(file)}`;
}

async function startTraced(
  t: ExecutionContext,
  traces: string,
  url: string,
  settings: Readonly<Record<string, string>> = {},
) {
  const deployment = await deploy(t, await sharedSqlite(t));
  const { resource, agents } = await populate(deployment, 1);
  const server = await startServerProcess({
    env: {
      ...deployment.shared.env,
      COUNTERSIGN_TRACES: traces,
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: '',
      NODE_OPTIONS: await documentedSetup(t),
      ...settings,
    },
    issuer: deployment.issuer,
    port: await freePort(),
  });
  t.teardown(() => server.end('SIGKILL'));
  const form = { grant_type: 'client_credentials', resource: resource.identifier };
  const basic = agents[0]?.basic ?? (['', ''] as const);
  return { server, deployment, form, basic };
}

test('a request is a span in the caller’s trace, with what it waits for below it, and leads to the trail', async t => {
  const { spans, url } = await startReceiver(t);
  const { server, deployment, form, basic } = await startTraced(t, 'on', url, {
    OTEL_BSP_SCHEDULE_DELAY: '20',
  });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
  t.is((await server.post('/token', form, { basic, headers })).status, 200);
  const refused = await server.post('/token', { ...form, scope: 'delete' }, { basic });
  t.is(refused.status, 400);
  t.is((await server.call('PROPFIND', '/teapot/with?a=secret')).status, 404);
  const answers = () => spans.map(({ attributes }) => attributes['http.response.status_code']);
  while (![200, 400, 404].every(status => answers().includes(status))) await delay(10);
  t.is(await server.end('SIGTERM'), 0);

  const issue = spans.find(span => span.traceId === traceId && span.parentSpanId === 'b7ad6b7169203331');
  t.like(issue, {
    name: 'POST token',
    kind: 2,
    attributes: { 'http.request.method': 'POST', 'http.route': 'token', 'http.response.status_code': 200 },
  });
  const commit = spans.find(span => span.traceId === traceId && span.parentSpanId === issue?.spanId);
  t.like(commit, { name: 'commit', kind: 1 });
  const rows = await deployment.withStore(async ({ store }) =>
    (await store.readNewest(50)).map(({ body }) => JSON.parse(body).event),
  );
  const row = rows.find(({ requestId }) => requestId === issue?.attributes['countersign.request_id']);
  t.is(row?.type, 'token.issued');

  const refusal = spans.find(({ attributes }) => attributes['http.response.status_code'] === 400);
  t.is(refusal?.attributes['countersign.error_ref'], refused.headers.get('error-ref') ?? '');
  const unknown = spans.find(({ attributes }) => attributes['http.response.status_code'] === 404);
  t.like(unknown, { name: '_OTHER other', attributes: { 'http.request.method': '_OTHER' } });
  t.false(JSON.stringify(spans).includes('teapot'));
});

test('traces are off unless asked for, even where an SDK is registered', async t => {
  const { spans, url } = await startReceiver(t);
  const { server, form, basic } = await startTraced(t, 'off', url);
  t.is((await server.post('/token', form, { basic })).status, 200);
  t.is(await server.end('SIGTERM'), 0);
  t.deepEqual(spans, []);
});

test('a server whose spans nobody would receive does not start', async t => {
  const { env } = await sharedSqlite(t);
  const port = await freePort();
  const started = startServerProcess({
    env: { ...env, COUNTERSIGN_TRACES: 'on' },
    issuer: `http://localhost:${port}`,
    port,
  });
  const { message } = await t.throwsAsync(started);
  t.regex(message, /ended with 1[\s\S]*COUNTERSIGN_TRACES: on, but no OpenTelemetry SDK is registered/);
});

test('a receiver of spans that is not there holds up neither requests nor the stop', async t => {
  const { server, form, basic } = await startTraced(t, 'on', `http://127.0.0.1:${await freePort()}`);
  t.is((await server.post('/token', form, { basic })).status, 200);
  t.is(await server.end('SIGTERM'), 0);
});

test('spans that the SDK still holds are handed over before a server has stopped, for as long as there is time', async t => {
  let asked = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  const held: SpanProcessor = {
    onStart: () => undefined,
    onEnd: () => undefined,
    forceFlush: () => {
      asked.resolve();
      return taken.promise;
    },
    shutdown: async () => undefined,
  };
  new NodeTracerProvider({ spanProcessors: [held] }).register();
  const deadline = heldDeadline();
  for (const end of [() => taken.resolve(), () => deadline.end()]) {
    asked = Promise.withResolvers();
    taken = Promise.withResolvers();
    const app = await startApp(t, { env: { COUNTERSIGN_TRACES: 'on' }, deadline });
    let hasStopped = false;
    const stopped = app.stop().then(() => {
      hasStopped = true;
    });
    await asked.promise;
    t.false(hasStopped);
    end();
    await stopped;
    // The provider has a timer of its own, which would keep this process for half a minute.
    taken.resolve();
  }
  t.pass();
});
