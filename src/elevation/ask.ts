import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Agent } from '../agents/index.ts';
import {
  type AuditEvent,
  eventOrigin,
  type HeldAuthority,
  type Origin,
  WITHOUT_END_MS,
} from '../audit/index.ts';
import type { SpentCredential } from '../clients/index.ts';
import { type RefusalDetail, StoreUnavailable } from '../errors.ts';
import { newId } from '../ids.ts';
import { handle, lineageOf } from '../liveness.ts';
import { canCountersign, credentialIdOf } from '../people/index.ts';
import { untrustedText } from '../text/index.ts';
import type { BasisRefused, IssueDecision } from '../tokens/index.ts';
import { newBindingCode, newDeferralCode } from './deferral-code.ts';
import {
  CODE_LIFETIME_SECONDS,
  DECIDE_WITHIN_MS,
  type Elevation,
  MAX_DEFERRAL_CODES,
  MAX_ELEVATION_SECONDS,
  MAX_REASON_LENGTH,
  MAX_WAITING,
} from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { closedEvent } from './elevation-events.ts';
import { ELEVATION_FACETS } from './elevation-facets.ts';
import type { AskRefusal } from './elevation-refusal.ts';
import { elevationStatus, moveElevation, type StepWorld } from './move-elevation.ts';

export type NeedsApproval = Extract<IssueDecision, { readonly outcome: 'needs-approval' }>;

/** A request for a token that waits for a countersignature: everything that was sent, authenticated and decided. */
export interface ElevationAsk {
  readonly clientId: string;
  readonly agent: Agent;
  /** Whose `approver` is somebody: a request that rests on anything else does not wait. */
  readonly decision: NeedsApproval;
  /** The delegation that is exchanged; undefined for an agent that asks for itself. */
  readonly delegationId: `dlg_${string}` | undefined;
  /** The thumbprint of the key that the request proves. */
  readonly proofKey: string | undefined;
  /** `reason` as it was sent: untrusted. */
  readonly reason: string | undefined;
  /** `duration` as it was sent. */
  readonly duration: string | undefined;
  /** The assertion and the proof of the request: used up with it. */
  readonly spent: readonly SpentCredential[];
}

/** What the agent is told, once: its request waits. */
export interface Deferred {
  readonly outcome: 'deferred';
  readonly elevation: Elevation;
  /** A secret, told once. */
  readonly code: string;
  /** Seconds until the code is worth nothing. */
  readonly expiresIn: number;
  /** An identical request waited already, and this one waits with it. */
  readonly isJoined: boolean;
}

/** What becomes of an ask. `conflict`: the assertion or the proof of the request had been used before, and nothing was done. */
export type AskOutcome =
  | Deferred
  | BasisRefused<AskRefusal>
  | { readonly outcome: 'conflict'; readonly conflict: 'already-used' };

/** Far more identical asks at once than can be meant. */
const MAX_ATTEMPTS = 20;
const DURATION = /^[1-9][0-9]{0,8}$/;

/**
 * An agent asks for more than it has: opens an elevation, or joins the one that waits for the very same. What is asked is narrowed first
 * to what is possible, and that is what will be shown. The unit rests on what the decision read.
 *
 * @returns why it is refused at once, where nobody could ever countersign it: for whoever called to record, with what was spent
 * @throws {StoreUnavailable}
 */
