/** The protocol's words, spelt once. Wire names keep the RFC's spelling. */

export const GRANT_TYPES = {
  clientCredentials: 'client_credentials',
  authorizationCode: 'authorization_code',
  refreshToken: 'refresh_token',
  /** RFC 8693 section 2.1. */
  tokenExchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const;

/** draft-ietf-oauth-deferred-token-response-01: asks what has become of a request that waits. */
export const DEFERRED_GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:deferred';

/** What a token is, in an exchange (RFC 8693 section 3); a delegation is named by its identifier, which is no secret. */
export const TOKEN_TYPES = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  delegation: 'urn:countersign:token-type:delegation',
  /** draft-ietf-oauth-deferred-token-response-01: a hint at the revocation endpoint. */
  deferralCode: 'urn:ietf:params:oauth:token-type:deferral-code',
} as const;

/** RFC 7523 section 2.2. */
export const CLIENT_ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** RFC 7591 section 2, `token_endpoint_auth_method`: the ways in which a machine may prove itself here. */
export const CLIENT_AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number];

/** RFC 6749 section 5.2, RFC 8707 section 2, RFC 7009 section 2.2.1, RFC 9449 section 12.2, RFC 7591 section 3.2.2, RFC 9396 section 5, RFC 8628 section 3.5: the error codes that the machine endpoints answer with. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'temporarily_unavailable'
  | 'server_error';

/** Signature algorithms for what we sign and what clients sign: asymmetric only, never `none` (RFC 8725 section 3.1). */
export const SIGNING_ALGS = ['ES256', 'EdDSA'] as const;
export type SigningAlg = (typeof SIGNING_ALGS)[number];

/** RFC 6749 appendix A.4: one scope token. */
export const SCOPE_TOKEN = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** The parameters of a form-encoded request. Each occurs once, but for those that may be repeated (`resource`, RFC 8707). */
export interface FormFields {
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
}

/** How people sign in, as `acr` says it: always by two factors; `phr` where one of them cannot be phished (RFC 9470, OpenID EAP ACR Values). */
export const ACR_VALUES = ['urn:countersign:acr:mfa', 'phr'] as const;
export type Acr = (typeof ACR_VALUES)[number];
