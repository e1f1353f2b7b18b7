/** The MCP TypeScript SDKs, v1 and v2, as applications that people use: unmodified, through the browser, in every way of being known. */
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpTransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpTransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import test, { type ExecutionContext } from 'ava';
import { createAgent, killAgent } from '../../src/agents/index.ts';
import { type KeyHost, startKeyHost } from '../support/key-host.ts';
import { type McpTestServer, startMcpServer } from '../support/mcp-servers.ts';
import { CALLBACK, type Introduction, PeopleApp } from '../support/people-app.ts';
import { addPerson, startApp } from '../support/start-app.ts';
import { enrol, Visitor } from '../support/visitor.ts';

type Sdk = 'v1' | 'v2';
type Way = 'registered' | 'published' | 'self-registered';

const SDKS: readonly Sdk[] = ['v1', 'v2'];
const WAYS: readonly Way[] = ['registered', 'published', 'self-registered'];

for (const sdk of SDKS) {
  for (const way of WAYS) {
    test(`a ${way} application with the MCP SDK ${sdk} acts for a person, asks for more, and is stopped`, async t => {
      const { app, server, record, introduction, visitor } = await startWorld(t, sdk, way);
      const people = new PeopleApp(introduction);
      const call = await connect(t, sdk, server, people, visitor);
      t.is(await call('look'), 'looked');
      const issued = (await app.trail()).filter(({ type }) => type === 'token.issued').at(-1);
      t.like(issued, { scope: 'read', detail: { grant: 'authorization_code' } });
      t.is(people.sentTo.length, 1);

      t.is(await call('change'), 'changed');
      t.is(people.sentTo.length, 2, 'the person was asked for more');
      const asked = people.sentTo.at(-1)?.searchParams.get('scope')?.split(' ') ?? [];
      t.deepEqual(
        asked.filter(scope => scope !== 'offline_access').toSorted(),
        ['read', 'write'],
        'with what it had before',
      );

      const deps = { agents: app.store, freshness: app.store };
      await killAgent(deps, record.id, app.origin());
      await t.throwsAsync(call('look'));
    });
  }
}

async function startWorld(t: ExecutionContext, sdk: Sdk, way: Way) {
  const host = await startKeyHost(t, { status: 503 });
  const app = await startApp(t, { env: host.env });
  const server = await startMcpServer(t, app, sdk);
  const list = [{ resource: server.resource.identifier, scopes: ['read', 'write'] }];
  const { agent: record } = await createAgent(
    { agents: app.store, people: app.store, resources: app.store, freshness: app.store },
    {
      name: 'Editors',
      ownerId: (await addPerson(app, 'Olga')).id,
      envelope: list,
      baseline: list,
      application: {
        registered: { redirectUris: [CALLBACK] },
        published: { metadataHosts: ['localhost'] },
        'self-registered': { selfRegistration: 'open' },
      }[way],
      credential: { method: 'none' },
    },
    app.origin(),
  );
  const visitor = new Visitor(app);
  await enrol(app, visitor);
  return { app, server, record, visitor, introduction: introduce(way, record.id, host) };
}

function introduce(way: Way, id: string, host: KeyHost): Introduction {
  switch (way) {
    case 'registered':
      return { clientId: id };
    case 'published':
      host.answer = {
        headers: { 'Content-Type': 'application/json' },
        document: { client_id: host.uri, client_name: 'Editor', redirect_uris: [CALLBACK] },
      };
      return { documentUrl: host.uri };
    case 'self-registered':
      return { registersItself: true };
  }
}

/** A call that goes by the browser whenever the SDK says that a person has to be asked. */
async function connect(
  t: ExecutionContext,
  sdk: Sdk,
  server: McpTestServer,
  people: PeopleApp,
  visitor: Visitor,
): Promise<(tool: string) => Promise<string>> {
  const info = { name: 'test-editor', version: '1.0.0' };
  const open = async () => {
    // biome-ignore lint/suspicious/noExplicitAny: each SDK's transport and client only fit each other
    const [client, transport]: [any, any] =
      sdk === 'v1'
        ? [new ClientV1(info), new HttpTransportV1(server.url, { authProvider: people })]
        : [new ClientV2(info), new HttpTransportV2(server.url, { authProvider: people })];
    t.teardown(() => client.close());
    return { client, transport };
  };
  const callOnce = async (tool: string): Promise<string> => {
    const { client, transport } = await open();
    const sent = people.sentTo.length;
    try {
      await client.connect(transport);
      const { content } = await client.callTool({ name: tool, arguments: {} });
      return (content as readonly { text: string }[])[0]?.text ?? '';
    } catch (error) {
      const asked = people.sentTo.at(sent);
      if (!asked) throw error;
      const callback = await letIt(visitor, asked);
      await transport.finishAuth(sdk === 'v1' ? callback.get('code') : callback);
      return callOnce(tool);
    }
  };
  return callOnce;
}

/** What the person does: looks, and agrees. */
async function letIt(visitor: Visitor, url: URL): Promise<URLSearchParams> {
  const asked = await visitor.get(url.href);
  const at = asked.location ?? '';
  const page = await visitor.get(at);
  if (page.status !== 200) throw new Error(`${url.href}: ${asked.status} ${at} ${page.status} ${page.text}`);
  const decided = await visitor.submit(new URL(at, url).pathname, { decision: 'allow' });
  const back = await visitor.get(decided.location ?? '');
  return new URL(back.location ?? '').searchParams;
}
