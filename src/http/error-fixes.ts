import type { MachineRefusal } from './oauth-error.ts';
import type { AdminRefusal } from './problem.ts';

/** Every reason for which somebody is refused. */
export type AnyRefusal = AdminRefusal | MachineRefusal;

const INVALID_CLIENT =
  'Check the client identifier, and the secret or the registered key; whether the client is active, its administrator sees, who also finds the exact reason by the reference in Error-Ref.';
const TOKEN =
  'Get a new access token with this API as its resource; whether it expired, was revoked or is for something else, the audit trail has under the reference in Error-Ref.';
const DPOP =
  'Sign a new proof for exactly this request: typ dpop+jwt, the public key in the header, htm, htu without query, a fresh jti, iat now, and ath where an access token goes along.';
const DPOP_NONCE =
  'Sign the proof again with the nonce of the DPoP-Nonce header of this answer, and repeat the request.';
const TARGET =
  "Send as resource one of the identifiers that are permitted, exactly as it is written there; if it should be, have an administrator add it to the agent's envelope.";
const SCOPE =
  "Ask for scopes that are permitted only; if one is missing, have an administrator add it to the agent's envelope.";

const TOKEN_NOT_ACCEPTED =
  'Send a delegation that names this agent, or a live delegated token of its own or of an agent that it may follow, with its type and, where it is bound, with a proof of its key; or ask the person to let the agent act for them (again). An administrator finds the exact reason by the reference in Error-Ref.';

const CODE_NOT_ACCEPTED =
  'Make the request again; a code is good for one token, and only for the client that it was given to. An administrator finds the exact reason by the reference in Error-Ref.';

const TOO_MANY_REQUESTS =
  'Wait as long as Retry-After says, use a token until it expires instead of getting another one, or have the operator raise the limit.';
const TOO_MANY_FAILURES =
  'Mend the credentials, then ask again: right ones are accepted at once, wrong ones only after the time that Retry-After names.';

