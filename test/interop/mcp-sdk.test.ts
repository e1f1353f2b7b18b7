/** The MCP TypeScript SDKs, v1 and v2, as agents and as MCP servers, unmodified and in every combination. */
import {
  ClientCredentialsProvider,
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpTransportV2,
  PrivateKeyJwtProvider,
} from '@modelcontextprotocol/client';
import {
  ClientCredentialsProvider as ClientCredentialsProviderV1,
  PrivateKeyJwtProvider as PrivateKeyJwtProviderV1,
} from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpTransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import test, { type ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair } from 'jose';
import { killAgent, restoreAgent } from '../../src/agents/index.ts';
import { type McpTestServer, startMcpServer } from '../support/mcp-servers.ts';
import { type App, addAgent, addPerson, startApp } from '../support/start-app.ts';

type Sdk = 'v1' | 'v2';
type Provider = 'ClientCredentialsProvider' | 'PrivateKeyJwtProvider';

interface ConnectedAgent {
  readonly id: string;
  /** Connects if need be and calls a tool; resolves to its text. */
  call(tool: string): Promise<string>;
}

const SDKS: readonly Sdk[] = ['v1', 'v2'];
const PROVIDERS: readonly Provider[] = ['ClientCredentialsProvider', 'PrivateKeyJwtProvider'];

for (const clientSdk of SDKS) {
  for (const provider of PROVIDERS) {
    for (const serverSdk of SDKS) {
      const agent = `an agent with the MCP SDK ${clientSdk} ${provider}`;

      test(`${agent} calls a tool of an SDK ${serverSdk} server, and no more once it is killed`, async t => {
        const { app, server } = await startWorld(t, serverSdk);
        const { id, call } = await connectAgent(t, app, server, clientSdk, provider);
        t.is(await call('look'), 'looked');

        const issued = (await app.trail()).filter(event => event.type === 'token.issued');
        t.is(issued.length, 1, 'one token does for the whole conversation');
        t.like(issued[0], { client: id, subject: id, resource: server.url.href, scope: 'read' });

        const deps = { agents: app.store, freshness: app.store };
        await killAgent(deps, id, app.origin());
        await t.throwsAsync(call('look'));
        const last = (await app.trail()).at(-1);
        t.like(last, { type: 'client.authentication-refused', reason: 'client-not-enabled', client: id });

        await restoreAgent({ ...deps, resources: app.store }, id, app.origin());
        t.is(await call('look'), 'looked');
      });

      test(`${agent} cannot call a tool of an SDK ${serverSdk} server beyond its baseline`, async t => {
        const { app, server } = await startWorld(t, serverSdk);
        const { id, call } = await connectAgent(t, app, server, clientSdk, provider);
        t.is(await call('look'), 'looked');
        await t.throwsAsync(call('change'));

        if (clientSdk === 'v2') {
          // Challenged, it asks for all scopes of the operation by itself.
          const refused = (await app.trail()).find(event => event.type === 'token.issue-refused');
          t.like(refused, { client: id, reason: 'needs-approval' });
        }
        t.is(await call('look'), 'looked', 'nothing was lost by asking');
      });
    }
  }
}

async function startWorld(t: ExecutionContext, sdk: Sdk): Promise<{ app: App; server: McpTestServer }> {
  const app = await startApp(t);
  return { app, server: await startMcpServer(t, app, sdk) };
}

async function connectAgent(
  t: ExecutionContext,
  app: App,
  server: McpTestServer,
  sdk: Sdk,
  provider: Provider,
): Promise<ConnectedAgent> {
  const owner = await addPerson(app);
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const usesKey = provider === 'PrivateKeyJwtProvider';
  const agent = await addAgent(app, owner, server.resource, {
    ...(usesKey && { credential: { method: 'private_key_jwt', keys: [await exportJWK(publicKey)] } }),
  });
  const secretOptions = { clientId: agent.id, clientSecret: agent.basic[1], expectedIssuer: app.issuer };
  const keyOptions = {
    clientId: agent.id,
    privateKey: { ...(await exportJWK(privateKey)) },
    algorithm: 'ES256',
    expectedIssuer: app.issuer,
  };
  const info = { name: 'test-agent', version: '1.0.0' };
  // Each SDK's transport and client only fit each other.
  const connect = async () => {
    if (sdk === 'v1') {
      const authProvider = usesKey
        ? new PrivateKeyJwtProviderV1(keyOptions)
        : new ClientCredentialsProviderV1(secretOptions);
      const client = new ClientV1(info);
      // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types do not agree under exactOptionalPropertyTypes
      await client.connect(new HttpTransportV1(server.url, { authProvider }) as any);
      return client;
    }
    const authProvider = usesKey
      ? new PrivateKeyJwtProvider(keyOptions)
      : new ClientCredentialsProvider(secretOptions);
    const client = new ClientV2(info);
    await client.connect(new HttpTransportV2(server.url, { authProvider }));
    return client;
  };
  const client = await connect();
  t.teardown(() => client.close());
  return {
    id: agent.id,
    call: async tool => {
      const { content } = await client.callTool({ name: tool, arguments: {} });
      return (content as readonly { text: string }[])[0]?.text ?? '';
    },
  };
}
