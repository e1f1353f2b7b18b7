/**
 * A real MCP server, built with the MCP TypeScript SDK and protected by Countersign: it asks about every token it is shown, and
 * lets a tool run only with the scopes it needs. `docs/quickstart-mcp-server.md` explains the lines of `protect`.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  createMcpExpressApp,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  requireBearerAuth,
} from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  type AuthInfo,
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  type OAuthMetadata,
  requireScopes,
} from '@modelcontextprotocol/server';
import type { Express } from 'express';
import { z } from 'zod';

export interface OrdersServer {
  /** Its resource identifier. */
  readonly url: URL;
  /** Begins to serve; until then there is nothing to be found. */
  serve(options: OrdersServerOptions): Promise<void>;
  stop(): Promise<void>;
}

export interface OrdersServerOptions {
  readonly issuer: string;
  /** With what it authenticates when it asks about tokens. */
  readonly id: string;
  readonly secret: string;
  /** How it reaches the issuer. */
  readonly fetch: typeof globalThis.fetch;
  /** Takes a line for each call of a tool: for whom it was called, by whom, and countersigned by whom. */
  print(line: string): void;
}

/** What is needed of an answer about a token (RFC 7662 section 2.2). */
interface Introspection {
  readonly active: boolean;
  /** For whom: a person, or the agent itself. */
  readonly sub: string;
  /** Who acts for them, the newest outermost (RFC 8693 section 4.1). */
  readonly act?: { readonly sub: string };
  readonly client_id: string;
  readonly scope: string;
  readonly exp: number;
  readonly aud: string;
  /** Who countersigned it, where somebody did. */
  readonly approval?: { readonly by: string };
}

/** Listens on a free port of localhost. Its address has to be known before it can be registered as a resource server. */
export async function openOrdersServer(): Promise<OrdersServer> {
  const app = createMcpExpressApp({ host: 'localhost' });
  const http = app.listen(0, 'localhost');
  await once(http, 'listening');
  const url = new URL(`http://localhost:${(http.address() as AddressInfo).port}/mcp`);
  return {
    url,
    serve: async options => {
      await protect(app, url, options);
      const handle = toNodeHandler(createMcpHandler(() => ordersTools(options)));
      app.use('/mcp', (request, response) => handle(request, response, request.body));
    },
    stop: async () => {
      const closed = once(http, 'close');
      http.close();
      http.closeAllConnections();
      await closed;
    },
  };
}

async function protect(app: Express, url: URL, options: OrdersServerOptions): Promise<void> {
  const { issuer, id, secret, fetch } = options;
  const metadata = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
  const oauthMetadata = (await metadata.json()) as OAuthMetadata;
  async function verifyAccessToken(token: string): Promise<AuthInfo> {
    const body = new URLSearchParams({ token, client_id: id, client_secret: secret });
    const response = await fetch(`${issuer}/introspect`, { method: 'POST', body });
    const answer = (await response.json()) as Introspection;
    if (!answer.active) throw new OAuthError(OAuthErrorCode.InvalidToken, 'The token is not active');
    const { client_id: clientId, scope, exp, aud, sub, act, approval } = answer;
    const extra = { sub, act, approval };
    return { token, clientId, scopes: scope.split(' '), expiresAt: exp, resource: new URL(aud), extra };
  }
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(url);
  app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: url }));
  app.use(requireBearerAuth({ verifier: { verifyAccessToken }, expectedResource: url, resourceMetadataUrl }));
}

function ordersTools({ print }: Pick<OrdersServerOptions, 'print'>): McpServer {
  const server = new McpServer({ name: 'orders', version: '1.0.0' });
  const called = (tool: string, authInfo: AuthInfo | undefined) =>
    print(`${tool}, ${describeCaller(authInfo)}`);
  const inputSchema = z.object({ number: z.string() });
  server.registerTool(
    'find_order',
    { description: 'Finds an order', inputSchema, scopeChallenge: requireScopes('orders:read') },
    ({ number }, { http }) => {
      called('find_order', http?.authInfo);
      return { content: [{ type: 'text', text: `Order ${number}: two teapots, on their way` }] };
    },
  );
  server.registerTool(
    'refund_order',
    {
      description: 'Gives the money for an order back',
      inputSchema,
      scopeChallenge: requireScopes('orders:read', 'orders:refund'),
    },
    ({ number }, { http }) => {
      called('refund_order', http?.authInfo);
      return { content: [{ type: 'text', text: `Order ${number}: refunded` }] };
    },
  );
  return server;
}

/** Whose work it is, who does it, and who countersigned it. */
function describeCaller(authInfo: AuthInfo | undefined): string {
  const { sub, act, approval } = (authInfo?.extra ?? {}) as Partial<Introspection>;
  const by = act ? `for ${sub}, by ${act.sub}` : `for ${sub}`;
  return approval ? `${by}, countersigned by ${approval.by}` : by;
}
