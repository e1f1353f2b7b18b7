import type { RegistrationRefusal } from '../applications/index.ts';
import type { ClientAuthRefusal, CredentialFormRefusal, DpopProofRefusal } from '../clients/index.ts';
import type { ExchangeRefusal } from '../delegation/index.ts';
import type { AskRefusal, DeferralRefusal, RedeemRefusal } from '../elevation/index.ts';
import type { RefusalDetail, Refused } from '../errors.ts';
import type { LimitRefusal } from '../limits/index.ts';
import type { OAuthErrorCode } from '../oauth.ts';
import type { IssueTokenRefusal, MachineEndpointRefusal } from '../tokens/index.ts';
import type { BodyRefusal } from './form.ts';
import type { JsonRefusal } from './json.ts';
import type { AddresseeRefusal } from './own-host.ts';

/** What a refusal looks like on the wire. Many reasons inside, few codes outside, so that probing teaches nothing. */
export interface OAuthErrorText {
  readonly status: number;
  readonly error: OAuthErrorCode;
  /** What happened and what to do, as one sentence without the values, which are added from the detail. */
  readonly description: string;
}

export type MachineRefusal =
  | AskRefusal
  | Extract<AddresseeRefusal, 'header-repeated'>
  | BodyRefusal
  | ClientAuthRefusal
  | CredentialFormRefusal
  | DeferralRefusal
  | DpopProofRefusal
  | EndpointRefusal
  | ExchangeRefusal
  | JsonRefusal
  | IssueTokenRefusal
  | MachineEndpointRefusal
  | RedeemRefusal
  | RegistrationRefusal;

type EndpointRefusal = LimitRefusal | 'store-unavailable' | 'internal-error';

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

const INVALID_DPOP_PROOF = {
  status: 400,
  error: 'invalid_dpop_proof',
  description: 'The DPoP proof does not hold (RFC 9449 section 4.3)',
} as const;

const USE_DPOP_NONCE = {
  status: 400,
  error: 'use_dpop_nonce',
  description: 'The DPoP proof has to carry the nonce of the DPoP-Nonce header: sign another one',
} as const;

const INVALID_TARGET = {
  status: 400,
  error: 'invalid_target',
  description: 'The resource is not one that this client may ask tokens for',
} as const;

/** Also what is not permitted with a token that is good: whoever holds one that is not theirs learns nothing of it (I15). */
const TOKEN_NOT_ACCEPTED = {
  status: 400,
  error: 'invalid_request',
  description: 'The subject_token or the actor_token is not acceptable (RFC 8693 section 2.2.2)',
} as const;

/** The same for a code that nobody has, that is somebody else's, and that has been used: who holds one learns nothing of it (I15). */
const CODE_NOT_ACCEPTED = {
  status: 400,
  error: 'invalid_grant',
  description: 'The deferral_code is not one by which this client could get a token',
} as const;

const NO_COUNTERSIGNATURE = {
  status: 400,
  error: 'access_denied',
  description: 'The request was not countersigned, and no token will come of it',
} as const;

const TOO_MANY_REQUESTS = {
  status: 429,
  error: 'temporarily_unavailable',
  description: 'Too many requests: repeat this one after the time that Retry-After names',
} as const;

/** The same for known and unknown clients (I15). Not `invalid_client`: libraries throw credentials away on that. */
const TOO_MANY_FAILURES = {
  status: 429,
  error: 'temporarily_unavailable',
  description:
    'Too many failed attempts to authenticate, and this one failed too; the right credentials are accepted at any time',
} as const;

/** The same for unknown, dead and foreign tokens (I15). */
const TOO_MANY_UNKNOWN_TOKENS = {
  status: 429,
  error: 'temporarily_unavailable',
  description:
    'Too many tokens that are not live for this client, and this one is not either; a live one is answered at any time',
} as const;

