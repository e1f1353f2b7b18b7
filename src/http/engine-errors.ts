/** What an answer of the protocol engine means, by its error code. The engine adds in words what was wrong with the request. */
export interface EngineErrorText {
  readonly status: number;
  readonly description: string;
  readonly fix: string;
}

/**
 * Every code with which `/authorize`, `/par` and the code grant can answer other than by a redirect (RFC 6749 sections 4.1.2.1
 * and 5.2, RFC 9126 section 2.3, OpenID Connect Core section 3.1.2.6).
 */
export const ENGINE_ERRORS = {
  invalid_request: {
    status: 400,
    description:
      'A parameter is missing, repeated, unknown to this endpoint or malformed, or the path or method is not one of this server',
    fix: 'Mend the parameter that the description names; metadata lists the endpoints and what they take.',
  },
  invalid_client: {
    status: 401,
    description: 'Client authentication failed',
    fix: 'Check the client identifier, and the secret or the registered key; assertions name the issuer as their only audience and are used once.',
  },
  invalid_grant: {
    status: 400,
    description:
      'The code is unknown, expired, used, or was given to another client, redirect URI or code verifier',
    fix: 'Begin again at the authorization endpoint, and use each code once, within a minute, with the same redirect_uri and its code_verifier.',
  },
  invalid_redirect_uri: {
    status: 400,
    description: 'The redirect URI is not one that the client has registered',
    fix: 'Send one of the registered redirect URIs, byte by byte.',
  },
  invalid_scope: {
    status: 400,
    description: 'The scope is malformed or not permitted',
    fix: "Ask for scopes that the agent's envelope has at this resource.",
  },
  invalid_target: {
    status: 400,
    description: 'The resource is missing, unknown, or not one that this client may ask tokens for',
    fix: "Send as resource one of the identifiers in the agent's envelope.",
  },
  invalid_token: {
    status: 401,
    description: 'The token is not accepted',
    fix: 'Get a new token.',
  },
  unauthorized_client: {
    status: 400,
    description: 'The client may not use this grant or response type',
    fix: 'Use a grant that the client is registered for.',
  },
  unsupported_grant_type: {
    status: 400,
    description: 'The grant type is not supported',
    fix: 'Use one of grant_types_supported in the metadata.',
  },
  unsupported_response_type: {
    status: 400,
    description: 'The response type is not supported',
    fix: 'Send response_type=code.',
  },
  unsupported_response_mode: {
    status: 400,
    description: 'The response mode is not supported',
    fix: 'Leave response_mode out, or send query.',
  },
  invalid_request_object: {
    status: 400,
    description: 'The request object is not accepted',
    fix: 'Send the parameters themselves, or push them to the pushed authorization request endpoint.',
  },
  invalid_request_uri: {
    status: 400,
    description: 'The request URI is unknown, expired or used',
    fix: 'Push the request again, and use its request_uri once, within a minute.',
  },
  request_not_supported: {
    status: 400,
    description: 'Request objects are not supported',
    fix: 'Send the parameters themselves, or push them to the pushed authorization request endpoint.',
  },
  request_uri_not_supported: {
    status: 400,
    description: 'Request URIs other than pushed ones are not supported',
    fix: 'Push the request to the pushed authorization request endpoint and use the request_uri that it answers.',
  },
  access_denied: {
    status: 400,
    description: 'The request was denied',
    fix: 'Ask whoever denied it, and begin again.',
  },
  unmet_authentication_requirements: {
    status: 400,
    description: 'The person did not sign in as well as the request needs',
    fix: 'Name in acr_values one of acr_values_supported in the metadata, and have the person sign in with a passkey where it is phr.',
  },
  login_required: {
    status: 400,
    description: 'Somebody has to sign in first',
    fix: 'Repeat the request without prompt=none.',
  },
  interaction_required: {
    status: 400,
    description: 'Somebody has to do something first',
    fix: 'Repeat the request without prompt=none.',
  },
  consent_required: {
    status: 400,
    description: 'Somebody has to consent first',
    fix: 'Repeat the request without prompt=none.',
  },
  temporarily_unavailable: {
    status: 503,
    description: 'The server cannot answer safely at the moment',
    fix: 'Repeat the request after a second. It may have been carried out unanswered: a code may be used up.',
  },
  server_error: {
    status: 500,
    description: 'The server met an unexpected condition',
    fix: 'Report it with the reference in Error-Ref: it is a defect of this server, and its log has the cause.',
  },
} as const satisfies Record<string, EngineErrorText>;

export type EngineErrorCode = keyof typeof ENGINE_ERRORS;

/** The code as one that is documented; whatever is not is a defect of ours. */
export function engineErrorCode(error: unknown): EngineErrorCode {
  return typeof error === 'string' && Object.hasOwn(ENGINE_ERRORS, error)
    ? (error as EngineErrorCode)
    : 'server_error';
}
