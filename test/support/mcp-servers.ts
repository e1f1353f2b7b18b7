/**
 * MCP servers built with the two lines of the MCP TypeScript SDK and protected by the server under test: they ask about every
 * token they are shown. `look` needs the scope `read`; `change` needs `read` and `write`.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createMcpExpressApp,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  requireBearerAuth,
} from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth as requireBearerAuthV1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { mcpAuthMetadataRouter as mcpAuthMetadataRouterV1 } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireScopes,
} from '@modelcontextprotocol/server';
import type { ExecutionContext } from 'ava';
import express, { type Express } from 'express';
import { type App, addResource, type TestResource } from './start-app.ts';

export interface McpTestServer {
  readonly url: URL;
  readonly resource: TestResource;
}

interface Protection {
  readonly app: App;
  readonly url: URL;
  readonly resource: TestResource;
  // biome-ignore lint/suspicious/noExplicitAny: each SDK has a type of its own for the same metadata
  readonly metadata: any;
}

/** Starts an MCP server on a free port, registers it as a resource server, and ends it with the test. */
export async function startMcpServer(
  t: ExecutionContext,
  app: App,
  sdk: 'v1' | 'v2',
  overrides: Record<string, unknown> = {},
): Promise<McpTestServer> {
  const web = sdk === 'v2' ? createMcpExpressApp({ host: 'localhost' }) : express();
  const http = web.listen(0, 'localhost');
  await once(http, 'listening');
  t.teardown(() => closeServer(http));
  const url = new URL(`http://localhost:${(http.address() as AddressInfo).port}/mcp`);
  const resource = await addResource(app, { identifier: url.href, ...overrides });
  const metadata = await (await fetch(`${app.issuer}/.well-known/oauth-authorization-server`)).json();
  const protect = sdk === 'v2' ? protectV2 : protectV1;
  protect(web, { app, url, resource, metadata });
  return { url, resource };
}

function protectV2(web: Express, { url, resource, metadata }: Protection): void {
  const verifier = {
    async verifyAccessToken(token: string) {
      const answer = await introspect(metadata.introspection_endpoint, resource, token);
      if (!answer.active) throw new OAuthError(OAuthErrorCode.InvalidToken, 'the token is not active');
      return toAuthInfo(token, answer);
    },
  };
  const handle = toNodeHandler(
    createMcpHandler(() => {
      const server = new McpServer({ name: 'test', version: '1.0.0' });
      server.registerTool('look', {}, () => text('looked'));
      server.registerTool('change', { scopeChallenge: requireScopes('read', 'write') }, () =>
        text('changed'),
      );
      return server;
    }),
  );
  web.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: url }));
  web.use(
    '/mcp',
    requireBearerAuth({
      verifier,
      requiredScopes: ['read'],
      expectedResource: url,
      resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
    }),
    (request, response) => handle(request, response, request.body),
  );
}

function protectV1(web: Express, { url, resource, metadata }: Protection): void {
  const verifier = {
    async verifyAccessToken(token: string) {
      const answer = await introspect(metadata.introspection_endpoint, resource, token);
      if (!answer.active) throw new InvalidTokenError('the token is not active');
      return toAuthInfo(token, answer);
    },
  };
  const protection = {
    verifier,
    expectedResource: url,
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
  };
  const forLooking = requireBearerAuthV1({ ...protection, requiredScopes: ['read'] });
  const forChanging = requireBearerAuthV1({ ...protection, requiredScopes: ['read', 'write'] });
  web.use(mcpAuthMetadataRouterV1({ oauthMetadata: metadata, resourceServerUrl: url }));
  web.use(
    '/mcp',
    express.json(),
    // The v1 line challenges for a whole server; a tool's own scopes have to be looked for in the body.
    (request, response, next) =>
      (request.body?.params?.name === 'change' ? forChanging : forLooking)(request, response, next),
    async (request, response) => {
      const server = new McpServerV1({ name: 'test', version: '1.0.0' });
      server.registerTool('look', {}, () => text('looked'));
      server.registerTool('change', {}, () => text('changed'));
      const transport = new StreamableHTTPServerTransport();
      // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types do not agree under exactOptionalPropertyTypes
      await server.connect(transport as any);
      await transport.handleRequest(request, response, request.body);
    },
  );
}

interface Introspected {
  readonly active: boolean;
  readonly client_id: string;
  readonly scope: string;
  readonly exp: number;
  readonly aud: string;
}

async function introspect(endpoint: string, resource: TestResource, token: string): Promise<Introspected> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${resource.id}:${resource.secret}`)}` },
    body: new URLSearchParams({ token }),
  });
  if (!response.ok) throw new Error(`introspection was answered with ${response.status}`);
  return (await response.json()) as Introspected;
}

function toAuthInfo(token: string, answer: Introspected) {
  return {
    token,
    clientId: answer.client_id,
    scopes: answer.scope.split(' '),
    expiresAt: answer.exp,
    resource: new URL(answer.aud),
  };
}

function text(value: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: value }] };
}

async function closeServer(http: Server): Promise<void> {
  const closed = once(http, 'close');
  http.close();
  http.closeAllConnections();
  await closed;
}