const OAUTH_ERRORS = {
  'no-credentials': INVALID_CLIENT,
  'unknown-client': INVALID_CLIENT,
  'wrong-secret': INVALID_CLIENT,
  'authorization-malformed': {
    status: 401,
    error: 'invalid_client',
    description:
      'Client authentication failed: what Authorization holds is not Basic with client_id and client_secret',
  },
  'wrong-auth-method': INVALID_CLIENT,
  'client-not-enabled': INVALID_CLIENT,
  'assertion-replayed': INVALID_CLIENT,
  'client-keys-unavailable': INVALID_CLIENT,
  'assertion-malformed': INVALID_CLIENT,
  'assertion-header-not-permitted': INVALID_CLIENT,
  'assertion-algorithm-not-registered': INVALID_CLIENT,
  'assertion-key-unknown': INVALID_CLIENT,
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

  'dpop-proof-malformed': INVALID_DPOP_PROOF,
  'dpop-header-not-permitted': INVALID_DPOP_PROOF,
  'dpop-signature-wrong': INVALID_DPOP_PROOF,
  'dpop-claims-malformed': INVALID_DPOP_PROOF,
  'dpop-method-wrong': INVALID_DPOP_PROOF,
  'dpop-url-wrong': INVALID_DPOP_PROOF,
  'dpop-time-outside-window': INVALID_DPOP_PROOF,
  'dpop-token-hash-wrong': INVALID_DPOP_PROOF,
  'dpop-proof-replayed': {
    status: 400,
    error: 'invalid_dpop_proof',
    description: 'The DPoP proof has been used before: each request needs one of its own',
  },
  'dpop-nonce-missing': USE_DPOP_NONCE,
  'dpop-nonce-not-current': USE_DPOP_NONCE,
  'dpop-required': {
    status: 400,
    error: 'invalid_dpop_proof',
    description: 'This client gets tokens only with a DPoP proof, and the request has none',
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
    description: 'The scope is beyond what this client gets without a countersignature',
  },
  'scope-none-by-default': {
    status: 400,
    error: 'invalid_scope',
    description: 'The request names no scope and this client gets none by default at this resource',
  },
  'scope-high-risk': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is of high risk: no standing permission holds it',
  },
  'scope-beyond-delegation': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is beyond what the person lets the agent do here',
  },
  'scope-beyond-subject-token': {
    status: 400,
    error: 'invalid_scope',
    description: 'The scope is beyond what the subject_token holds',
  },
  'scope-none-left': {
    status: 400,
    error: 'invalid_scope',
    description: 'Nothing is left of what the delegation holds at this resource',
  },
  'deployment-quarantined': {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The server came out of a backup and is closed until its operator has opened it',
  },
  'clock-ahead': {
    status: 503,
    error: 'temporarily_unavailable',
    description: 'The clock of this server was set back: nothing is issued until it is right',
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
  'proof-key-differs': {
    status: 400,
    error: 'invalid_request',
    description: 'dpop_jkt names another key than the one that was proved',
  },
  'requested-token-type-not-supported': {
    status: 400,
    error: 'invalid_request',
    description: 'The requested_token_type is not one that is issued',
  },
  'audience-not-supported': {
    status: 400,
    error: 'invalid_target',
    description: 'The audience of a token is named by resource',
  },
  'authorization-details-not-supported': {
    status: 400,
    error: 'invalid_authorization_details',
    description: 'No type of authorization_details is known here',
  },
  'subject-token-missing': {
    status: 400,
    error: 'invalid_request',
    description: 'An exchange needs a subject_token with its subject_token_type',
  },
  'actor-token-incomplete': {
    status: 400,
    error: 'invalid_request',
    description: 'An actor_token comes with its actor_token_type, and neither without the other',
  },
  'subject-token-type-not-supported': TOKEN_NOT_ACCEPTED,
  'subject-token-too-long': TOKEN_NOT_ACCEPTED,
  'subject-token-unknown': TOKEN_NOT_ACCEPTED,
  'subject-token-not-live': TOKEN_NOT_ACCEPTED,
  'subject-token-from-the-future': TOKEN_NOT_ACCEPTED,
  'subject-token-not-delegated': TOKEN_NOT_ACCEPTED,
  'subject-token-foreign': TOKEN_NOT_ACCEPTED,
  'subject-delegation-suspended': TOKEN_NOT_ACCEPTED,
  'subject-delegation-expired': TOKEN_NOT_ACCEPTED,
  'subject-delegation-ended': TOKEN_NOT_ACCEPTED,
  'subject-key-differs': TOKEN_NOT_ACCEPTED,
  'subject-chain-circle': TOKEN_NOT_ACCEPTED,
  'subject-chain-too-long': TOKEN_NOT_ACCEPTED,
  'actor-token-type-not-supported': TOKEN_NOT_ACCEPTED,
  'actor-token-too-long': TOKEN_NOT_ACCEPTED,
  'actor-token-unknown': TOKEN_NOT_ACCEPTED,
  'actor-token-not-live': TOKEN_NOT_ACCEPTED,
  'actor-token-from-the-future': TOKEN_NOT_ACCEPTED,
  'actor-token-foreign': TOKEN_NOT_ACCEPTED,
  'actor-key-differs': TOKEN_NOT_ACCEPTED,

  'elevation-deferred': {
    status: 400,
    error: 'authorization_pending',
    description:
      'The request waits for a person to countersign it: ask by the deferral_code what has become of it, every interval seconds',
  },
  'elevation-pending': {
    status: 400,
    error: 'authorization_pending',
    description: 'Nobody has decided yet',
  },
  'elevation-polled-too-fast': {
    status: 400,
    error: 'slow_down',
    description: 'Nobody has decided yet, and the interval was not kept: wait 5 s longer from now on',
  },
  'elevation-polled-far-too-fast': {
    status: 400,
    error: 'invalid_request',
    description: 'The interval is not kept, again and again: stop asking',
  },
  'elevation-code-unknown': CODE_NOT_ACCEPTED,
  'elevation-redeemed': CODE_NOT_ACCEPTED,
  'elevation-key-differs': {
    status: 400,
    error: 'invalid_dpop_proof',
    description: 'The key of the request that waits has to be proved, or none where that had no DPoP proof',
  },
  'elevation-expired': {
    status: 400,
    error: 'expired_token',
    description: 'The time of the deferral_code is over: nobody decided in time, or it was fetched too late',
  },
  'elevation-denied': NO_COUNTERSIGNATURE,
  'elevation-cancelled': NO_COUNTERSIGNATURE,
  'elevation-revoked': NO_COUNTERSIGNATURE,
  'elevation-duration-malformed': {
    status: 400,
    error: 'invalid_request',
    description: 'The duration is not a number of seconds',
  },
  'elevation-approver-cannot-countersign': {
    status: 400,
    error: 'invalid_scope',
    description:
      'Nobody can countersign this: who would have to is not enrolled with a password and an authenticator app',
  },
  'elevation-resource-takes-jwts': {
    status: 400,
    error: 'invalid_target',
    description: 'What is countersigned is an opaque token, and this resource takes JWTs only',
  },
  'elevation-too-short': {
    status: 400,
    error: 'invalid_scope',
    description: 'What this rests on ends before anything could be countersigned',
  },
  'elevation-asked-too-often': {
    status: 400,
    error: 'invalid_request',
    description: 'This very request waits already, and has been made too often meanwhile',
  },
  'elevation-too-many-waiting': {
    status: 400,
    error: 'invalid_request',
    description: 'As many requests of this client as may be wait for a person already',
  },
  'elevation-authority-ended': AGENT_NOT_ACTIVE,
  'deferral-code-missing': {
    status: 400,
    error: 'invalid_request',
    description: 'A poll needs a deferral_code',
  },
  'deferral-parameter-not-permitted': {
    status: 400,
    error: 'invalid_request',
    description: 'A poll cannot change the request: it has the deferral_code and nothing of the request',
  },

  'token-missing': { status: 400, error: 'invalid_request', description: 'The request names no token' },

  'media-type-not-supported': {
    status: 415,
    error: 'invalid_request',
    description: 'The media type of the body is not supported',
  },
  'content-coding-not-supported': {
    status: 415,
    error: 'invalid_request',
    description: 'The body is compressed, or coded in another way',
  },
  'body-too-large': { status: 413, error: 'invalid_request', description: 'The body is too large' },
  'body-incomplete': { status: 400, error: 'invalid_request', description: 'The body ended early' },
  'duplicate-parameter': {
    status: 400,
    error: 'invalid_request',
    description: 'A parameter was sent more than once',
  },
  'header-repeated': {
    status: 400,
    error: 'invalid_request',
    description: 'A header that may be there once is there twice',
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
  'json-too-deep': {
    status: 400,
    error: 'invalid_request',
    description: 'The body is nested too deep',
  },
  'json-member-repeated': {
    status: 400,
    error: 'invalid_request',
    description: 'A member of the body is there twice',
  },
  'json-key-not-permitted': {
    status: 400,
    error: 'invalid_request',
    description: 'The body has a member whose name is not permitted anywhere',
  },

  'registration-malformed': {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'A registration is one JSON object (RFC 7591 section 3.1)',
  },
  'registration-member-not-permitted': {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'The registration has a member that an application cannot set for itself',
  },
  'registration-name-not-permitted': {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'The name of the application cannot be shown to people',
  },
  'registration-redirect-uri-not-permitted': {
    status: 400,
    error: 'invalid_redirect_uri',
    description: 'A browser cannot be sent safely to one of the redirect URIs, or there is none',
  },
  'registration-grant-not-served': {
    status: 400,
    error: 'invalid_client_metadata',
    description: 'Applications that register themselves get the authorization code grant, and no other',
  },

  'address-rate-exceeded': TOO_MANY_REQUESTS,
  'client-rate-exceeded': TOO_MANY_REQUESTS,
  'registration-rate-exceeded': TOO_MANY_REQUESTS,
  'unknown-tokens-exceeded': TOO_MANY_UNKNOWN_TOKENS,
  'address-failures-exceeded': TOO_MANY_FAILURES,
  'client-failures-exceeded': TOO_MANY_FAILURES,
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
 * @param members what it has besides
 */
export function oauthErrorBody(
  reason: MachineRefusal,
  detail: RefusalDetail,
  docsUrl: string,
  members: Refused['members'] = {},
): string {
  const text: OAuthErrorText = OAUTH_ERRORS[reason];
  const { error, description } = text;
  const isOpaque = error === 'invalid_client' || text === TOKEN_NOT_ACCEPTED;
  return JSON.stringify({
    error,
    error_description: isOpaque ? description : describe(description, detail),
    error_uri: `${docsUrl}#${error}`,
    ...members,
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
