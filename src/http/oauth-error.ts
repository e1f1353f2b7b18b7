import type { ClientAuthRefusal, CredentialFormRefusal } from '../clients/index.ts';
import type { RefusalDetail } from '../errors.ts';
import type { OAuthErrorCode } from '../oauth.ts';
import type { IssueTokenRefusal, MachineEndpointRefusal } from '../tokens/index.ts';
import type { BodyRefusal } from './form.ts';

/** What a refusal looks like on the wire. Many reasons inside, few codes outside, so that probing teaches nothing. */
export interface OAuthErrorText {
  readonly status: number;
  readonly error: OAuthErrorCode;
  /** What happened and what to do, as one sentence without the values, which are added from the detail. */
  readonly description: string;
}

export type MachineRefusal =
  | BodyRefusal
  | ClientAuthRefusal
  | CredentialFormRefusal
  | EndpointRefusal
  | IssueTokenRefusal
  | MachineEndpointRefusal;

type EndpointRefusal = 'store-unavailable' | 'internal-error';

const INVALID_CLIENT = {
  status: 401,
  error: 'invalid_client',
  description: 'Client authentication failed',
} as const;

const AGENT_NOT_ACTIVE = {
  status: 401,
  error: 'invalid_client',
  description: 'Client authentication failed',
} as const;

const INVALID_TARGET = {
  status: 400,
  error: 'invalid_target',
  description: 'The resource is not one that this client may ask tokens for',
} as const;

const OAUTH_ERRORS = {
  'no-credentials': INVALID_CLIENT,
  'unknown-client': INVALID_CLIENT,
  'wrong-secret': INVALID_CLIENT,
  'wrong-auth-method': INVALID_CLIENT,
  'client-not-enabled': INVALID_CLIENT,
  'assertion-replayed': INVALID_CLIENT,
  'assertion-malformed': INVALID_CLIENT,
  'assertion-header-not-permitted': INVALID_CLIENT,
  'assertion-algorithm-not-registered': INVALID_CLIENT,
  'assertion-signature-wrong': INVALID_CLIENT,
  'assertion-claims-malformed': INVALID_CLIENT,
  'assertion-issuer-wrong': INVALID_CLIENT,
  'assertion-audience-wrong': INVALID_CLIENT,
  'assertion-expired': INVALID_CLIENT,
  'assertion-lifetime-too-long': INVALID_CLIENT,
  'assertion-from-the-future': INVALID_CLIENT,
  'several-auth-methods': {
    status: 400,
    error: 'invalid_request',
    description: 'The client used more than one authentication method',
  },
  'credentials-malformed': {
    status: 400,
    error: 'invalid_request',
    description: 'The client credentials are malformed',
  },
  'origin-foreign': {
    status: 403,
    error: 'invalid_request',
    description: 'This endpoint does not answer pages of other sites',
  },
  'parameters-in-url': {
    status: 400,
    error: 'invalid_request',
    description: 'Parameters of this endpoint are never read from the URL: send them in the body',
  },

  'agent-suspended': AGENT_NOT_ACTIVE,
  'agent-retired': AGENT_NOT_ACTIVE,
  'agent-expired': AGENT_NOT_ACTIVE,
  'owner-unknown': AGENT_NOT_ACTIVE,
  'owner-disabled': AGENT_NOT_ACTIVE,
  'client-may-not-ask': {
    status: 400,
    error: 'unauthorized_client',
    description: 'This client may not use this grant: only agents ask for tokens',
  },

  'resource-missing': {
    status: 400,
    error: 'invalid_target',
    description: 'The request names no resource and the agent has no default one',
  },
  'resource-not-permitted': INVALID_TARGET,
  'resource-disabled': INVALID_TARGET,
  'several-resources': {
    status: 400,
    error: 'invalid_target',
    description: 'The request names more than one resource',
  },
  'scope-malformed': { status: 400, error: 'invalid_scope', description: 'The scope is malformed' },
  'scope-unknown': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is not one that this client may ask for at this resource',
  },
  'scope-beyond-envelope': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is not one that this client may ask for at this resource',
  },
  'scope-needs-approval': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is beyond what this client gets without approval',
  },
  'scope-none-by-default': {
    status: 400,
    error: 'invalid_scope',
    description: 'The request names no scope and this client gets none by default at this resource',
  },
  'no-signing-key': {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'No signing key is active for the algorithm of this resource',
  },

  'grant-type-missing': {
    status: 400,
    error: 'invalid_request',
    description: 'The request names no grant type',
  },
  'grant-type-not-supported': {
    status: 400,
    error: 'unsupported_grant_type',
    description: 'The grant type is not supported',
  },
  'token-missing': { status: 400, error: 'invalid_request', description: 'The request names no token' },

  'media-type-not-supported': {
    status: 415,
    error: 'invalid_request',
    description: 'The media type of the body is not supported',
  },
  'body-too-large': { status: 413, error: 'invalid_request', description: 'The body is too large' },
  'body-incomplete': { status: 400, error: 'invalid_request', description: 'The body ended early' },
  'duplicate-parameter': {
    status: 400,
    error: 'invalid_request',
    description: 'A parameter was sent more than once',
  },
  'too-many-parameters': {
    status: 400,
    error: 'invalid_request',
    description: 'The request has too many parameters',
  },
  'json-malformed': {
    status: 400,
    error: 'invalid_request',
    description: 'The body is not well-formed JSON',
  },

  'store-unavailable': {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The server cannot answer safely at the moment: try again in a second',
  },
  'internal-error': {
    status: 500,
    error: 'server_error',
    description: 'The server met an unexpected condition',
  },
} as const satisfies Record<MachineRefusal, OAuthErrorText>;

export function isMachineRefusal(reason: string): reason is MachineRefusal {
  return Object.hasOwn(OAUTH_ERRORS, reason);
}

/** All reasons with what they look like outside, for the documentation and its test. */
export function listOAuthErrors(): readonly (readonly [MachineRefusal, OAuthErrorText])[] {
  return Object.entries(OAUTH_ERRORS) as [MachineRefusal, OAuthErrorText][];
}

/**
 * The error response of an OAuth endpoint (RFC 6749 section 5.2): cause, the value sent, what is permitted, and where to read
 * more. Reasons that must look alike have no detail, so that their bytes are the same.
 *
 * @param docsUrl where the page about errors is
 */
export function oauthErrorBody(reason: MachineRefusal, detail: RefusalDetail, docsUrl: string): string {
  const { error, description } = OAUTH_ERRORS[reason];
  const isOpaque = error === 'invalid_client';
  return JSON.stringify({
    error,
    error_description: isOpaque ? description : describe(description, detail),
    error_uri: `${docsUrl}#${error}`,
  });
}

export function oauthErrorStatus(reason: MachineRefusal): number {
  return OAUTH_ERRORS[reason].status;
}

/** RFC 6749 section 5.2 permits printable ASCII without `"` and `\` in a description: what was sent is brought to that. */
function describe(description: string, detail: RefusalDetail): string {
  const parts = [description];
  if (detail.parameter !== undefined) parts.push(`parameter: ${detail.parameter}`);
  if (detail.sent !== undefined) parts.push(`sent: ${detail.sent.slice(0, 200)}`);
  if (detail.permitted !== undefined)
    parts.push(`permitted: ${detail.permitted.slice(0, 20).join(' | ') || 'nothing'}`);
  if (detail.hint !== undefined) parts.push(detail.hint);
  return parts
    .join('; ')
    .replace(/["\\]/g, "'")
    .replace(/[^\x20-\x7E]/g, '?');
}