export async function askElevation(
  deps: ElevationDeps,
  ask: ElevationAsk,
  origin: Origin,
): Promise<AskOutcome> {
  const { agent, decision, duration } = ask;
  const { approver, resource } = decision;
  if (approver === undefined) throw new TypeError('a request that nobody may countersign does not wait');
  if (duration !== undefined && !DURATION.test(duration)) {
    return refuse('elevation-duration-malformed', {
      parameter: 'duration',
      sent: untrustedText(duration),
      permitted: ['a number of seconds'],
    });
  }
  if (resource.tokenFormat.kind === 'jwt') {
    return refuse('elevation-resource-takes-jwts', { parameter: 'resource', sent: resource.identifier });
  }
  const [person, credential] = await Promise.all([
    deps.people.findPerson(approver),
    deps.credentials.findCredential(approver),
  ]);
  if (person?.status !== 'active' || !credential || !canCountersign(credential)) {
    return refuse('elevation-approver-cannot-countersign');
  }
  const askedSeconds = duration === undefined ? undefined : Number(duration);
  const seconds = narrowSeconds(askedSeconds, decision.endsAt, origin.latest);
  if (seconds < 1) return refuse('elevation-too-short');

  const id = newId('elv', origin.now);
  const { code, digest } = newDeferralCode(id);
  const fresh: Elevation = {
    id,
    version: 1,
    epoch: 0,
    createdAt: origin.now,
    updatedAt: origin.now,
    status: 'pending',
    clientId: ask.clientId,
    agentId: agent.id,
    ownerId: agent.ownerId,
    subject: decision.subject,
    actors: decision.actors,
    approverId: person.id,
    ...(ask.delegationId && { delegationId: ask.delegationId }),
    resourceId: resource.id,
    resource: resource.identifier,
    scopes: decision.scopes,
    beyond: decision.beyond,
    seconds,
    reason: untrustedText(ask.reason ?? '', MAX_REASON_LENGTH),
    bindingCode: newBindingCode(),
    ...(ask.proofKey !== undefined && { proofKey: ask.proofKey }),
    decideBy: origin.now + DECIDE_WITHIN_MS,
    askDigest: digestOfAsk(ask, askedSeconds),
    codes: [digest],
    lineage: lineageOf([
      ...new Set([
        handle(id, 0),
        ...decision.lineage,
        handle(person.id, person.epoch),
        handle(credentialIdOf(person.id), credential.epoch),
      ]),
    ]),
  };
  return openOrJoin(deps, ask, fresh, code, origin);
}

async function openOrJoin(
  deps: ElevationDeps,
  ask: ElevationAsk,
  fresh: Elevation,
  code: string,
  origin: Origin,
): Promise<AskOutcome> {
  const world: StepWorld = { ...origin, epochs: deps.epochs };
  const authority: HeldAuthority = {
    lineage: lineageOf(ask.decision.lineage),
    expiresAt: WITHOUT_END_MS,
    own: [ask.agent.id],
  };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await deps.freshness.fresh();
    const waiting = await deps.elevations.findPendingElevation(fresh.askDigest);
    const status = waiting && elevationStatus(waiting, world);
    if (waiting && status === 'pending' && waiting.codes.length >= MAX_DEFERRAL_CODES) {
      return refuse('elevation-asked-too-often');
    }
    if (!waiting && (await countWaiting(deps, ask.agent.id)) >= MAX_WAITING) {
      return refuse('elevation-too-many-waiting');
    }
    const joined = waiting && status === 'pending' ? joinElevation(waiting, origin.now) : undefined;
    const over =
      waiting && !joined
        ? moveElevation(
            waiting,
            status === 'cancelled' ? { kind: 'cancel', reason: 'authority-ended' } : { kind: 'expire' },
            world,
          )
        : undefined;
    if (typeof over === 'string') throw new TypeError(`what waits could not be closed: ${over}`);
    const elevation = joined?.elevation ?? fresh;
    const outcome = await deps.elevations.commit({
      changes: [
        ...ask.spent,
        ...[over, joined?.elevation].flatMap(record =>
          record && waiting
            ? [
                {
                  kind: 'replace' as const,
                  collection: 'elevation' as const,
                  record,
                  ifVersion: waiting.version,
                },
              ]
            : [],
        ),
        ...(joined ? [] : [{ kind: 'insert' as const, collection: 'elevation' as const, record: fresh }]),
      ],
      events: [
        ...(over ? [closedEvent(over, origin)] : []),
        askedEvent(ask, elevation, joined !== undefined, origin),
      ],
      authority,
    });
    if (outcome.committed) {
      const endsAt = elevation.decideBy - DECIDE_WITHIN_MS + CODE_LIFETIME_SECONDS * 1_000;
      return {
        outcome: 'deferred',
        elevation,
        code: joined?.code ?? code,
        expiresIn: Math.max(0, Math.floor((endsAt - origin.now) / 1_000)),
        isJoined: joined !== undefined,
      };
    }
    if (outcome.conflict === 'already-used') return { outcome: 'conflict', conflict: 'already-used' };
    // The caller has authenticated, and is told no more than if it had not.
    if (outcome.conflict === 'authority-ended') return refuse('elevation-authority-ended');
  }
  throw new StoreUnavailable(`an elevation was changed ${MAX_ATTEMPTS} times while it was being asked for`);
}

