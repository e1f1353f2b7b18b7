/**
 * Every kind of event the trail can hold, with what it says in words. The set is closed: `docs/audit.md` is this table, and a
 * test holds the two together. Events ending in `-refused` record a decision against the caller; all others record something
 * that has happened.
 */
export const AUDIT_EVENTS = {
  'lane.opened': 'A process opened its lane of the trail.',
  'client.authentication-refused':
    'A caller could not prove which client it is. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'token.issued': 'A token was issued.',
  'token.issue-refused': 'An authenticated client asked for a token and was refused.',
  'token.revoked': 'A token was revoked by the client it was issued to, or by an administrator.',
  'token.revocation-refused': 'A client tried to revoke a token that was issued to another one.',
  'token.introspection-refused':
    'A client asked about a token whose audience it is not. Alike ones are counted for a minute: the first is written at once, the rest as one.',
  'agent.created': 'An agent was registered.',
  'agent.updated': 'An agent was changed.',
  'agent.secret-issued': 'A client secret was made for an agent.',
  'agent.killed': 'An agent was suspended and everything it held died.',
  'agent.retired': 'An agent was ended for good and everything it held died.',
  'agent.restored': 'A suspended agent was allowed to work again; what had died stays dead.',
  'person.created': 'A person was registered.',
  'person.updated': 'A person was changed.',
  'person.killed': 'A person was disabled and everything that traced back to them died.',
  'person.restored': 'A disabled person was enabled again; what had died stays dead.',
  'resource.created': 'A resource server was registered.',
  'resource.updated': 'A resource server was changed.',
  'resource.secret-issued': 'An introspection secret was made for a resource server.',
  'resource.killed': 'A resource server was disabled and every token for it died.',
  'resource.restored': 'A disabled resource server was enabled again; what had died stays dead.',
  'key.created': 'A signing key was made.',
  'key.killed': 'A signing key was withdrawn and every token signed with it died.',
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

/** Which request an event belongs to: the part of an event that every event of a request shares. */
export interface Origin {
  readonly requestId: string;
  readonly address?: string;
  /** When the request was decided, in milliseconds since the epoch. */
  readonly now: number;
  /** The client on whose authority an administrative change is made. */
  readonly client?: string;
  /** What that client's token allows. Without it a client may grant nothing; without a client, the operator acts in person. */
  readonly scopes?: readonly string[];
}

/** The shared part of the events of one request. */
export function eventOrigin(
  origin: Origin,
): Pick<AuditEvent, 'at' | 'requestId'> & Partial<Pick<AuditEvent, 'address' | 'client'>> {
  return {
    at: origin.now,
    requestId: origin.requestId,
    ...(origin.address !== undefined && { address: origin.address }),
    ...(origin.client !== undefined && { client: origin.client }),
  };
}