/** How to mend it, in one sentence for whoever was refused. Reasons that must look alike outside have the same one. */
export const ERROR_FIXES = {
  'no-credentials': INVALID_CLIENT,
  'unknown-client': INVALID_CLIENT,
  'wrong-secret': INVALID_CLIENT,
  'authorization-malformed':
    'Send Authorization: Basic base64(client_id:client_secret), both form-encoded (RFC 6749 section 2.3.1), or leave the header out and authenticate in the body; a Bearer token is not asked for here.',
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
  'agent-suspended': INVALID_CLIENT,
  'agent-retired': INVALID_CLIENT,
  'agent-expired': INVALID_CLIENT,
  'owner-unknown': INVALID_CLIENT,
  'owner-disabled': INVALID_CLIENT,
  'several-auth-methods':
    'Send credentials in one way only: the Authorization header, client_secret, or client_assertion.',
  'credentials-malformed':
    'Send Basic base64(client_id:client_secret), or client_assertion together with its client_assertion_type, and no client_id that says otherwise.',
  'client-may-not-ask': 'Ask as an agent: resource servers introspect tokens and get none.',

  'dpop-proof-malformed': DPOP,
  'dpop-header-not-permitted': DPOP,
  'dpop-signature-wrong': DPOP,
  'dpop-claims-malformed': DPOP,
  'dpop-method-wrong': DPOP,
  'dpop-url-wrong': DPOP,
  'dpop-time-outside-window': DPOP,
  'dpop-token-hash-wrong': DPOP,
  'dpop-proof-replayed': 'Sign a proof with a new jti for each request, also for one that is repeated.',
  'dpop-nonce-missing': DPOP_NONCE,
  'dpop-nonce-not-current': DPOP_NONCE,
  'dpop-required':
    'Send a DPoP header with a proof (RFC 9449): this client gets only tokens that are bound to a key.',

  'resource-missing': 'Send a resource, or have an administrator give the agent a default one.',
  'resource-not-permitted': TARGET,
  'resource-disabled': TARGET,
  'several-resources': 'Send one resource, and ask for a token for each.',
  'scope-malformed':
    'Separate the names of scopes by single spaces; a name is printable ASCII without quotation mark and backslash.',
  'scope-unknown': SCOPE,
  'scope-beyond-envelope': SCOPE,
  'scope-needs-approval':
    "Ask for what is permitted, or have a person countersign it: send completion_mode=deferred, a reason and a duration. An administrator can add the scope to the agent's baseline.",
  'scope-none-by-default':
    'Have an administrator give the agent a baseline at this resource, or name the scopes and send completion_mode=deferred, so that a person countersigns them.',
  'no-signing-key':
    'Tell the operator: the signing keys are missing, or cannot be opened; keys list shows them.',
  'scope-high-risk':
    'Leave the scope out, or have the person countersign it, each time: exchange the delegation itself with completion_mode=deferred, a reason and a duration.',
  'scope-beyond-delegation':
    'Ask for scopes that are permitted only, or have the person countersign it: exchange the delegation itself with completion_mode=deferred, a reason and a duration; or ask them to let the agent do more for them.',
  'scope-beyond-subject-token':
    'Ask for scopes that are permitted only, or exchange the delegation itself, or a token that holds more.',
  'scope-none-left':
    'Ask the person to let the agent act for them again: what they allowed is no longer in its envelope, or the resource server no longer has it.',
  'requested-token-type-not-supported': 'Send the one that is permitted, or leave requested_token_type out.',
  'audience-not-supported': 'Leave audience out, and name the resource server by resource.',
  'authorization-details-not-supported': 'Leave authorization_details out, and ask by scope.',
  'subject-token-missing':
    'Send subject_token, and as subject_token_type urn:ietf:params:oauth:token-type:access_token, or urn:countersign:token-type:delegation for the identifier of a delegation.',
  'actor-token-incomplete':
    'Leave both out: the client that authenticates is the actor; or send an access token of its own with urn:ietf:params:oauth:token-type:access_token.',
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
  'grant-type-missing': 'Send grant_type in the body of the request, form-encoded.',
  'grant-type-not-supported': 'Send one of the grant types that are permitted.',
  'proof-key-differs': 'Send the proof with the key that dpop_jkt names, or leave dpop_jkt out.',
  'elevation-deferred':
    'Show the binding_code where your user sees it, wait for interval seconds, then ask at the token endpoint with grant_type urn:ietf:params:oauth:grant-type:deferred and the deferral_code, until there is another answer.',
  'elevation-pending': 'Wait for interval seconds, and ask again.',
  'elevation-polled-too-fast': 'Wait 5 s longer than before between two polls, from now on.',
  'elevation-polled-far-too-fast': 'Stop asking: the client does not keep the interval.',
  'elevation-code-unknown': CODE_NOT_ACCEPTED,
  'elevation-redeemed': CODE_NOT_ACCEPTED,
  'elevation-key-differs':
    'Prove the key that the request was made with; where it was made without a DPoP proof, send none.',
  'elevation-expired': 'Make the request again, if it is still needed; a person has ten minutes to decide.',
  'elevation-denied': 'Do without; do not ask again unless something has changed.',
  'elevation-cancelled':
    'Make the request again, if it is still needed: it was withdrawn, or something that it rested on is over or has changed.',
  'elevation-revoked': 'Do without; it was taken back.',
  'elevation-duration-malformed': 'Send a whole number of seconds as duration, or none for 900.',
  'elevation-approver-cannot-countersign':
    'Tell whoever would have to countersign: the owner of the agent, or the person it acts for, needs a password and an authenticator app; an administrator invites them.',
  'elevation-resource-takes-jwts':
    'Leave out what needs a countersignature, or have an administrator make the resource server take opaque tokens.',
  'elevation-too-short':
    'Ask the person to let the agent act for them again; or have an administrator move the end of the agent.',
  'elevation-asked-too-often': 'Ask by the deferral_code that you have what has become of the request.',
  'elevation-too-many-waiting':
    'Wait until some of them are decided, or withdraw what is no longer needed: revoke its deferral_code.',
  'elevation-authority-ended': INVALID_CLIENT,
  'deferral-code-missing': 'Send deferral_code in the body of the request, form-encoded.',
  'deferral-parameter-not-permitted':
    'Send grant_type, deferral_code and what authenticates the client; make another request to ask for something else.',
  'token-missing': 'Send the token as token in the body of the request, form-encoded.',

  'no-token': 'Get an access token with this API as its resource, and send it as Authorization: Bearer ….',
  'token-in-url': 'Revoke that token, get another one, and send it in the Authorization header.',
  'token-not-live': TOKEN,
  'token-from-the-future': TOKEN,
  'authority-ended': TOKEN,
  'token-for-another-resource': TOKEN,
  'token-is-bound': 'Send the token with the DPoP scheme, and a proof by the key that it is bound to.',
  'token-is-not-bound': 'Send the token with the Bearer scheme, or get one that is bound to the key.',
  'token-bound-to-another-key': 'Sign the proof with the key that the token was got with.',
  'admin-scope-missing':
    "Ask for a token with the scope that is permitted; if it is refused, have an administrator add it to the client's envelope.",
  'admin-scope-not-held':
    'Ask for a token with these scopes too, or have it done by somebody who holds them; to stop an agent at once, kill it.',
  'origin-foreign':
    'Call from a program, or from a page of this server; browsers send an Origin that only this server may have.',

  'method-not-allowed': 'Use one of the methods in the Allow header.',
  'route-unknown': 'Compare method and path with /openapi.json, which lists every call.',
  'version-required': 'Read the record, and send its ETag as If-Match.',
  'version-changed':
    'Read the record again, make the change to what it is now, and send the new ETag as If-Match.',
  'if-match-malformed': 'Send the ETag of the record as If-Match, several of them separated by commas, or *.',
  'idempotency-key-malformed': 'Send one key, such as a random UUID in quotes, or none.',
  'idempotency-key-reused':
    'Make a new key for each new request, and repeat a request only as it was: same method, path and body.',
  'idempotency-key-in-progress':
    'Wait as long as Retry-After says, and send the same request with the same key again.',
  'value-taken': 'Choose another value, or change the record that has it.',
  'input-invalid': 'Send for the parameter at fault what is permitted; the answer names both.',
  'media-type-not-supported': 'Send the Content-Type that is permitted, and a body that is what it says.',
  'content-coding-not-supported': 'Send the body as it is, without Content-Encoding.',
  'body-too-large': 'Send less: the answer says how much is permitted.',
  'body-incomplete': 'Send the whole body; a proxy or a connection may have cut it off.',
  'duplicate-parameter': 'Send the parameter once.',
  'parameters-in-url':
    'Send the parameters in the body; credentials that were in the URL are in logs now and have to be replaced.',
  'too-many-parameters': 'Send only the parameters that the endpoint takes.',
  'json-malformed': 'Send JSON (RFC 8259) in UTF-8, such as a JSON library writes.',
  'json-too-deep': 'Nest objects and lists no deeper than is permitted.',
  'json-member-repeated': 'Write each member of an object once: which one is meant is not guessed.',
  'json-key-not-permitted': 'Leave the key out: no record has a field of that name.',

  'agent-unknown': 'Check the identifier against the list of agents.',
  'agent-exists': 'Choose another id, leave it out to be given one, or update the agent that has it.',
  'agent-is-retired': 'Register a new agent: a retired one never works again.',
  'owner-not-registered': 'Register the person first, or name another owner.',
  'owner-not-active': 'Restore the person, or name another owner.',
  'envelope-resource-unknown': 'Register the resource server first, or correct its identifier.',
  'envelope-resource-repeated': 'Name each resource server once, with all its scopes.',
  'envelope-scope-unknown': 'Name scopes that the resource server has, or add the scope there first.',
  'baseline-beyond-envelope':
    'Add to the envelope what the baseline has beyond it, or take it from the baseline.',
  'default-resource-beyond-envelope':
    'Name a resource of the envelope as the default, or add it to the envelope.',
  'application-not-possible': 'Register another agent, with redirect URIs from the start or without them.',
  'expiry-in-the-past': 'Name an end that is still to come, or leave it out.',
  'credential-takes-no-secret':
    'Replace its keys instead, here or where it publishes them, or register another with a secret.',
  'secret-unknown': 'Check the name of the secret against the list of its secrets.',
  'credential-takes-no-key':
    'Replace its secret instead, or the keys where it publishes them, or register another with keys.',
  'client-key-unknown': 'Check the name of the key against the list of its keys.',
  'client-key-registered': 'Make a new pair, with a kid of its own or none, and send its public half.',
  'delegation-unknown': 'Check the identifier against the list of delegations.',
  'elevation-unknown': 'Check the identifier against the list of elevations.',
  'token-unknown':
    'Check the identifier (jti) of the token: the list of tokens has those that have not expired.',
  'person-unknown': 'Check the identifier against the list of people.',
  'person-exists': 'Choose another id or e-mail address, or update the person who has it.',
  'person-disabled': 'Restore the person first, if they are to sign in.',
  'person-enrolled':
    'They sign in as before. If they have lost what they sign in with, run countersign people reset-factor on the host.',
  'administrator-not-invited':
    'Leave the role admin out, or run countersign people reset-factor on the host: it makes a link for anybody.',
  'resource-unknown': 'Check the identifier against the list of resource servers.',
  'resource-exists': 'Choose another id or identifier, or update the resource server that has it.',
  'key-unknown': 'Check the identifier against the list of signing keys.',
  'key-rotation-pending':
    'Wait until the pending key signs, retire it to end that rotation, or retire the present key to have it sign at once.',
  'key-without-successor': 'Rotate first, or kill the key where it must not sign a moment longer.',
  'key-encryption-key-missing':
    'Configure the key-encryption key that is named among the older ones, start again, and repeat the call.',
  'reference-unknown':
    'Send the whole reference as it stood in Error-Ref, to the deployment that gave it; one that is older than its key-encryption key cannot be read any more.',
  'record-protected':
    'Leave it as it is: every administrator rests on it, and configuration keeps it up to date. To stop an administrator, kill its agent.',

  'registration-malformed': 'Send one JSON object with redirect_uris and client_name.',
  'registration-member-not-permitted':
    'Leave the member out: what an application may do is said by an administrator, not by itself.',
  'registration-name-not-permitted': 'Send a client_name that people can read, on one line, or none.',
  'registration-redirect-uri-not-permitted':
    'Send redirect_uris with https, with http on localhost, 127.0.0.1 or [::1], or with a scheme of your own; without fragment.',
  'registration-grant-not-served':
    'Ask for authorization_code and refresh_token with response type code, or leave both out; what acts for itself is registered by an administrator.',

  'host-foreign':
    'Call the server by the host of its issuer identifier, or by one of COUNTERSIGN_FURTHER_HOSTS; a proxy in front has to pass that name on as Host.',
  'target-foreign':
    'Send the path alone as the target, or the URL of this server as its issuer identifier begins.',
  'header-repeated': 'Send the header once, and look whether a proxy in front adds another one.',
  'path-unknown': 'Compare method and path with the metadata of this server, and with /openapi.json.',
  'not-ready': 'Wait until /readyz answers 200; its body says which check fails.',

  'clock-ahead':
    'Wait: an operator has to set the clock of the machine right, and /readyz says by how much it is behind.',
  'deployment-quarantined':
    'Wait: an operator has to open the deployment first, and countersign quarantine status tells them how.',
  'address-rate-exceeded': TOO_MANY_REQUESTS,
  'client-rate-exceeded': TOO_MANY_REQUESTS,
  'registration-rate-exceeded': TOO_MANY_REQUESTS,
  'unknown-tokens-exceeded':
    'Take the token for one that is not active: a resource server answers whoever sent it so (401, invalid_token), an application has the person sign in again. To be told it, wait as long as Retry-After says.',
  'address-failures-exceeded': TOO_MANY_FAILURES,
  'client-failures-exceeded': TOO_MANY_FAILURES,
  'store-unavailable':
    'Repeat the request after the time that Retry-After names. It may have been carried out unanswered: a code or an assertion may be used up, and the admin API makes nothing twice with the same Idempotency-Key.',
  'internal-error':
    'Report it with the reference in Error-Ref: it is a defect of this server, and its log has the cause.',
} as const satisfies Record<AnyRefusal, string>;

