import type { AgentRefusal } from '../agents/index.ts';
import type { AuthorityRefusal, RevisionRefusal } from '../audit/index.ts';
import { ASSERTION_ALG_NAMES, type ClientKeyRefusal, type CredentialRefusal } from '../clients/index.ts';
import type { DelegationRefusal } from '../delegation/index.ts';
import type { DecideRefusal } from '../elevation/index.ts';
import type { RefusalDetail } from '../errors.ts';
import type { IdempotencyRefusal } from '../idempotency/index.ts';
import type { InputRefusal } from '../input/index.ts';
import type { SigningKeyRefusal } from '../keys/index.ts';
import type { BuiltInRefusal, InvitationRefusal, PersonRefusal } from '../people/index.ts';
import type { ExplainRefusal } from '../refusals/index.ts';
import type { ResourceRefusal } from '../resources/index.ts';
import type { TokenRefusal } from '../tokens/index.ts';
import type { AdminAuthRefusal } from './admin-auth.ts';
import type { AdminCallRefusal } from './admin-router.ts';
import { type AnyEndpointRefusal, detailOf, type ErrorAnswer, reasonOf } from './error-answer.ts';
import type { BodyRefusal } from './form.ts';
import type { JsonRefusal } from './json.ts';
import type { AddresseeRefusal } from './own-host.ts';
import type { QuarantineRefusal } from './quarantine-gate.ts';
import type { MethodRefusal } from './refuse-method.ts';

/** What a refusal by the admin API looks like (RFC 9457). */
export interface ProblemText {
  readonly status: number;
  /** What happened, in a few words that are the same each time. */
  readonly title: string;
  /** The name of the problem outside, where it is not the reason: several reasons must look alike (I15). */
  readonly code?: string;
  /** RFC 6750 section 3.1; an empty one is a challenge without an error, for a request without a token. */
  readonly bearerError?: '' | 'invalid_request' | 'invalid_token' | 'insufficient_scope';
  /** RFC 9449 section 7.1. */
  readonly dpopError?: 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce';
}

export type AdminRefusal =
  | AddresseeRefusal
  | ExplainRefusal
  | ServerRefusal
  | SigningKeyRefusal
  | AdminAuthRefusal
  | AdminCallRefusal
  | AgentRefusal
  | AnyEndpointRefusal
  | AuthorityRefusal
  | BodyRefusal
  | CredentialRefusal
  | ClientKeyRefusal
  | Extract<DecideRefusal, 'elevation-unknown'>
  | Extract<DelegationRefusal, 'delegation-unknown'>
  | IdempotencyRefusal
  | InputRefusal
  | InvitationRefusal
  | JsonRefusal
  | BuiltInRefusal
  | PersonRefusal
  | QuarantineRefusal
  | ResourceRefusal
  | RevisionRefusal
  | TokenRefusal;

/** Refusals that belong to no endpoint. */
export type ServerRefusal =
  | Exclude<AddresseeRefusal, 'header-repeated'>
  | MethodRefusal
  | 'path-unknown'
  | 'not-ready';

const TOKEN_NOT_ACCEPTED = {
  status: 401,
  title: 'The access token is not accepted here',
  code: 'token-not-accepted',
  bearerError: 'invalid_token',
} as const;

const DPOP_PROOF_WRONG = {
  status: 401,
  title: 'The DPoP proof does not hold (RFC 9449 section 4.3)',
  code: 'dpop-proof-wrong',
  dpopError: 'invalid_dpop_proof',
} as const;

const DPOP_NONCE_NEEDED = {
  status: 401,
  title: 'The DPoP proof has to carry the nonce of the DPoP-Nonce header',
  code: 'dpop-nonce-needed',
  dpopError: 'use_dpop_nonce',
} as const;

const TOO_MANY_REQUESTS = {
  status: 429,
  title: 'Too many requests: repeat this one after the time that Retry-After names',
  code: 'too-many-requests',
} as const;

const TOO_MANY_FAILURES = {
  status: 429,
  title: 'Too many access tokens that are not accepted, and this one was not either',
  code: 'too-many-failures',
} as const;

