import { createPrivateKey } from 'node:crypto';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import * as openid from 'openid-client';
import { DEFERRED_GRANT_TYPE, GRANT_TYPES, TOKEN_TYPES } from '../../oauth.ts';
import { type Exchange, watchedFetch } from './exchange.ts';
import type { AgentIdentity } from './shop-agent.ts';

/** The agent where it acts for somebody: it exchanges what they gave for a token (RFC 8693), by an OAuth library that is not ours. */
export class DelegatedAgent {
  readonly #mcpServer: URL;
  readonly #identity: AgentIdentity;
  readonly #via: typeof fetch;
  readonly #now: () => number;
  #configuration: { readonly skew: number; readonly made: Promise<openid.Configuration> } | undefined;
  #exchanges: Exchange[] = [];

  /**
   * @param via how its requests go out
   * @param now by which it dates its assertions: the machine's clock, and how far the demo has moved it
   */
  constructor(
    mcpServer: URL,
    identity: AgentIdentity,
    via: typeof fetch = fetch,
    now: () => number = Date.now,
  ) {
    this.#mcpServer = mcpServer;
    this.#now = now;
    this.#identity = identity;
    this.#via = watchedFetch(exchange => this.#exchanges.push(exchange), via);
  }

  /** @throws {openid.ResponseBodyError} where it is refused */
  async exchange(
    delegationId: string,
    scope?: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<openid.TokenEndpointResponse> {
    return openid.genericGrantRequest(await this.#configured(), GRANT_TYPES.tokenExchange, {
      subject_token: delegationId,
      subject_token_type: TOKEN_TYPES.delegation,
      resource: this.#mcpServer.href,
      ...(scope !== undefined && { scope }),
      ...more,
    });
  }

  /** Asks what has become of a request that waits. @throws {openid.ResponseBodyError} where there is no token, or none yet */
  async poll(deferralCode: string): Promise<openid.TokenEndpointResponse> {
    return openid.genericGrantRequest(await this.#configured(), DEFERRED_GRANT_TYPE, {
      deferral_code: deferralCode,
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

  #configured(): Promise<openid.Configuration> {
    const skew = Math.round((this.#now() - Date.now()) / 1_000);
    if (this.#configuration?.skew !== skew) this.#configuration = { skew, made: this.#discover(skew) };
    return this.#configuration.made;
  }

  async #discover(skew: number): Promise<openid.Configuration> {
    const { clientId, privateKey, issuer } = this.#identity;
    const der = createPrivateKey(privateKey).export({ type: 'pkcs8', format: 'der' });
    const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
    ]);
    const metadata = { [openid.clockSkew]: skew };
    return openid.discovery(new URL(issuer), clientId, metadata, openid.PrivateKeyJwt(key), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: this.#via as openid.CustomFetch,
    });
  }
}
