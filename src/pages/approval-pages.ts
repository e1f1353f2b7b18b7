import {
  approveElevation,
  DENIAL_REASONS,
  type DisplayedElevation,
  denyElevation,
  displayElevation,
  type Elevation,
  isRunning,
  type ShownElevation,
} from '../elevation/index.ts';
import { Refused } from '../errors.ts';
import { PAGE_REFUSALS, type PageRefusal } from '../http/index.ts';
import { findNextCode } from '../people/index.ts';
import { highestRisk, inboxPage } from './approval-inbox.ts';
import { BECAUSE, tellElevation } from './approval-words.ts';
import { ownPage } from './my-pages.ts';
import type { PageAnswer, PageDeps, SignedInVisit } from './page-deps.ts';
import { type PageShell, pageReasonOf } from './page-shell.ts';

/** What one press says: the agent is told no more of it than that it is not wanted now. */
const PLAIN_DENIAL = 'not-now';

/**
 * A person sees what an agent asks beyond what it has, and countersigns exactly that with a code, or denies it with one press. What is
 * shown comes from the use case alone, and the form carries the digest of it (I4).
 *
 * To approve takes a code that is good for this alone; to deny and to end take nothing, and are never locked.
 */
export function approvalPages(deps: PageDeps, shell: PageShell): void {
  shell.showOwn('/approvals', visit => inboxPage(deps, visit));
  shell.showOwn('/approvals/:id', visit => cardPage(deps, visit));

  shell.takeOwn('/approvals/:id/approve', (visit, form) =>
    orCard(deps, visit, async id => {
      const signed = { digest: form.get('digest') ?? '', code: form.get('code') ?? '' };
      await approveElevation(deps.elevation, visit.sessionValue, id, signed, visit.origin);
      return { redirect: cardOf(id) };
    }),
  );

  shell.takeOwn('/approvals/:id/deny', (visit, form) =>
    orCard(deps, visit, async id => {
      const sent = form.get('reason') ?? PLAIN_DENIAL;
      const reason = DENIAL_REASONS.find(each => each === sent);
      if (!reason) throw new Refused<PageRefusal>('field-invalid');
      await denyElevation(deps.elevation, visit.session.person.id, id, reason, visit.origin);
      return { redirect: cardOf(id) };
    }),
  );

  shell.takeOwn('/approvals/:id/end', (visit, form) =>
    orCard(deps, visit, async id => {
      await denyElevation(deps.elevation, visit.session.person.id, id, PLAIN_DENIAL, visit.origin);
      return { redirect: form.get('from') === 'inbox' ? `/approvals?ended=${id}` : cardOf(id) };
    }),
  );
}

function cardOf(id: string): string {
  return `/approvals/${id}`;
}

/** At the card is told what keeps somebody from deciding: it says besides what the request is now. */
const AT_CARD: ReadonlySet<PageRefusal> = new Set([
  'factor-refused',
  'elevation-approved',
  'elevation-redeemed',
  'elevation-denied',
  'elevation-cancelled',
  'elevation-expired',
  'elevation-revoked',
  'elevation-digest-differs',
  'elevation-changed',
]);

async function orCard(
  deps: PageDeps,
  visit: SignedInVisit,
  work: (id: string) => Promise<PageAnswer>,
): Promise<PageAnswer> {
  try {
    return await work(visit.param('id'));
  } catch (error) {
    if (isForeign(error)) throw new Refused<PageRefusal>('not-found');
    const reason = pageReasonOf(error);
    if (!AT_CARD.has(reason)) throw error;
    return cardPage(deps, visit, reason);
  }
}

/** Somebody else's looks like none, and like any other page that is not there (I3, I15). */
function isForeign(error: unknown): boolean {
  return (
    error instanceof Refused &&
    (error.reason === 'elevation-unknown' || error.reason === 'elevation-not-yours')
  );
}

