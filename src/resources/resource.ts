import type { ManagedRecord } from '../audit/index.ts';
import type { ClientCredential } from '../clients/index.ts';
import type { SigningAlg } from '../oauth.ts';
import { normalHost } from '../text/normal-host.ts';

export const RISKS = ['low', 'medium', 'high'] as const;
export type Risk = (typeof RISKS)[number];

/** One thing that a resource server lets an agent do. */
export interface ScopeDefinition {
  /** The scope token (RFC 6749 section 3.3). */
  readonly name: string;
  /** What it allows, as a sentence for a human: "Delete invoices". */
  readonly sentence: string;
  readonly risk: Risk;
}

/** What tokens for a resource server look like. */
export type TokenFormat = { readonly kind: 'opaque' } | { readonly kind: 'jwt'; readonly alg: SigningAlg };

/** A resource server: an MCP server or any API that is protected by our tokens (RFC 8707, RFC 9728). */
export interface Resource extends ManagedRecord {
  readonly id: `res_${string}`;
  /** The canonical resource identifier: an absolute URI without fragment; the `aud` of every token for it. */
  readonly identifier: string;
  readonly name: string;
  readonly scopes: readonly ScopeDefinition[];
  readonly tokenFormat: TokenFormat;
  /** The longest life of a token for it. */
  readonly accessTokenTtlSeconds: number;
  readonly status: 'active' | 'disabled';
  /** With what it authenticates when it asks about tokens; its client identifier is `id`. */
  readonly credential: ClientCredential;
}

/**
 * The scopes of a resource server that a standing permission can hold. Those of high risk need a countersignature each time: a
 * permission that stands would go round it.
 */
export function standingScopes({ scopes }: Pick<Resource, 'scopes'>): readonly string[] {
  return scopes.filter(({ risk }) => risk !== 'high').map(({ name }) => name);
}

/** Scheme, host with port, and the rest. */
const IDENTIFIER = /^(https?):\/\/([^/?#]+)(.*)$/is;

/**
 * An identifier as it would have been registered: scheme and host in lower case, without the default port (RFC 3986 sections 6.2.2.1
 * and 6.2.3). The rest counts to the letter.
 */
export function spellingOf(identifier: string): string {
  const [, scheme = '', authority = '', rest = ''] = IDENTIFIER.exec(identifier) ?? [];
  const protocol = `${scheme.toLowerCase()}:`;
  const host = normalHost(authority, protocol);
  return host === undefined ? identifier : `${protocol}//${host}${rest}`;
}

/**
 * The form in which resource identifiers are compared: as they would have been registered, but for one trailing slash, which clients
 * add and drop at will (RFC 8707 section 2; MCP clients send both).
 */
export function identifierKey(identifier: string): string {
  return withoutTrailingSlash(spellingOf(identifier));
}

/**
 * Finds what an identifier names: by its usual spelling, and by its key only where that is another one.
 *
 * @param find finds by key
 */
export async function findByIdentifier<R>(
  identifier: string,
  find: (key: string) => Promise<R | undefined>,
): Promise<R | undefined> {
  const usual = withoutTrailingSlash(identifier);
  const found = await find(usual);
  if (found !== undefined) return found;
  const key = identifierKey(identifier);
  return key === usual ? undefined : find(key);
}

function withoutTrailingSlash(identifier: string): string {
  return identifier.endsWith('/') ? identifier.slice(0, -1) : identifier;
}
