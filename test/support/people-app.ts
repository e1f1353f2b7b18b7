/** An application that people use, written as its author would with an MCP SDK: it keeps what it is told, and sends people to a browser. */
import { randomBytes } from 'node:crypto';

/** How it makes itself known: by a registration that was made before, by a document that it publishes, or by registering itself. */
export type Introduction =
  | { readonly clientId: string }
  | { readonly documentUrl: string }
  | { readonly registersItself: true };

export const CALLBACK = 'http://localhost:53682/callback';

/** What both SDKs call an `OAuthClientProvider`. */
export class PeopleApp {
  readonly redirectUrl = CALLBACK;
  readonly clientMetadata = {
    client_name: 'Editor',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  readonly clientMetadataUrl?: string;
  /** Where it has sent people, newest last. */
  readonly sentTo: URL[] = [];
  #client: unknown;
  #tokens: unknown;
  #verifier = '';

  constructor(introduction: Introduction) {
    if ('clientId' in introduction) this.#client = { client_id: introduction.clientId };
    if ('documentUrl' in introduction) this.clientMetadataUrl = introduction.documentUrl;
  }

  state(): string {
    return randomBytes(16).toString('base64url');
  }

  // biome-ignore lint/suspicious/noExplicitAny: each SDK has a type of its own for the same thing
  clientInformation(): any {
    return this.#client;
  }

  saveClientInformation(client: unknown): void {
    this.#client = client;
  }

  // biome-ignore lint/suspicious/noExplicitAny: each SDK has a type of its own for the same thing
  tokens(): any {
    return this.#tokens;
  }

  saveTokens(tokens: unknown): void {
    this.#tokens = tokens;
  }

  redirectToAuthorization(url: URL): void {
    this.sentTo.push(url);
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }
}
