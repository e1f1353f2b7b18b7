import type { JWK } from 'jose';
import type { AdminCallDescription } from '../admin-api/index.ts';
import { CLIENT_ASSERTION_TYPE, GRANT_TYPES } from '../oauth.ts';
import type { ClientOptions } from './client-options.ts';
import { readRefusal, TokenError } from './refusals.ts';
import type { Send } from './send.ts';

type Scope = AdminCallDescription['scope'];
/** The parameter of a request; undefined for what the client gets without asking. */
type ScopeParameter = string | undefined;

interface Cached {
  readonly value: Promise<string>;
  /** When a new one is got, in milliseconds since the epoch. Not known while it is being got. */
  renewAt: number;
}

/** A token is replaced when this much of its life is left, so that none dies on its way. */
const REMAINING_AT_RENEWAL = 0.1;
const ASSERTION_TTL_SECONDS = 60;

/** Tokens for the API, each with the scope that a call needs or with those that were chosen, kept until they are about to expire. */
export class AccessTokens {
  readonly #issuer: string;
  readonly #options: ClientOptions;
  readonly #send: Send;
  readonly #cached = new Map<ScopeParameter, Cached>();

  constructor(issuer: string, options: ClientOptions, send: Send) {
    this.#issuer = issuer;
    this.#options = options;
    this.#send = send;
  }

  /** Whether a new token can be got in the place of one that is not accepted. */
  get isRenewable(): boolean {
    return !('accessToken' in this.#options);
  }

  /**
   * A token with one scope; for `any`, with all that the client gets without asking. Calls at the same time share one request.
   *
   * @throws {TokenError}
   */
  get(scope: Scope): Promise<string> {
    if ('accessToken' in this.#options) return Promise.resolve(this.#options.accessToken);
    const parameter = this.#parameterFor(scope);
    const known = this.#cached.get(parameter);
    if (known && Date.now() < known.renewAt) return known.value;
    const entry: Cached = {
      value: this.#request(parameter).then(({ value, expiresInMs }) => {
        entry.renewAt = Date.now() + expiresInMs * (1 - REMAINING_AT_RENEWAL);
        return value;
      }),
      renewAt: Number.POSITIVE_INFINITY,
    };
    this.#cached.set(parameter, entry);
    entry.value.catch(() => this.#drop(parameter, entry));
    return entry.value;
  }

  /** Forgets a token that was not accepted, unless another one has taken its place already. */
  async forget(scope: Scope, value: string): Promise<void> {
    const parameter = this.#parameterFor(scope);
    const entry = this.#cached.get(parameter);
    if (entry && (await entry.value.catch(() => undefined)) === value) this.#drop(parameter, entry);
  }

  #parameterFor(scope: Scope): ScopeParameter {
    if (this.#options.scopes) return this.#options.scopes.join(' ');
    return scope === 'any' ? undefined : scope;
  }

  #drop(scope: ScopeParameter, entry: Cached): void {
    if (this.#cached.get(scope) === entry) this.#cached.delete(scope);
  }

  async #request(scope: ScopeParameter): Promise<{ readonly value: string; readonly expiresInMs: number }> {
    const { headers, parameters } = await this.#proof();
    const body = new URLSearchParams({
      grant_type: GRANT_TYPES.clientCredentials,
      resource: `${this.#issuer}/api`,
      ...(scope !== undefined && { scope }),
      ...parameters,
    });
    const response = await this.#send(`${this.#issuer}/token`, { method: 'POST', headers, body });
    if (!response.ok) throw await readRefusal(response, TokenError);
    const answer = (await response.json()) as { readonly access_token: string; readonly expires_in: number };
    return { value: answer.access_token, expiresInMs: answer.expires_in * 1000 };
  }

  async #proof(): Promise<{
    readonly headers: Readonly<Record<string, string>>;
    readonly parameters: Readonly<Record<string, string>>;
  }> {
    const authentication = this.#options;
    if ('accessToken' in authentication) throw new TypeError('no client to prove');
    const { clientId } = authentication;
    if ('clientSecret' in authentication) {
      // RFC 6749 section 2.3.1: both are form-encoded first.
      const pair = [clientId, authentication.clientSecret].map(encodeURIComponent).join(':');
      return { headers: { Authorization: `Basic ${btoa(pair)}` }, parameters: {} };
    }
    const { importJWK, SignJWT } = await import('jose');
    const { privateKey } = authentication;
    const alg = authentication.alg ?? ('kty' in privateKey ? privateKey.alg : undefined) ?? 'ES256';
    const key = 'kty' in privateKey ? await importJWK(privateKey as JWK, alg) : privateKey;
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg, ...('kid' in privateKey && privateKey.kid && { kid: privateKey.kid }) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(this.#issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + ASSERTION_TTL_SECONDS)
      .sign(key);
    return {
      headers: {},
      parameters: { client_assertion_type: CLIENT_ASSERTION_TYPE, client_assertion: assertion },
    };
  }
}