async function cardPage(deps: PageDeps, visit: SignedInVisit, refusal?: PageRefusal): Promise<PageAnswer> {
  let displayed: DisplayedElevation;
  try {
    displayed = await displayElevation(deps.elevation, visit.session, visit.param('id'), visit.origin);
  } catch (error) {
    throw isForeign(error) ? new Refused<PageRefusal>('not-found') : error;
  }
  const { session, words, origin } = visit;
  const { elevation, status, digest } = displayed;
  const judged = { elevation, status };
  const world = { epochs: deps.elevation.epochs, latest: origin.latest };
  const shown = displayed.shown ?? bareNames(elevation);
  const told = displayed.shown
    ? tellElevation(judged, world, words)
    : tellElevation({ elevation, status: status === 'pending' ? 'cancelled' : status }, world, words);
  const asks = shown.scopes.filter(({ name }) => elevation.beyond.includes(name)).map(inWords);
  const { approval } = elevation;
  const problem = refusal && words.t(`refused.${refusal}`);
  const isAtCode = refusal === 'factor-refused' && told.tone === 'waiting';
  return {
    ...ownPage(visit, 'approval', 'approvals.title'),
    ...(refusal && { status: PAGE_REFUSALS[refusal].status }),
    data: {
      id: elevation.id,
      told,
      isRunning: isRunning(judged, world),
      hasChangedSince: approval !== undefined && approval.digest !== digest,
      shown: { ...shown, isOwnerYou: shown.owner.id === session.person.id },
      says: words.t(elevation.delegationId ? 'approval.says-you' : 'approval.says-itself', {
        agent: shown.agent.name,
        resource: shown.resource.name,
        span: words.span(shown.seconds),
      }),
      howLong: words.span(shown.seconds),
      asks,
      risk: highestRisk(asks),
      rows: compare(shown),
      delegationEnd: shown.delegation && words.exactly(Date.parse(shown.delegation.expiresAt)),
      /** Oldest first, as the work was handed on; one who acts alone stands above. */
      through: shown.actors.length > 1 ? shown.actors.toReversed() : [],
      askedAt: words.exactly(elevation.createdAt),
      decideBy: words.clock(Date.parse(shown.decideBy)),
      leftMs: Date.parse(shown.decideBy) - origin.latest,
      digest,
      approvedDigest: approval?.digest,
      reasons: DENIAL_REASONS.map(value => ({ value, text: words.t(BECAUSE[value]) })),
      plainDenial: PLAIN_DENIAL,
      ...(told.tone === 'waiting' && (await showNextCode(deps, visit))),
      codeProblem: isAtCode ? problem : undefined,
      problem: isAtCode ? undefined : problem,
    },
  };
}

/** Whether a code can be used now, and if not, from when on. */
async function showNextCode({ signIn }: PageDeps, { session, origin, words }: SignedInVisit) {
  const { lockedUntil, shownFrom, shownIn } = await findNextCode(signIn, session, origin);
  return {
    locked: lockedUntil !== undefined && words.t('approval.locked', { when: words.exactly(lockedUntil) }),
    codeFrom: shownFrom !== undefined && words.t('approval.code-wait', { when: words.clock(shownFrom) }),
    codeInMs: shownIn,
  };
}

function inWords<S extends { readonly name: string; readonly sentence: string }>(scope: S): S {
  // What the resource server has no longer has no sentence, and could not be issued any more.
  return scope.sentence === '' ? { ...scope, sentence: scope.name } : scope;
}

/** Each scope that it has there or would have: so that what is new stands beside what is not. */
function compare({ held, scopes }: ShownElevation) {
  const has = (name: string): boolean => held.some(each => each.name === name);
  const asks = (name: string): boolean => scopes.some(each => each.name === name);
  return [...scopes, ...held.filter(({ name }) => !asks(name))]
    .map(inWords)
    .map(scope => ({ ...scope, isHeld: has(scope.name), isAsked: asks(scope.name) }))
    .toSorted((a, b) => Number(a.isHeld) - Number(b.isHeld));
}

/** What can be said of a request of which a record is gone: the identifiers. */
function bareNames(elevation: Elevation): ShownElevation {
  const named = (id: string) => ({ id, name: id });
  const { id, agentId, ownerId, actors, subject, resource, scopes, seconds, decideBy, reason, bindingCode } =
    elevation;
  return {
    id,
    agent: named(agentId),
    owner: named(ownerId),
    actors: actors.map(named),
    subject: named(subject),
    resource: { identifier: resource, name: resource },
    held: [],
    scopes: scopes.map(name => ({ name, sentence: name, risk: 'high' })),
    seconds,
    decideBy: new Date(decideBy).toISOString(),
    reason,
    bindingCode,
  };
}
