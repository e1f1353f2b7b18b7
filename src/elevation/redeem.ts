import type { AgentStore } from '../agents/index.ts';
import { type AuditEvent, eventOrigin, type Origin, TAKES_AWAY } from '../audit/index.ts';
import type { AuthenticatedClient, VerifiedDpopProof } from '../clients/index.ts';
import { toSeconds } from '../clock.ts';
import { standOn } from '../delegation/index.ts';
import { type RefusalDetail, Refused, StoreUnavailable } from '../errors.ts';
import { DEFERRED_GRANT_TYPE, TOKEN_TYPES } from '../oauth.ts';
import {
  type Approved,
  decideRequest,
  type IssueTokenDeps,
  makeToken,
  type RequestDecision,
  refuseReplay,
  spentBy,
  type TokenResponse,
} from '../tokens/index.ts';
import { findByCode } from './cancel.ts';
import { changeElevation, getElevation } from './change-elevation.ts';
import {
  type CancelReason,
  COUNTERSIGNED_ACR,
  COUNTERSIGNED_AMR,
  type Elevation,
  type ElevationStatus,
} from './elevation.ts';
import type { ElevationDeps } from './elevation-deps.ts';
import { aboutElevation } from './elevation-events.ts';
import { type RedeemRefusal, TOLD_REASONS } from './elevation-refusal.ts';
import { elevationStatus, moveElevation, redeemingAuthority, writeOf } from './move-elevation.ts';
import { readShown } from './read-shown.ts';

/** What fetching what comes of a request needs: what deciding on it and issuing it does. */
export interface RedeemDeps
  extends ElevationDeps,
    Pick<IssueTokenDeps, 'tokens' | 'signer' | 'issuer' | 'maxTtlSeconds' | 'limits' | 'refusals'> {
  readonly agents: Pick<AgentStore, 'findAgent' | 'noteUse'>;
}

/** An authenticated poll. */
export interface Poll {
  readonly authenticated: AuthenticatedClient;
  /** `deferral_code` as it was sent. */
  readonly code: string;
  readonly proof: VerifiedDpopProof | undefined;
}

/** Far more changes than can get in between by accident. */
const MAX_ATTEMPTS = 20;

/** Why nothing is issued for a moment: what was approved is not over for it. */
const PASSING: ReadonlySet<string> = new Set(['clock-ahead', 'deployment-quarantined', 'no-signing-key']);

/**
 * The agent asks what has become of its request, and gets the token once it is approved: one unit marks it as redeemed, inserts the token,
 * and rests on everything that the elevation has rested on since it was asked for. Everything is evaluated again, by the one decision to
 * issue. Of those who fetch at once one alone gets the token.
 *
 * What the request presents is used up whatever comes of it.
 *
 * @returns `pending` where nobody has decided yet, which is not recorded
 * @throws {Refused<RedeemRefusal>} recorded; the preset reason of a denial is its `hint`
 * @throws {Refused<IssueRefusal>} `clock-ahead` and its like: for a moment nothing is issued
 * @throws {Refused<'assertion-replayed' | 'dpop-proof-replayed'>} recorded
 * @throws {StoreUnavailable}
 */
export async function redeemElevation(
  deps: RedeemDeps,
  poll: Poll,
  origin: Origin,
): Promise<TokenResponse | 'pending'> {
  const { authenticated, code, proof } = poll;
  const { clientId } = authenticated.client;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const current = await findByCode(deps, { clientId, code, proofKey: proof?.jkt });
    if (current === 'unknown') return refuse(deps, poll, 'elevation-code-unknown', undefined, origin);
    if (current === 'key-differs') return refuse(deps, poll, 'elevation-key-differs', undefined, origin);
    const status = elevationStatus(current, { ...origin, epochs: deps.epochs });
    if (status === 'pending') {
      await spend(deps, poll, origin);
      return 'pending';
    }
    if (status !== 'approved') return refuseFor(deps, poll, current, status, origin);

    const agent = await deps.agents.findAgent(current.agentId);
    const [decision, shown] = await Promise.all([
      agent ? decide(deps, current, agent, proof?.jkt, origin) : undefined,
      readShown(deps, current),
    ]);
    if (decision?.outcome === 'refuse' && PASSING.has(decision.reason)) {
      await spend(deps, poll, origin);
      throw new Refused(decision.reason, decision.detail);
    }
    // Tokens live for whole seconds: of the last one nothing is left.
    if (decision?.outcome === 'refuse' && decision.reason === 'approval-over') {
      return refuseFor(deps, poll, current, 'expired', origin);
    }
    if (!agent || decision?.outcome !== 'issue') {
      const cause = decision && decision.outcome !== 'issue' ? decision.reason : undefined;
      await cancel(deps, current, 'not-possible', cause, origin);
      continue;
    }
    const token = makeToken(
      deps,
      decision,
      {
        clientId,
        agent,
        proofKey: proof?.jkt,
        grant: DEFERRED_GRANT_TYPE,
        ...(current.delegationId && {
          answer: { issued_token_type: TOKEN_TYPES.accessToken },
          detail: { delegation: current.delegationId },
        }),
      },
      origin,
    );
    const redeemed = moveElevation(
      current,
      { kind: 'redeem', shownNow: shown?.digest, jti: token.jti },
      { ...origin, epochs: deps.epochs },
    );
    if (redeemed === 'elevation-digest-differs') {
      await cancel(deps, current, 'changed', undefined, origin);
      continue;
    }
    if (typeof redeemed === 'string') continue;
    const outcome = await deps.elevations.commit({
      changes: [...spentBy(authenticated, { proof }), writeOf(current, redeemed), ...token.changes],
      events: [redeemedEvent(redeemed, clientId, origin), ...token.events],
      authority: redeemingAuthority(current),
    });
    if (outcome.committed) {
      deps.agents.noteUse(agent.id, origin.now);
      return token.response;
    }
    if (outcome.conflict === 'already-used') {
      return refuseReplay(deps, { authenticated, proof, origin }, outcome.conflict);
    }
    if (outcome.conflict === 'authority-ended') {
      return refuseFor(deps, poll, current, 'cancelled', origin);
    }
  }
  throw new StoreUnavailable(`an elevation was changed ${MAX_ATTEMPTS} times while it was being fetched`);
}

