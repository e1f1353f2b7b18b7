import { type ElevationStatus, isRunning, type JudgedElevation, listElevations } from '../elevation/index.ts';
import { countInWords, listWaiting, MOST_READ } from './approval-waiting.ts';
import { tellElevation } from './approval-words.ts';
import { DAY_MS } from './delegation-choice.ts';
import { ownPage } from './my-pages.ts';
import type { PageAnswer, PageDeps, SignedInVisit } from './page-deps.ts';

/** So much is shown, however much somebody asks: whoever asks often must not make the page long, or slow (I16). */
const MOST_WAITING = 50;
const MOST_DECIDED = 50;
const SHOWN_DECIDED_MS = 30 * DAY_MS;

/** Newest first. */
async function newest(
  { elevation: deps }: PageDeps,
  { session, origin }: SignedInVisit,
  status?: ElevationStatus,
): Promise<readonly JudgedElevation[]> {
  const query = { approverId: session.person.id, status, sort: '-id', limit: MOST_READ } as const;
  return (await listElevations(deps, query, origin)).items;
}

/** What waits for whoever is signed in, what runs by their approval, and what is over. It changes nothing. */
export async function inboxPage(deps: PageDeps, visit: SignedInVisit): Promise<PageAnswer> {
  const { origin, words } = visit;
  const world = { epochs: deps.elevation.epochs, latest: origin.latest };
  const [waiting, approved, redeemed, all] = await Promise.all([
    listWaiting(deps, visit),
    newest(deps, visit, 'approved'),
    newest(deps, visit, 'redeemed'),
    newest(deps, visit),
  ]);
  const running = [...approved, ...redeemed].filter(each => isRunning(each, world));
  const decided = all.filter(
    each =>
      each.status !== 'pending' &&
      !isRunning(each, world) &&
      origin.latest - each.elevation.createdAt < SHOWN_DECIDED_MS,
  );
  const show = async (each: JudgedElevation) => ({
    ...(await showRow(deps, each, visit)),
    ...tellElevation(each, world, words),
  });
  const [rows, runningRows, decidedRows] = await Promise.all([
    Promise.all(waiting.slice(0, MOST_WAITING).map(show)),
    Promise.all(running.map(show)),
    Promise.all(decided.slice(0, MOST_DECIDED).map(show)),
  ]);
  const ended = decidedRows.find(({ id }) => id === visit.query('ended'));
  return {
    ...ownPage(visit, 'approvals', 'approvals.title'),
    data: {
      count: countInWords(waiting.length, visit),
      waiting: rows,
      more: waiting.length > MOST_WAITING && words.t('approvals.more', { count: MOST_WAITING }),
      running: runningRows,
      decided: decidedRows,
      newest: decided.length > MOST_DECIDED && words.t('approvals.newest', { count: MOST_DECIDED }),
      notice: ended && words.t('approvals.ended', { agent: ended.agent, resource: ended.resource }),
    },
  };
}

/** A request in one line, by the records as they are now. */
async function showRow(
  { agents, resources }: PageDeps,
  { elevation }: JudgedElevation,
  { words }: SignedInVisit,
) {
  const [agent, resource] = await Promise.all([
    agents.findAgent(elevation.agentId),
    resources.findResource(elevation.resourceId),
  ]);
  const scopes = elevation.beyond.map(
    name =>
      resource?.scopes.find(each => each.name === name) ?? {
        name,
        sentence: name,
        risk: 'high' as const,
      },
  );
  const names = { agent: agent?.name ?? elevation.agentId, resource: resource?.name ?? elevation.resource };
  const what = scopes.map(({ sentence }) => sentence).join(' · ');
  return {
    ...names,
    id: elevation.id,
    says: words.t(elevation.delegationId ? 'approval.says-you' : 'approval.says-itself', {
      ...names,
      span: words.span(elevation.seconds),
    }),
    what,
    risk: highestRisk(scopes),
    decideBy: words.clock(elevation.decideBy),
    endLabel: words.t('approvals.end-label', { ...names, what }),
  };
}

type Risk = 'low' | 'medium' | 'high';

/** Of what would be new. */
export function highestRisk(scopes: readonly { readonly risk: Risk }[]): Risk {
  return (['high', 'medium'] as const).find(risk => scopes.some(each => each.risk === risk)) ?? 'low';
}
