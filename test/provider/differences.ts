/**
 * Where our machine endpoints differ from the engine's, on purpose. The differential test reads this table, and
 * `docs/decisions/0002-machine-endpoints-are-ours.md` has the reason for each.
 */
export const DIFFERENCES = {
  'error-texts':
    'Every error says what was sent and what is permitted, and where to read more (`error_description`, `error_uri`).',
  'no-audience':
    'A request without a resource and without a default one is `invalid_target`: a token without audience does not exist.',
  'unknown-scope': 'An unknown scope is `invalid_scope`, never dropped silently.',
  'baseline-scope': 'A request without scope gets the baseline, and the answer always names the scope.',
  'introspection-members': 'Introspection says `sub`, `jti` and `token_type` of agents’ tokens too.',
  'revocation-body': 'A successful revocation answers `{}`: some clients parse every body as JSON.',
  'foreign-revocation':
    'Revoking another client’s token answers like an unknown one, instead of an error that tells them apart.',
  'foreign-introspection':
    'Only a token’s audience learns anything; the engine tells any confidential client.',
  'unauthorized-client':
    'A client that may not use a grant is `unauthorized_client` (RFC 6749 section 5.2), not `invalid_request`.',
  'unreadable-assertion':
    'An assertion that cannot be read is `invalid_client`, 401, like one that proves nothing.',
  'dpop-missing':
    'A client that needs DPoP and sends no proof gets `invalid_dpop_proof`, not `invalid_grant`.',
  'dpop-window': 'A DPoP proof is good within 60 seconds of our clock, not 300.',
  'dpop-replayed': 'A DPoP proof that was used before is `invalid_dpop_proof`, not `invalid_grant`.',
  'form-media-type': 'A body that is not form-encoded is 415.',
} as const;

export type Difference = keyof typeof DIFFERENCES;
