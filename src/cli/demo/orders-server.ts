/**
 * A real MCP server, built with the MCP TypeScript SDK and protected by Countersign: it asks about every token it is shown, and
 * lets a tool run only with the scope it needs.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  createMcpExpressApp,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  type OAuthTokenVerifier,
  requireBearerAuth,
} from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireScopes,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

export interface Introspection {
  readonly active: boolean;
  readonly sub?: string;
  readonly client_id?: string;
  readonly scope?: string;
  readonly aud?: string;
  readonly exp?: number;
}

export interface OrdersServer {
  /** Its resource identifier. */
  readonly url: string;
  /** What Countersign said of the last token. */
  lastIntrospection(): Introspection | undefined;
  stop(): Promise<void>;
}

export interface OrdersServerOptions {
  readonly port: number;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Starts the MCP server on a port of localhost. */
export async function startOrdersServer(options: OrdersServerOptions): Promise<OrdersServer> {
  const { issuer } = options;
  let last: Introspection | undefined;
  const metadata = await readMetadata(issuer);
  const credentials = Buffer.from(`${options.clientId}:${options.clientSecret}`).toString('base64');

  const verifier: OAuthTokenVerifier = {
    async verifyAccessToken(token) {
      const response = await fetch(metadata.introspection_endpoint, {
        method: 'POST',
        headers: { Authorization: `Basic ${credentials}` },
        body: new URLSearchParams({ token }),
      });
      const answer = (await response.json()) as Introspection;
      last = answer;
      if (!answer.active) throw new OAuthError(OAuthErrorCode.InvalidToken, 'the token is not active');
      const { client_id: clientId = '', scope = '', exp = 0, aud = '' } = answer;
      return { token, clientId, scopes: scope.split(' '), expiresAt: exp, resource: new URL(aud) };
    },
  };

  const handleMcp = toNodeHandler(createMcpHandler(ordersTools));
  const resourceServerUrl = new URL(`http://localhost:${options.port}/mcp`);
  const app = createMcpExpressApp({ host: 'localhost' });
  app.use(
    mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl, scopesSupported: ['orders:read'] }),
  );
  app.use(
    '/mcp',
    requireBearerAuth({
      verifier,
      requiredScopes: ['orders:read'],
      expectedResource: resourceServerUrl,
      resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resourceServerUrl),
    }),
    (request, response) => void handleMcp(request, response, request.body),
  );
  const http = app.listen(options.port, 'localhost');
  await once(http, 'listening');
  return {
    url: `http://localhost:${(http.address() as AddressInfo).port}/mcp`,
    lastIntrospection: () => last,
    stop: async () => {
      http.close();
      http.closeAllConnections();
      await once(http, 'close');
    },
  };
}

type ServerMetadata = Parameters<typeof mcpAuthMetadataRouter>[0]['oauthMetadata'] & {
  readonly introspection_endpoint: string;
};

async function readMetadata(issuer: string): Promise<ServerMetadata> {
  const response = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
  return (await response.json()) as ServerMetadata;
}

function ordersTools(): McpServer {
  const server = new McpServer({ name: 'orders', version: '1.0.0' });
  server.registerTool(
    'find_order',
    { description: 'Finds an order', inputSchema: z.object({ number: z.string() }) },
    async ({ number }) => ({
      content: [{ type: 'text', text: `Order ${number}: two teapots, on their way` }],
    }),
  );
  server.registerTool(
    'refund_order',
    {
      description: 'Gives the money back',
      inputSchema: z.object({ number: z.string() }),
      scopeChallenge: requireScopes('orders:read', 'orders:refund'),
    },
    async ({ number }) => ({ content: [{ type: 'text', text: `Order ${number}: refunded` }] }),
  );
  return server;
}