const PROBLEMS = {
  'no-token': { status: 401, title: 'The request carries no access token', bearerError: '' },
  'token-in-url': {
    status: 400,
    title: 'An access token is never taken from the URL; this one is in logs now: revoke it',
    bearerError: 'invalid_request',
  },
  'token-not-live': TOKEN_NOT_ACCEPTED,
  'token-from-the-future': TOKEN_NOT_ACCEPTED,
  'authority-ended': TOKEN_NOT_ACCEPTED,
  'token-for-another-resource': TOKEN_NOT_ACCEPTED,
  'token-is-bound': {
    status: 401,
    title: 'The access token is bound to a key: it is sent with the DPoP scheme and a proof',
    dpopError: 'invalid_token',
  },
  'token-is-not-bound': {
    status: 401,
    title: 'The access token is bound to no key: it is sent with the Bearer scheme',
    bearerError: 'invalid_token',
  },
  'token-bound-to-another-key': {
    status: 401,
    title: 'The access token is bound to another key than the proof was signed with',
    dpopError: 'invalid_token',
  },
  'dpop-proof-malformed': DPOP_PROOF_WRONG,
  'dpop-header-not-permitted': DPOP_PROOF_WRONG,
  'dpop-signature-wrong': DPOP_PROOF_WRONG,
  'dpop-claims-malformed': DPOP_PROOF_WRONG,
  'dpop-method-wrong': DPOP_PROOF_WRONG,
  'dpop-url-wrong': DPOP_PROOF_WRONG,
  'dpop-time-outside-window': DPOP_PROOF_WRONG,
  'dpop-token-hash-wrong': DPOP_PROOF_WRONG,
  'dpop-proof-replayed': {
    status: 401,
    title: 'The DPoP proof has been used before: each request needs one of its own',
    dpopError: 'invalid_dpop_proof',
  },
  'dpop-nonce-missing': DPOP_NONCE_NEEDED,
  'dpop-nonce-not-current': DPOP_NONCE_NEEDED,
  'admin-scope-missing': {
    status: 403,
    title: 'The access token lacks the scope that this call needs',
    bearerError: 'insufficient_scope',
  },
  'origin-foreign': { status: 403, title: 'Pages of other origins may not call this API' },
  'route-unknown': { status: 404, title: 'There is no such call' },
  'method-not-allowed': { status: 405, title: 'This path has no call with this method' },
  'version-required': { status: 428, title: 'The request does not say which version it changes' },
  'version-changed': { status: 412, title: 'The record has been changed since it was read' },
  'if-match-malformed': { status: 400, title: 'The If-Match is no list of entity tags' },
  'idempotency-key-malformed': { status: 400, title: 'The Idempotency-Key is not one key' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used for another request' },
  'idempotency-key-in-progress': { status: 409, title: 'The first request with this key is being answered' },
  'value-taken': { status: 409, title: 'Another record has this value' },

  'input-invalid': { status: 400, title: 'A value is not what it has to be' },
  'media-type-not-supported': { status: 415, title: 'The media type of the body is not supported' },
  'content-coding-not-supported': { status: 415, title: 'The body is compressed, or coded in another way' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'body-incomplete': { status: 400, title: 'The body ended early' },
  'duplicate-parameter': { status: 400, title: 'A parameter was sent more than once' },
  'parameters-in-url': { status: 400, title: 'This call takes no parameters from the URL' },
  'too-many-parameters': { status: 400, title: 'The request has too many parameters' },
  'json-malformed': { status: 400, title: 'The body is not well-formed JSON in UTF-8' },
  'json-too-deep': { status: 400, title: 'The body is nested too deep' },
  'json-member-repeated': { status: 400, title: 'A member of the body is there twice' },
  'json-key-not-permitted': { status: 400, title: 'The body has a key that is never accepted' },

  'agent-unknown': { status: 404, title: 'There is no such agent' },
  'agent-exists': { status: 409, title: 'There is an agent with this id' },
  'agent-is-retired': { status: 409, title: 'The agent is retired, and that is final' },
  'owner-not-registered': { status: 422, title: 'The owner is not registered' },
  'owner-not-active': { status: 422, title: 'The owner is disabled' },
  'envelope-resource-unknown': { status: 422, title: 'The envelope names an unknown resource server' },
  'envelope-resource-repeated': { status: 422, title: 'The envelope names a resource server twice' },
  'envelope-scope-unknown': {
    status: 422,
    title: 'The envelope names a scope that its resource server does not have',
  },
  'baseline-beyond-envelope': { status: 422, title: 'The baseline goes beyond the envelope' },
  'default-resource-beyond-envelope': { status: 422, title: 'The default resource is not in the envelope' },
  'expiry-in-the-past': { status: 422, title: 'The end of the agent is not in the future' },
  'application-not-possible': {
    status: 422,
    title: 'Whether an agent is an application is settled when it is registered',
  },
  'admin-scope-not-held': {
    status: 403,
    title: 'This takes scopes of this API that the token does not hold',
  },
  'delegation-unknown': { status: 404, title: 'There is no such delegation' },
  'elevation-unknown': { status: 404, title: 'There is no such elevation' },
  'token-unknown': { status: 404, title: 'There is no such token' },
  'secret-unknown': { status: 404, title: 'It has no such secret' },
  'credential-takes-no-secret': { status: 409, title: 'It authenticates with keys and has no secret' },
  'client-key-unknown': { status: 404, title: 'It has no such key' },
  'client-key-registered': { status: 409, title: 'It has this key, or another one of this kid' },
  'credential-takes-no-key': {
    status: 409,
    title: 'It does not authenticate with keys that are registered here',
  },

  'person-unknown': { status: 404, title: 'There is no such person' },
  'person-exists': { status: 409, title: 'There is a person with this id or e-mail address' },

  'person-disabled': { status: 409, title: 'The person is disabled' },
  'person-enrolled': { status: 409, title: 'The person signs in already' },
  'administrator-not-invited': { status: 403, title: 'No client makes an administrator once there is one' },

  'resource-unknown': { status: 404, title: 'There is no such resource server' },
  'resource-exists': { status: 409, title: 'There is a resource server with this id or identifier' },
  'key-unknown': { status: 404, title: 'There is no such signing key' },
  'key-rotation-pending': { status: 409, title: 'A rotation of this key is under way' },
  'key-without-successor': { status: 409, title: 'No other key could sign in its place' },
  'key-encryption-key-missing': {
    status: 409,
    title: 'A signing key is sealed with a key-encryption key that is not configured',
  },
  'reference-unknown': { status: 404, title: 'The reference is none of this deployment' },
  'record-protected': { status: 409, title: 'The server itself rests on this record' },

  'deployment-quarantined': {
    status: 503,
    title: 'The server came out of a backup and is closed until its operator has opened it',
  },
  'host-foreign': { status: 421, title: 'This server answers under its own host name only' },
  'target-foreign': { status: 400, title: 'The target of the request is another server' },
  'header-repeated': { status: 400, title: 'A header that may be there once is there twice' },
  'path-unknown': { status: 404, title: 'There is nothing at this path' },
  'not-ready': { status: 503, title: 'The server is not ready to take requests' },
  'address-rate-exceeded': TOO_MANY_REQUESTS,
  'client-rate-exceeded': TOO_MANY_REQUESTS,
  'registration-rate-exceeded': TOO_MANY_REQUESTS,
  'unknown-tokens-exceeded': TOO_MANY_REQUESTS,
  'address-failures-exceeded': TOO_MANY_FAILURES,
  'client-failures-exceeded': TOO_MANY_FAILURES,
  'store-unavailable': {
    status: 503,
    title: 'The server cannot answer safely at the moment: try again in a second',
  },
  'internal-error': { status: 500, title: 'The server met an unexpected condition' },
} as const satisfies Record<AdminRefusal, ProblemText>;

const MAX_PERMITTED = 50;

/** All reasons with what they look like outside, for the documentation and its test. */
export function listProblems(): readonly (readonly [AdminRefusal, ProblemText])[] {
  return Object.entries(PROBLEMS) as [AdminRefusal, ProblemText][];
}

/**
 * Whatever was thrown, as a problem (RFC 9457): the kind of problem with where to read more, cause, the value sent, what is
 * permitted. Of what is unexpected, nothing is told.
 *
 * @param docsUrl where the page about errors is
 */
export function problemAnswer(error: unknown, docsUrl: string): ErrorAnswer<`api/${AdminRefusal}`> {
  const reason = reasonOf(error, isAdminRefusal);
  const text: ProblemText = PROBLEMS[reason];
  const detail = reason === 'internal-error' ? {} : detailOf(error);
  const sentence = describe(detail);
  return {
    status: text.status,
    reason: `api/${reason}`,
    mediaType: 'application/problem+json',
    body: JSON.stringify({
      type: `${docsUrl}#${text.code ?? reason}`,
      title: text.title,
      status: text.status,
      ...(sentence !== '' && { detail: sentence }),
      ...(detail.parameter !== undefined && { parameter: detail.parameter }),
      ...(detail.sent !== undefined && { sent: detail.sent }),
      ...(detail.permitted !== undefined && { permitted: detail.permitted.slice(0, MAX_PERMITTED) }),
    }),
    ...(text.bearerError !== undefined && { challenge: challenge(text.bearerError, detail) }),
    ...(text.dpopError !== undefined && { challenge: dpopChallenge(text.dpopError) }),
  };
}

function isAdminRefusal(reason: string): reason is AdminRefusal {
  return Object.hasOwn(PROBLEMS, reason);
}

/** RFC 6750 section 3: what to come back with. For a scope that is missing, its name. */
function challenge(bearerError: NonNullable<ProblemText['bearerError']>, detail: RefusalDetail): string {
  const parts = ['realm="countersign"'];
  if (bearerError !== '') parts.push(`error="${bearerError}"`);
  if (bearerError === 'insufficient_scope') parts.push(`scope="${(detail.permitted ?? []).join(' ')}"`);
  return `Bearer ${parts.join(', ')}`;
}

function dpopChallenge(error: string): string {
  return `DPoP realm="countersign", error="${error}", algs="${ASSERTION_ALG_NAMES.join(' ')}"`;
}

function describe(detail: RefusalDetail): string {
  const parts: string[] = [];
  if (detail.parameter !== undefined) parts.push(`At fault: ${detail.parameter}`);
  if (detail.sent !== undefined) parts.push(`sent: ${detail.sent}`);
  if (detail.permitted !== undefined)
    parts.push(`permitted: ${detail.permitted.slice(0, MAX_PERMITTED).join(' | ') || 'nothing'}`);
  if (detail.hint !== undefined) parts.push(detail.hint);
  return parts.join('; ');
}
