import { Client, PrivateKeyJwtProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type Exchange, watchedFetch } from './exchange.ts';

export interface AgentIdentity {
  readonly clientId: string;
  /** PKCS #8, in PEM: the private half of the key that is registered. */
  readonly privateKey: string;
  /** The only issuer that its credentials are ever sent to. */
  readonly issuer: string;
}

/** A real agent: the client of the MCP TypeScript SDK, which finds the way to its token by itself. */
export class ShopAgent {
  readonly #client = new Client(
    { name: 'shopkeeper', version: '1.0.0' },
    { versionNegotiation: { mode: 'auto' } },
  );
  readonly #provider: PrivateKeyJwtProvider;
  readonly #transport: StreamableHTTPClientTransport;
  #exchanges: Exchange[] = [];

  /** @param via how its requests go out */
  constructor(mcpServer: URL, identity: AgentIdentity, via: typeof fetch = fetch) {
    this.#provider = new PrivateKeyJwtProvider({
      clientId: identity.clientId,
      privateKey: identity.privateKey,
      algorithm: 'ES256',
      expectedIssuer: identity.issuer,
      // By its own clock, which the server's may be ahead of: the demo moves that.
      jwtLifetimeSeconds: 300,
    });
    this.#transport = new StreamableHTTPClientTransport(mcpServer, {
      authProvider: this.#provider,
      fetch: watchedFetch(exchange => this.#exchanges.push(exchange), via),
    });
  }

  connect(): Promise<void> {
    return this.#client.connect(this.#transport);
  }

  /** @returns the text that the tool answers with */
  async callTool(name: string, args: Record<string, unknown>): Promise<string> {
    const { content } = await this.#client.callTool({ name, arguments: args });
    return content.map(item => (item.type === 'text' ? item.text : `[${item.type}]`)).join('\n');
  }

  /** The token response that the agent goes by; undefined when it was given none. */
  get tokens(): ReturnType<PrivateKeyJwtProvider['tokens']> {
    return this.#provider.tokens();
  }

  /** What the agent has sent and was answered since this was last asked. */
  takeExchanges(): readonly Exchange[] {
    const taken = this.#exchanges;
    this.#exchanges = [];
    return taken;
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
