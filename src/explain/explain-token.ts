import { type AuditEvent, type FoundRow, listEvents, REMOVALS } from '../audit/index.ts';
import { DEPLOYMENT } from '../deployment-epoch.ts';
import { Refused } from '../errors.ts';
import { findDeadHandle, isFromTheFuture, isLive } from '../liveness.ts';
import { isTokenId, locateToken, type TokenRecord, type TokenRefusal } from '../tokens/index.ts';
import type { ExplainDeps } from './explain-request.ts';

/** One thing that a token descends from. */
export interface ExplainedAncestor {
  readonly id: string;
  readonly kind:
    | 'token'
    | 'agent'
    | 'person'
    | 'resource'
    | 'delegation'
    | 'elevation'
    | 'factor'
    | 'key'
    | 'deployment';
  readonly name?: string;
  /** The epoch that the token carries, and the one that holds now: dead where that is higher. */
  readonly carries: number;
  readonly holds: number;
}

/** What cut a token off, as the trail has it. */
export interface ExplainedCutoff {
  readonly type: AuditEvent['type'];
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly requestId: string;
  readonly client?: string;
  readonly subject?: string;
  /** Who acted, where that was a person in their own session and no client. */
  readonly actor?: string;
}

/** What a token lives by, or died of. Times are in milliseconds since the epoch. */
export interface TokenExplanation {
  readonly jti: string;
  readonly state: 'live' | 'expired' | 'dead' | 'from-the-future';
  readonly why: string;
  readonly clientId: string;
  readonly resource: string;
  readonly scope: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly ancestors: readonly ExplainedAncestor[];
  readonly cutOffBy?: ExplainedCutoff;
}

const LOOKED_AT = 50;

/**
 * Explains whether a token lives, by which ancestors, and what ended it.
 *
 * @param token its value, or its `jti`; never repeated
 * @throws {Refused<TokenRefusal>} `token-unknown` also for one that expired so long ago that it was forgotten
 * @throws {StoreUnavailable}
 */
export async function explainToken(deps: ExplainDeps, token: string, now: number): Promise<TokenExplanation> {
  await deps.tokens.fresh();
  const jti = isTokenId(token) ? token : await locateToken(deps.signer, token);
  const record = jti && (await deps.tokens.findToken(jti));
  if (!record) throw new Refused<TokenRefusal>('token-unknown', { parameter: 'token' });
  const { epochs } = deps.tokens;
  const { aud, scope } = JSON.parse(record.answer) as Record<'aud' | 'scope', string>;
  const ancestors = await Promise.all(record.lineage.split(' ').map(each => explainAncestor(deps, each)));
  const isAlive = isLive(record, epochs, now);
  const isFuture = isFromTheFuture(record, now);
  const dead = findDeadHandle(record.lineage, epochs);
  const killer =
    dead === undefined ? undefined : ancestors.find(each => `${each.id}:${each.carries}` === dead);
  const cutOffBy = killer && (await findCutoff(deps, killer, record));
  const expiresAt = record.expiresAt * 1_000;
  return {
    jti: record.jti,
    state: isAlive ? 'live' : killer ? 'dead' : isFuture ? 'from-the-future' : 'expired',
    why: killer
      ? deathOf(killer, cutOffBy)
      : isAlive
        ? `it lives for ${Math.ceil((expiresAt - now) / 1_000)} s more: nothing that it descends from has been cut off`
        : isFuture
          ? `it was issued ${new Date(record.issuedAt * 1_000).toISOString()}, which is still to come: a clock was wrong, and nobody accepts it`
          : `its time was over ${new Date(expiresAt).toISOString()}`,
    clientId: record.clientId,
    resource: aud,
    scope,
    issuedAt: record.issuedAt * 1_000,
    expiresAt,
    ancestors,
    ...(cutOffBy && { cutOffBy }),
  };
}

async function explainAncestor(deps: ExplainDeps, text: string): Promise<ExplainedAncestor> {
  const colon = text.lastIndexOf(':');
  const id = text.slice(0, colon);
  const about = { id, carries: Number(text.slice(colon + 1)), holds: deps.tokens.epochs.raisedTo(id) };
  const named = (kind: ExplainedAncestor['kind'], record: { readonly name: string } | undefined) => ({
    ...about,
    kind,
    ...(record && { name: record.name }),
  });
  if (id === DEPLOYMENT) return { ...about, kind: 'deployment' };
  if (id.startsWith('agt_')) return named('agent', await deps.agents.findAgent(id));
  if (id.startsWith('usr_')) return named('person', await deps.people.findPerson(id));
  if (id.startsWith('res_')) return named('resource', await deps.resources.findResource(id));
  if (id.startsWith('dlg_')) return { ...about, kind: 'delegation' };
  if (id.startsWith('elv_')) return { ...about, kind: 'elevation' };
  if (id.startsWith('crd_')) return { ...about, kind: 'factor' };
  return { ...about, kind: id.startsWith('key_') ? 'key' : 'token' };
}

/** The newest event that took something away from what was cut off, since the token was issued. */
async function findCutoff(
  { audit }: ExplainDeps,
  { id, kind }: ExplainedAncestor,
  { jti, issuedAt }: TokenRecord,
): Promise<ExplainedCutoff | undefined> {
  const since = issuedAt * 1_000;
  const query =
    kind === 'token'
      ? { type: 'token.revoked' as const, since, limit: LOOKED_AT }
      : // What a person signs in with is recorded as theirs.
        { target: kind === 'factor' ? id.replace('crd_', 'usr_') : id, since, limit: LOOKED_AT };
  const isCutoff = ({ event }: FoundRow): boolean =>
    event.outcome === 'done' &&
    REMOVALS[event.type] !== 'none' &&
    (kind !== 'token' || event.jti === jti) &&
    event.detail?.['cutsOff'] !== false;
  let page = await listEvents(audit, query);
  let found = page.items.find(isCutoff);
  // To the end: what happened since may be more than a page, and a page may be empty and not the last.
  while (!found && page.next !== undefined) {
    page = await listEvents(audit, { ...query, after: page.next });
    found = page.items.find(isCutoff);
  }
  if (!found) return undefined;
  const { type, at, requestId, client, subject, actor } = found.event;
  return {
    type,
    at,
    requestId,
    ...(client !== undefined && { client }),
    ...(subject !== undefined && { subject }),
    ...(client === undefined && actor?.[0] !== undefined && { actor: actor[0] }),
  };
}

function deathOf({ kind, id, name }: ExplainedAncestor, by: ExplainedCutoff | undefined): string {
  const what =
    kind === 'token'
      ? 'it was revoked'
      : kind === 'deployment'
        ? 'the deployment was restored from a backup'
        : `what it descends from was cut off: the ${kind} ${name === undefined ? id : `${name} (${id})`}`;
  if (!by) return what;
  const who = by.client ?? by.actor ?? 'whoever runs the host';
  return `${what}, by ${who}, ${new Date(by.at).toISOString()} (${by.type})`;
}
