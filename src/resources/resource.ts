import type { ManagedRecord } from '../audit/index.ts';
import type { ClientCredential } from '../clients/index.ts';
import type { SigningAlg } from '../oauth.ts';

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

/**
 * The form in which resource identifiers are compared: as they were registered, but for one trailing slash, which clients add
 * and drop at will (RFC 8707 section 2; MCP clients send both).
 */
export function withoutTrailingSlash(identifier: string): string {
  return identifier.endsWith('/') ? identifier.slice(0, -1) : identifier;
}
