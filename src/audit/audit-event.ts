import type { Origin } from '../origin.ts';
/**
 * Every kind of event the trail can hold, with what it says in words. The set is closed: `docs/audit.md` is this table, and a
 * test holds the two together. Events ending in `-refused` record a decision against the caller; all others record something
 * that has happened.
 */
export const AUDIT_EVENTS = {
  'lane.opened': 'A process opened its lane of the trail.',
  'client.authentication-refused':
    'A caller could not prove which client it is. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'client.keys-refused':
    'What a client publishes at its jwks_uri could not be fetched, or was not fit; keys fetched before are good for an hour more. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'client.document-refused':
    'A Client ID Metadata Document could not be fetched, or was not fit, when a browser came with its address. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'client.authorization-refused':
    'An application sent a browser to the authorization endpoint, and the request was refused before or without a person saying no. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'client.registered':
    'An application registered itself (RFC 7591). It may ask people, and is forgotten after a day unless one of them lets it act for them.',
  'client.dpop-refused':
    'A DPoP proof did not hold, or had been used before. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'request.limited':
    'A caller has to wait before it asks again. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'token.issued': 'A token was issued.',
  'token.issue-refused':
    'An authenticated client asked for a token and was refused. While the clock is too far ahead no client is authenticated, and alike ones are counted for a minute: the first is written at once, the rest as one.',
  'token.revoked': 'A token was revoked by the client it was issued to, or by an administrator.',
  'token.revocation-refused': 'A client tried to revoke a token that was issued to another one.',
  'token.introspection-refused':
    'A client asked about a token whose audience it is not, or about one from the future, which a wrong clock has issued. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'grant.given': 'A person let an application act for them.',
  'grant.refused': 'A person did not let an application act for them.',
  'grant.ended': 'What a person had let an application do ended, with every token under it.',
  'delegation.given': 'A person let an agent act for them at a resource server, until an end.',
  'delegation.replaced':
    'A person gave again what an agent may do for them; where that is less than before, every token under it died.',
  'delegation.give-refused':
    'A person wanted to let an agent act for them and could not. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'delegation.ended':
    'A delegation ended for good, by its person or an administrator, and every token under it died.',
  'elevation.asked':
    'An agent asked for more than it has, for a while: it waits for somebody to countersign, or joins an identical request that waits.',
  'elevation.displayed':
    'What an agent asks for was shown to whoever may countersign it; once for each of their sessions and what was shown.',
  'elevation.approved':
    'Somebody countersigned what an agent asked for, with a code for exactly that, as it was shown.',
  'elevation.decide-refused':
    'Somebody wanted to decide on a request of an agent that is for somebody else to decide on. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'elevation.denied': 'Somebody denied what an agent asked for.',
  'elevation.cancelled':
    'A request of an agent was over before a token was issued for it: the agent withdrew it, what it rested on ended, or what was shown changed.',
  'elevation.expired':
    'Nobody decided on a request of an agent in time, or what was approved was not fetched in time.',
  'elevation.redeemed': 'The token was issued that somebody had countersigned, once.',
  'elevation.redeem-refused':
    'A client wanted to fetch what comes of a request that waits, and gets nothing. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'elevation.revoked': 'What somebody had countersigned was taken back, and its token died.',
  'elevation.ended': 'The time of what somebody had countersigned was over, and its token with it.',
  'agent.created': 'An agent was registered.',
  'agent.updated': 'An agent was changed.',
  'agent.secret-issued': 'A client secret was made for an agent.',
  'agent.secret-revoked': 'A client secret of an agent was ended.',
  'agent.key-added': 'A public key was registered for an agent, beside the one before.',
  'agent.key-revoked': 'A public key of an agent was ended.',
  'agent.tokens-revoked': 'Everything an agent held died; it may go on.',
  'agent.killed': 'An agent was suspended and everything it held died.',
  'agent.retired': 'An agent was ended for good and everything it held died.',
  'agent.restored': 'A suspended agent was allowed to work again; what had died stays dead.',
  'person.created': 'A person was registered.',
  'person.updated': 'A person was changed.',
  'person.killed': 'A person was disabled and everything that traced back to them died.',
  'person.restored': 'A disabled person was enabled again; what had died stays dead.',
  'person.invited': 'A link was made by which a person sets how they sign in.',
  'person.enrolment-refused':
    'Somebody came with an enrolment link that is unknown, used or too old, or gave a wrong code. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'person.enrolled': 'A person has set how they sign in: what they signed in with before is void.',
  'person.reset-opened': 'A link was made by which a person sets anew how they sign in.',
  'person.sign-in-refused':
    'Somebody gave an address and a password that are not those of a person who may sign in. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'person.sign-in-begun': 'A person gave their password; the second factor is still to come.',
  'person.factor-refused':
    'A second factor was refused. Those that come while no code is accepted are counted for a minute: the first is written at once, the rest as one.',
  'person.factor-locked': 'Too many wrong codes: none of the person is accepted for a while.',
  'person.signed-in': 'A person signed in: a session began.',
  'person.stepped-up': 'A person proved their second factor once more in their session.',
  'person.session-ended': 'A person ended a session of theirs.',
  'person.sessions-ended': 'A person ended all their sessions but the one they did it in.',
  'person.factor-set':
    'A person set a password, an authenticator app, a passkey or recovery codes: their other sessions ended.',
  'person.factor-removed': 'A person removed a passkey: their other sessions ended.',
  'person.credential-voided':
    'After a restore, everything a person could sign in with was made void, since it had been changed after the backup.',
  'person.credential-resealed':
    'The seed of the authenticator app of a person was sealed anew, with another key-encryption key.',
  'resource.created': 'A resource server was registered.',
  'resource.updated': 'A resource server was changed.',
  'resource.secret-issued': 'An introspection secret was made for a resource server.',
  'resource.secret-revoked': 'An introspection secret of a resource server was ended.',
  'resource.key-added': 'A public key was registered for a resource server, beside the one before.',
  'resource.key-revoked': 'A public key of a resource server was ended.',
  'resource.killed': 'A resource server was disabled and every token for it died.',
  'resource.restored': 'A disabled resource server was enabled again; what had died stays dead.',
  'key.created': 'A signing key was made.',
  'key.rotated': 'A successor was made for a signing key, which signs until that one begins to.',
  'key.rotation-ended': 'A signing key goes on signing, since its successor is gone before it signed.',
  'key.activated': 'A signing key began to sign.',
  'key.retired':
    'A signing key ceased to sign, and its private half was destroyed; it verifies what it signed.',
  'key.removed': 'A signing key left the JWKS: all that it signed has expired.',
  'key.resealed': 'A signing key was sealed anew, with another key-encryption key.',
  'key.killed': 'A signing key was withdrawn and every token signed with it died.',
  'deployment.created': 'A new store was given its name.',
  'deployment.key-noted':
    'A server started with a key-encryption key that the store had not met: from now on none starts without it.',
  'deployment.key-forgotten':
    'Everything is sealed with the present key-encryption key, and the store needs older ones no longer.',
  'deployment.backed-up': 'A backup of the store was made.',
  'deployment.quarantined':
    'The store came out of a backup, or may have: every token died, and nothing is granted until an operator opens it.',
  'deployment.clock-accepted':
    "Whoever runs the host has the server go by the machine's clock, though later times were committed: every token, session and code died, and agents whose end had come were suspended.",
  'deployment.record-confirmed': 'An operator found a record of a quarantined store to be as it should be.',
  'deployment.record-kept-closed': 'An operator closed a record of a quarantined store.',
  'deployment.opened': 'A quarantined store was opened.',
  'deployment.request-refused':
    'A request was refused because the store is quarantined. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'audit.pruned':
    'Rows older than the trail is kept were given up for removal: how many of how many lanes, decided before when, and the digest of where all lanes begin since.',
  'admin.recovered':
    'Whoever runs the host made a new administrator, since nobody could administer the server any more.',
  'admin.refused': 'A call to the admin API was refused.',
} as const satisfies Record<`${string}.${string}`, string>;