/** Whether it is issued now, by everything as it is now: the one decision, with what was countersigned. */
async function decide(
  deps: RedeemDeps,
  elevation: Elevation,
  agent: Parameters<typeof decideRequest>[1],
  proofKey: string | undefined,
  origin: Origin,
): Promise<RequestDecision> {
  const { delegationId, resource, scopes } = elevation;
  const delegation = delegationId && (await deps.delegations.findDelegation(delegationId));
  // A delegation that is gone leaves an agent that asks for itself: what was countersigned is not for that.
  const { decision } = await decideRequest(
    deps,
    agent,
    { resources: [resource], scope: scopes.join(' '), proofKey },
    origin,
    delegation ? await standOn(deps, delegation, {}, origin.latest) : undefined,
    approvedBy(elevation),
  );
  return decision;
}

/** What was countersigned, as the decision to issue takes it. */
export function approvedBy({
  id,
  approval,
  subject,
  resourceId,
  scopes,
  proofKey,
  lineage,
}: Elevation): Approved {
  if (!approval) throw new TypeError('nobody has countersigned this elevation');
  const { by, at, digest, expiresAt } = approval;
  return {
    id,
    by,
    subject,
    resourceId,
    scopes,
    expiresAt,
    proofKey,
    lineage,
    claim: { id, by, amr: COUNTERSIGNED_AMR, acr: COUNTERSIGNED_ACR, auth_time: toSeconds(at), digest },
  };
}

async function cancel(
  deps: RedeemDeps,
  { id }: Elevation,
  reason: CancelReason,
  cause: string | undefined,
  origin: Origin,
): Promise<void> {
  await changeElevation(
    deps,
    () => getElevation(deps.elevations, id),
    { kind: 'cancel', reason },
    origin,
    TAKES_AWAY,
    cause === undefined ? {} : { cause },
  );
}

function redeemedEvent(elevation: Elevation, client: string, origin: Origin): AuditEvent {
  const { agentId, actors, approval, redeemed } = elevation;
  return {
    type: 'elevation.redeemed',
    outcome: 'done',
    ...aboutElevation(elevation, origin),
    client,
    actor: actors.length > 0 ? actors : [agentId],
    ...(redeemed && { jti: redeemed.jti }),
    detail: {
      approver: elevation.approverId,
      digest: approval?.digest ?? '',
      expiresAt: approval?.expiresAt ?? 0,
    },
  };
}

/** What is told of an elevation that is not approved any more, and never will be. */
async function refuseFor(
  deps: RedeemDeps,
  poll: Poll,
  elevation: Elevation,
  status: Exclude<ElevationStatus, 'approved' | 'pending'>,
  origin: Origin,
): Promise<never> {
  const told =
    status === 'denied' || status === 'revoked'
      ? elevation.denial?.reason
      : status === 'cancelled'
        ? (elevation.cancelReason ?? 'authority-ended')
        : undefined;
  return refuse(deps, poll, `elevation-${status}`, elevation, origin, told && { hint: TOLD_REASONS[told] });
}

async function refuse(
  deps: RedeemDeps,
  poll: Poll,
  reason: RedeemRefusal,
  elevation: Elevation | undefined,
  origin: Origin,
  detail: RefusalDetail = {},
): Promise<never> {
  const { clientId, principalId } = poll.authenticated.client;
  await spend(deps, poll, origin);
  await deps.refusals.note(
    {
      type: 'elevation.redeem-refused',
      outcome: 'refused',
      reason,
      ...(elevation ? aboutElevation(elevation, origin) : { ...eventOrigin(origin), subject: principalId }),
      client: clientId,
      actor: [principalId],
    },
    'registered',
  );
  throw new Refused<RedeemRefusal>(reason, detail);
}

/** Uses up what the request presents: by being presented, whatever comes of it. */
export async function spend(deps: RedeemDeps, { authenticated, proof }: Poll, origin: Origin): Promise<void> {
  const changes = spentBy(authenticated, { proof });
  if (changes.length === 0) return;
  const outcome = await deps.elevations.commit({ changes, events: [] });
  if (!outcome.committed) await refuseReplay(deps, { authenticated, proof, origin }, outcome.conflict);
}