async function countWaiting({ elevations }: ElevationDeps, agentId: string): Promise<number> {
  const facets = [ELEVATION_FACETS.agent(agentId), ELEVATION_FACETS.status('pending')];
  return (await elevations.listElevations({ limit: MAX_WAITING, facets })).items.length;
}

/** A deferral code of its own for whoever asks for the same: one decision, and one redemption for all. */
function joinElevation(
  waiting: Elevation,
  now: number,
): { readonly elevation: Elevation; readonly code: string } {
  const { code, digest } = newDeferralCode(waiting.id);
  const elevation = {
    ...waiting,
    codes: [...waiting.codes, digest],
    version: waiting.version + 1,
    updatedAt: Math.max(now, waiting.updatedAt),
  };
  return { elevation, code };
}

/**
 * For how long an agent could be raised: as long as it asks, at most 900 s, and not beyond what it rests on. Pure.
 *
 * @param asked seconds
 * @param endsAt of what it rests on, in seconds since the epoch
 * @param latest milliseconds since the epoch
 */
export function narrowSeconds(asked: number | undefined, endsAt: number, latest: number): number {
  const left = Math.floor(endsAt - latest / 1_000);
  return Math.min(asked ?? MAX_ELEVATION_SECONDS, MAX_ELEVATION_SECONDS, left);
}

/**
 * Stands for a request: an identical one joins it while it waits. Not the reason, and the duration as it was asked, which is narrowed by
 * the moment. Pure.
 */
export function digestOfAsk(
  {
    clientId,
    proofKey,
    decision,
    delegationId,
  }: Pick<ElevationAsk, 'clientId' | 'proofKey' | 'decision' | 'delegationId'>,
  seconds: number | undefined,
): string {
  const request = {
    client: clientId,
    key: proofKey ?? null,
    source: delegationId ?? decision.subject,
    resource: decision.resource.id,
    scopes: decision.scopes.toSorted(),
    details: [],
    seconds: seconds ?? null,
  };
  return hash('sha256', canonicalize(request) ?? '', 'base64url');
}

function askedEvent(ask: ElevationAsk, elevation: Elevation, isJoined: boolean, origin: Origin): AuditEvent {
  const {
    id,
    subject,
    resource,
    scopes,
    beyond,
    approverId,
    seconds,
    decideBy,
    reason,
    bindingCode,
    delegationId,
  } = elevation;
  return {
    type: 'elevation.asked',
    outcome: 'done',
    ...eventOrigin(origin),
    client: ask.clientId,
    subject,
    actor: elevation.actors.length > 0 ? elevation.actors : [ask.agent.id],
    target: id,
    resource,
    scope: scopes.join(' '),
    detail: {
      beyond,
      approver: approverId,
      seconds,
      decideBy,
      bindingCode,
      ...(delegationId && { delegation: delegationId }),
      // The agent's own words, cleaned; of another ask than the first they are heard here alone.
      claimedReason: isJoined ? untrustedText(ask.reason ?? '', MAX_REASON_LENGTH) : reason,
      ...(isJoined && { joins: true }),
    },
  };
}

function refuse(reason: AskRefusal, detail: RefusalDetail = {}): BasisRefused<AskRefusal> {
  return { outcome: 'refuse', reason, detail };
}