export type AuditEventType = keyof typeof AUDIT_EVENTS;

/**
 * One event, as its capability describes it. It names principals and artefacts by identifier, and never carries a token, a
 * secret, a code or an assertion (I11): a token appears as its `jti`.
 */
export interface AuditEvent {
  readonly type: AuditEventType;
  readonly outcome: 'done' | 'refused';
  /** Why it was refused: one of the capability's closed reasons. More exact than what the caller was told. */
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly requestId: string;
  /** The peer's address, of the connection or from a listed proxy (I14). */
  readonly address?: string;
  /** The OAuth client that asked. */
  readonly client?: string;
  /** For whom (RFC 8693 `sub`). */
  readonly subject?: string;
  /** Who acts, newest first (RFC 8693 `act`). */
  readonly actor?: readonly string[];
  /** The canonical identifier of the resource server concerned. */
  readonly resource?: string;
  /** The record acted upon, where it is none of the above. */
  readonly target?: string;
  readonly jti?: string;
  /** Scope values, separated by spaces. */
  readonly scope?: string;
  /** How many alike events this row stands for; 1 where absent. */
  readonly count?: number;
  readonly detail?: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

/** The shared part of the events of one request. */
export function eventOrigin(
  origin: Origin,
): Pick<AuditEvent, 'at' | 'requestId'> &
  Partial<Pick<AuditEvent, 'address' | 'client' | 'subject' | 'actor'>> {
  return {
    at: origin.now,
    requestId: origin.requestId,
    ...(origin.address !== undefined && { address: origin.address }),
    ...(origin.client !== undefined && { client: origin.client }),
    ...(origin.subject !== undefined && { subject: origin.subject }),
    ...(origin.actor !== undefined && { actor: origin.actor }),
  };
}