/** What it was exactly, where several reasons look alike outside: for those who may read the trail. */
export const EXACT_REASONS: Readonly<Partial<Record<AnyRefusal, string>>> = {
  'no-credentials': 'The request had no credentials at all.',
  'unknown-client': 'There is no client with this identifier.',
  'wrong-secret': 'The secret is none of the two newest ones of this client.',
  'wrong-auth-method':
    'The client is registered with another method: a secret where it has keys, or keys where it has a secret.',
  'client-not-enabled':
    'The credentials are right, but the agent is suspended, retired or expired, or the resource server disabled.',
  'assertion-replayed': 'The assertion has been used before: each request needs one of its own.',
  'client-keys-unavailable': "The client's keys could not be fetched from its jwks_uri.",
  'assertion-malformed': 'The assertion is not a JWT in compact form.',
  'assertion-header-not-permitted':
    'The header of the assertion has a member or a type that is not permitted.',
  'assertion-algorithm-not-registered':
    'No registered key of the client has the algorithm, or the kid, of the assertion.',
  'assertion-key-unknown': 'kid of the assertion names no registered key of the client.',
  'assertion-signature-wrong': 'The assertion was not signed with a registered key of the client.',
  'assertion-claims-malformed': 'A claim of the assertion is missing or of the wrong type.',
  'assertion-issuer-wrong': 'iss and sub of the assertion are not both the client identifier.',
  'assertion-audience-wrong':
    'aud of the assertion is not exactly the issuer identifier of this server, as one string: not the address of the token endpoint, nor a list.',
  'assertion-expired': 'The assertion has expired: sign one for each request. The clocks may differ.',
  'assertion-lifetime-too-long':
    'The assertion is good for longer than COUNTERSIGN_ASSERTION_LIFETIME_SECONDS permits: five minutes, where nothing else is set. Sign one for each request, with exp no further ahead, or raise the setting.',
  'assertion-from-the-future': 'The assertion was issued in the future; the clocks may differ.',
  'agent-suspended': 'The agent was suspended between authentication and decision.',
  'agent-retired': 'The agent was retired between authentication and decision.',
  'agent-expired': 'The agent has come to its end.',
  'owner-unknown': 'The owner of the agent is not registered.',
  'owner-disabled': 'The owner of the agent is disabled.',
  'dpop-proof-malformed': 'The proof is not one JWT in compact form.',
  'dpop-header-not-permitted': 'The header of the proof has a wrong type, algorithm, or key.',
  'dpop-signature-wrong': 'The proof was not signed with the key of its header.',
  'dpop-claims-malformed': 'A claim of the proof is missing or of the wrong type.',
  'dpop-method-wrong': 'htm is not the method of the request.',
  'dpop-url-wrong': 'htu is not the URL of the request as this server is called from outside.',
  'dpop-time-outside-window': 'iat is too far from the time of this server; the clocks may differ.',
  'dpop-token-hash-wrong': 'ath is not the hash of the access token.',
  'dpop-nonce-missing': 'The proof has no nonce, and one is required.',
  'dpop-nonce-not-current': 'The nonce of the proof is not one that this server has given out lately.',
  'resource-not-permitted': "The resource is unknown, or not in the agent's envelope.",
  'resource-disabled': 'The resource server is disabled.',
  'scope-unknown': 'The resource server has no such scope.',
  'scope-beyond-envelope': "The resource server has the scope, and the agent's envelope has it not.",
  'subject-token-type-not-supported': 'The subject_token_type is none that can be exchanged.',
  'subject-token-too-long': 'The subject_token is longer than any token of this server.',
  'subject-token-unknown':
    'The subject_token is no access token and no delegation of this server; or it expired long ago.',
  'subject-token-not-live': 'The subject_token expired, was revoked, or was cut off.',
  'subject-token-from-the-future':
    'The subject_token was issued more than 5 s after the present, by a process whose clock is wrong, or was.',
  'subject-token-not-delegated':
    'The subject_token lives, but rests on no delegation: it is an own token of an agent, or of an application that a person uses.',
  'subject-token-foreign':
    'The subject_token is neither of this agent nor of one that it may follow; or the delegation names another agent.',
  'subject-delegation-suspended':
    'The person, the agent or the resource server of the delegation is stopped.',
  'subject-delegation-expired': 'The delegation has come to its end.',
  'subject-delegation-ended': 'The delegation was ended.',
  'subject-key-differs':
    'The subject_token is bound to a key, and the request does not prove it: only whoever has the key can exchange it.',
  'subject-chain-circle': 'The agent has acted before, and handed the work on.',
  'subject-chain-too-long':
    'More than four agents would have acted, or the token has been exchanged too often.',
  'actor-token-type-not-supported': 'The actor_token_type is not that of an access token.',
  'actor-token-too-long': 'The actor_token is longer than any token of this server.',
  'actor-token-unknown': 'The actor_token is no access token of this server; or it expired long ago.',
  'actor-token-not-live': 'The actor_token expired, was revoked, or was cut off.',
  'actor-token-from-the-future':
    'The actor_token was issued more than 5 s after the present, by a process whose clock is wrong, or was.',
  'actor-token-foreign': 'The actor_token is not a token that the agent got for itself.',
  'actor-key-differs': 'The actor_token is bound to a key, and the request does not prove it.',
  'elevation-code-unknown': 'There is no such deferral_code, or it was given to another client.',
  'elevation-redeemed': 'The token of this request has been fetched.',
  'elevation-denied': 'Who may countersign did not.',
  'elevation-cancelled':
    'The request was withdrawn, or something that it rested on was cut off, has changed, or permits it no more; the event has the reason.',
  'elevation-revoked': 'It was taken back after it had been countersigned.',
  'elevation-authority-ended':
    'The agent, its owner, the resource server or the delegation was stopped between decision and commit.',
  'address-rate-exceeded': 'The address has asked too often: COUNTERSIGN_ADDRESS_REQUESTS_PER_SECOND.',
  'client-rate-exceeded': 'The client has asked for too many tokens: COUNTERSIGN_CLIENT_TOKENS_PER_SECOND.',
  'registration-rate-exceeded': 'Too many applications register themselves at this process at the moment.',
  'unknown-tokens-exceeded':
    'The client has asked about, given up or tried to redeem too many tokens or codes that are not live for it: COUNTERSIGN_UNKNOWN_TOKENS_PER_SECOND.',
  'address-failures-exceeded': 'Too many authentications from this address have failed in ten minutes.',
  'client-failures-exceeded': 'Too many authentications as this client have failed in ten minutes.',
  'token-not-live': 'The token is unknown, expired, revoked or cut off.',
  'token-from-the-future':
    'The token was issued more than 5 s after the present, by a process whose clock is wrong, or was.',
  'authority-ended':
    'The token lived when the request came, and expired or was cut off before it was done. Nothing was changed.',
  'token-for-another-resource': 'The token lives, but its audience is another resource server.',
};
