import { createPrivateKey } from 'node:crypto';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import * as openid from 'openid-client';
import { GRANT_TYPES, TOKEN_TYPES } from '../../oauth.ts';
import { type Exchange, watchedFetch } from './exchange.ts';
import type { AgentIdentity } from './shop-agent.ts';

/** The agent where it acts for somebody: it exchanges what they gave for a token (RFC 8693), by an OAuth library that is not ours. */
export class DelegatedAgent {
  readonly #mcpServer: URL;
  readonly #identity: AgentIdentity;
  readonly #via: typeof fetch;
  #configuration: Promise<openid.Configuration> | undefined;
  #exchanges: Exchange[] = [];

  /** @param via how its requests go out */
  constructor(mcpServer: URL, identity: AgentIdentity, via: typeof fetch = fetch) {
    this.#mcpServer = mcpServer;
    this.#identity = identity;
    this.#via = watchedFetch(exchange => this.#exchanges.push(exchange), via);
  }

  /** @throws {openid.ResponseBodyError} where it is refused */
  async exchange(delegationId: string, scope?: string): Promise<openid.TokenEndpointResponse> {
    this.#configuration ??= this.#discover();
    return openid.genericGrantRequest(await this.#configuration, GRANT_TYPES.tokenExchange, {
      subject_token: delegationId,
      subject_token_type: TOKEN_TYPES.delegation,
      resource: this.#mcpServer.href,
      ...(scope !== undefined && { scope }),
    });
  }

  /** Calls a tool with a token. @returns the text that it answers with */
  async callTool(token: string, name: string, args: Record<string, unknown>): Promise<string> {
    const client = new Client(
      { name: 'shopkeeper', version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' } },
    );
    const transport = new StreamableHTTPClientTransport(this.#mcpServer, {
      authProvider: { token: async () => token },
      fetch: this.#via,
    });
    try {
      await client.connect(transport);
      const { content } = await client.callTool({ name, arguments: args });
      return content.map(item => (item.type === 'text' ? item.text : `[${item.type}]`)).join('\n');
    } finally {
      await client.close();
    }
  }

  /** What it has sent and was answered since this was last asked. */
  takeExchanges(): readonly Exchange[] {
    const taken = this.#exchanges;
    this.#exchanges = [];
    return taken;
  }

  async #discover(): Promise<openid.Configuration> {
    const { clientId, privateKey, issuer } = this.#identity;
    const der = createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'der' });
    const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
    ]);
    return openid.discovery(new URL(issuer), clientId, undefined, openid.PrivateKeyJwt(key), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: this.#via as openid.CustomFetch,
    });
  }
}
