import { type Agent, agentStatus, listAgents, scopesAt } from '../agents/index.ts';
import { refuseWhileAhead } from '../audit/index.ts';
import {
  checkDelegation,
  type Delegation,
  type DelegationDeps,
  type DelegationRefusal,
  type DelegationStore,
  type DelegationTerms,
  delegationInput,
  endOwnDelegation,
  giveDelegation,
  MAX_DELEGATION_DAYS,
  narrowsDelegation,
} from '../delegation/index.ts';
import { Refused } from '../errors.ts';
import { PAGE_REFUSALS, type PageRefusal } from '../http/index.ts';
import { parseInput } from '../input/index.ts';
import { assertFactorFresh } from '../people/index.ts';
import { mayBeDelegated, type Resource, standingScopes } from '../resources/index.ts';
import {
  boxOf,
  choiceAddress,
  choiceFields,
  DAY_MS,
  type DelegationChoice,
  dayOf,
  endOfChoice,
  endOfDay,
  readAgentText,
  readBoxes,
  readChoice,
  UNTIL,
  type Until,
} from './delegation-choice.ts';
import type { MessageKey } from './messages-en.ts';
import { actingAs, ownPage } from './my-pages.ts';
import type { PageAnswer, PageDeps, SignedInVisit } from './page-deps.ts';
import { type PageShell, pageReasonOf } from './page-shell.ts';

const MOST_AGENTS = 200;
const DEFAULT_UNTIL: Until = '7d';

const UNTIL_TEXTS = {
  today: 'give.until-today',
  '1d': 'give.until-1d',
  '7d': 'give.until-7d',
  '30d': 'give.until-30d',
  date: 'give.until-date',
} as const satisfies Record<Until, MessageKey>;

/** What is wrong with a choice, and at which field it is told. */
interface ChoiceProblem {
  readonly field: 'agent' | 'resource' | 'scopes' | 'until';
  readonly reason: PageRefusal;
  readonly text: string;
}

/** At which field a refusal is told; whatever is not here is a page of its own. */
const FIELDS: Readonly<Partial<Record<DelegationRefusal, ChoiceProblem['field']>>> = {
  'delegation-agent-unknown': 'agent',
  'delegation-agent-not-active': 'agent',
  'delegation-agent-is-application': 'agent',
  'delegation-resource-unknown': 'resource',
  'delegation-resource-disabled': 'resource',
  'delegation-resource-not-possible': 'resource',
  'delegation-scope-unknown': 'scopes',
  'delegation-scope-beyond-envelope': 'scopes',
  'delegation-scope-high-risk': 'scopes',
  'delegation-end-not-possible': 'until',
};

/**
 * A person lets an agent act for them, in three steps: whom and where, what and until when, and one page that says what that means.
 * A second factor of the last minutes is asked for before they choose, so that nothing is typed for nothing, and again when they give.
 *
 * To end it is one press on their page, and asks for nothing more.
 */
export function delegationPages(deps: PageDeps, shell: PageShell): void {
  shell.showOwn('/me/delegations/new', async visit => {
    const text = visit.query('agent');
    if (text === undefined) return whomPage(deps, visit);
    const pasted = readAgentText(text, pageAddress(deps));
    if (!pasted) return whomPage(deps, visit, text, problemOf(visit, 'delegation-agent-unknown'));
    // A link that was pasted, or a space before an identifier: the address tells from now on what was meant.
    if (pasted.agentId !== text) return { redirect: choiceAddress(pasted) };
    return choosePage(deps, visit, readChoice(visit.query));
  });

  shell.takeOwn('/me/delegations/review', async (visit, form) => {
    const asked = readChoice(form.get);
    const place = await findPlace(deps, visit, asked);
    if ('problem' in place) return choosePage(deps, visit, asked);
    const choice = readBoxes(form, givableScopes(place));
    const stale = stepUpFirst(visit, choice);
    if (stale) return stale;
    if (choice.scopes.length === 0) return formPage(deps, visit, choice, place, problemIn(visit, 'scopes'));
    const expiresAt = endOfChoice(choice, visit.origin.now);
    if (expiresAt === undefined) return formPage(deps, visit, choice, place, problemIn(visit, 'until'));
    return mendable(deps, visit, choice, () => confirmPage(deps, visit, choice, expiresAt));
  });

  shell.takeOwn('/me/delegations', async (visit, form) => {
    const choice = readChoice(form.get);
    const stale = stepUpFirst(visit, choice);
    if (stale) return stale;
    const personId = visit.session.person.id;
    await refuseWhileAhead(
      deps.signIn.refusals,
      { type: 'delegation.give-refused', subject: personId, target: choice.agentId },
      visit.origin,
    );
    const expiresAt = form.get('expires_at') ?? '';
    const asSeen = { ...delegationDeps(deps), delegations: asItWasSeen(deps.delegations, form.get('seen')) };
    try {
      return await mendable(deps, visit, choice, async () => {
        const { delegation } = await giveDelegation(
          asSeen,
          personId,
          { ...choiceTerms(choice), expiresAt },
          actingAs(visit),
        );
        return { redirect: `/me?given=${delegation.id}` };
      });
    } catch (error) {
      if (pageReasonOf(error) !== 'delegation-ended') throw error;
      const page = await confirmPage(deps, visit, choice, Date.parse(expiresAt));
      if ('redirect' in page) return page;
      const { status } = PAGE_REFUSALS['delegation-ended'];
      return { ...page, status, data: { ...page.data, problem: visit.words.t('refused.delegation-ended') } };
    }
  });

  shell.takeOwn('/me/delegations/:id/end', async visit => {
    const id = visit.param('id');
    try {
      await endOwnDelegation(deps, visit.session.person.id, id, actingAs(visit));
    } catch (error) {
      // Somebody else's looks like none, and like any other page that is not there (I3, I15).
      const isUnknown = error instanceof Refused && error.reason === 'delegation-unknown';
      throw isUnknown ? new Refused<PageRefusal>('not-found') : error;
    }
    return { redirect: `/me?ended=${id}` };
  });
}

function pageAddress({ issuer }: PageDeps): URL {
  const prefix = issuer.pathname === '/' ? '' : issuer.pathname;
  return new URL(`${prefix}/me/delegations/new`, issuer);
}

function delegationDeps(deps: PageDeps): DelegationDeps {
  return { ...deps, people: deps.signIn.people, refusals: deps.signIn.refusals };
}

/** Nobody gives with a factor of long ago. What was chosen comes back with them. */
function stepUpFirst({ session, origin }: SignedInVisit, choice: DelegationChoice): PageAnswer | undefined {
  try {
    assertFactorFresh(session, origin.latest);
    return undefined;
  } catch (error) {
    if (pageReasonOf(error) !== 'step-up-required') throw error;
    return { redirect: `/step-up?${new URLSearchParams({ next: choiceAddress(choice) })}` };
  }
}

function choiceTerms({ agentId, resource, scopes }: DelegationChoice) {
  return { agentId, resource: resource ?? '', scopes };
}

/** Does something, or shows the page where what refuses it can be mended. */
async function mendable(
  deps: PageDeps,
  visit: SignedInVisit,
  choice: DelegationChoice,
  work: () => Promise<PageAnswer>,
): Promise<PageAnswer> {
  try {
    return await work();
  } catch (error) {
    const problem = error instanceof Refused ? problemOf(visit, error.reason) : undefined;
    if (!problem) throw error;
    return choosePage(deps, visit, choice, problem);
  }
}

function problemOf({ words }: SignedInVisit, reason: string): ChoiceProblem | undefined {
  const field = FIELDS[reason as DelegationRefusal];
  if (!field) return undefined;
  const known = reason as keyof typeof FIELDS & PageRefusal;
  return { field, reason: known, text: words.t(`refused.${known}`) };
}

/** That nothing was chosen, or nothing that there is. */
function problemIn({ words }: SignedInVisit, field: 'scopes' | 'until'): ChoiceProblem {
  const text = words.t(field === 'scopes' ? 'give.no-scopes' : 'give.no-until');
  return { field, reason: 'field-invalid', text };
}

/** An agent at a place where it can be let act. */
interface Place {
  readonly agent: Agent;
  readonly resource: Resource;
}

/** What of it a person can give: the use case has the last word. */
function givableScopes({ agent, resource }: Place): readonly string[] {
  const envelope = scopesAt(agent.envelope, resource.identifier);
  return standingScopes(resource).filter(scope => envelope.includes(scope));
}

/** Where an agent can be let act at all. */
async function placesOf({ resources }: PageDeps, agent: Agent): Promise<readonly Resource[]> {
  const found = await Promise.all(
    agent.envelope.map(({ resource }) => resources.findResourceByIdentifier(resource)),
  );
  return found.filter(
    each => each !== undefined && each.status === 'active' && mayBeDelegated(each),
  ) as Resource[];
}

async function findAgent(
  { agents }: PageDeps,
  visit: SignedInVisit,
  id: string,
): Promise<{ readonly agent: Agent } | { readonly problem: ChoiceProblem | undefined }> {
  const agent = await agents.findAgent(id);
  if (!agent) return { problem: problemOf(visit, 'delegation-agent-unknown') };
  if (!worksByItself(agent)) return { problem: problemOf(visit, 'delegation-agent-is-application') };
  if (agentStatus(agent, visit.origin.latest) !== 'active') {
    return { problem: problemOf(visit, 'delegation-agent-not-active') };
  }
  return { agent };
}

function worksByItself({ application, applicationId }: Agent): boolean {
  return application === undefined && applicationId === undefined;
}

async function findPlace(
  deps: PageDeps,
  visit: SignedInVisit,
  { agentId, resource: identifier }: DelegationChoice,
): Promise<Place | { readonly problem: ChoiceProblem | undefined }> {
  const found = await findAgent(deps, visit, agentId);
  if ('problem' in found) return found;
  const resource = (await placesOf(deps, found.agent)).find(each => each.identifier === identifier);
  if (!resource) return { problem: problemOf(visit, 'delegation-resource-unknown') };
  return { agent: found.agent, resource };
}

/** The next page for a choice: whom, where, or what and until when. */
async function choosePage(
  deps: PageDeps,
  visit: SignedInVisit,
  choice: DelegationChoice,
  problem?: ChoiceProblem,
): Promise<PageAnswer> {
  await deps.freshness.fresh();
  const found = await findAgent(deps, visit, choice.agentId);
  if ('problem' in found) return whomPage(deps, visit, choice.agentId, found.problem);
  const stale = stepUpFirst(visit, choice);
  if (stale) return stale;
  const { agent } = found;
  const places = await placesOf(deps, agent);
  const only = places.length === 1 ? places[0]?.identifier : undefined;
  const identifier = choice.resource ?? only;
  const resource = places.find(each => each.identifier === identifier);
  if (resource)
    return formPage(deps, visit, { ...choice, resource: identifier }, { agent, resource }, problem);
  const isWrong = choice.resource !== undefined;
  return wherePage(
    deps,
    visit,
    agent,
    places,
    isWrong ? (problem ?? problemOf(visit, 'delegation-resource-unknown')) : undefined,
  );
}

function refusedWith(problem: ChoiceProblem | undefined) {
  return problem === undefined ? {} : { status: PAGE_REFUSALS[problem.reason].status };
}

async function whomPage(
  deps: PageDeps,
  visit: SignedInVisit,
  typed = '',
  problem?: ChoiceProblem,
): Promise<PageAnswer> {
  const { session, origin } = visit;
  const query = { ownerId: session.person.id, status: 'active', limit: MOST_AGENTS } as const;
  const own = (await listAgents(deps.agents, query, origin.latest)).items.filter(worksByItself);
  const withPlaces = await Promise.all(
    own.map(async agent => ({ agent, places: await placesOf(deps, agent) })),
  );
  return {
    ...ownPage(visit, 'delegation-whom', 'give.title'),
    ...refusedWith(problem),
    data: {
      typed,
      problem: problem?.text,
      agents: withPlaces
        .filter(({ places }) => places.length > 0)
        .map(({ agent, places }) => ({
          name: agent.name,
          purpose: agent.purpose,
          where: places.map(({ name }) => name).join(' · '),
          address: choiceAddress({ agentId: agent.id, scopes: [] }),
        })),
    },
  };
}

async function wherePage(
  deps: PageDeps,
  visit: SignedInVisit,
  agent: Agent,
  places: readonly Resource[],
  problem: ChoiceProblem | undefined,
): Promise<PageAnswer> {
  return {
    ...ownPage(visit, 'delegation-where', 'give.title'),
    ...refusedWith(problem),
    data: {
      agent: await showAgent(deps, agent, visit),
      problem: problem?.text,
      places: places.map(resource => ({
        name: resource.name,
        identifier: resource.identifier,
        address: choiceAddress({ agentId: agent.id, resource: resource.identifier, scopes: [] }),
      })),
    },
  };
}

/** Who it is: what others wrote of it is shown as theirs. */
async function showAgent({ signIn }: PageDeps, agent: Agent, { session }: SignedInVisit) {
  const isOwn = agent.ownerId === session.person.id;
  const owner = isOwn ? undefined : await signIn.people.findPerson(agent.ownerId);
  return {
    id: agent.id,
    name: agent.name,
    purpose: agent.purpose,
    isOwn,
    owner: owner?.name ?? agent.ownerId,
  };
}

function findCurrent(
  { delegations }: PageDeps,
  { session }: SignedInVisit,
  { agent, resource }: Place,
): Promise<Delegation | undefined> {
  return delegations.findActiveDelegation({
    personId: session.person.id,
    agentId: agent.id,
    resourceId: resource.id,
  });
}

async function formPage(
  deps: PageDeps,
  visit: SignedInVisit,
  choice: DelegationChoice,
  place: Place,
  problem?: ChoiceProblem,
): Promise<PageAnswer> {
  const { agent, resource } = place;
  const { words, origin } = visit;
  const envelope = scopesAt(agent.envelope, resource.identifier);
  const givable = givableScopes(place);
  const found = await findCurrent(deps, visit, place);
  const current = found && found.expiresAt > origin.latest ? found : undefined;
  const isFresh = choice.until === undefined && choice.scopes.length === 0;
  const chosen = isFresh && current ? current.scopes : choice.scopes;
  const shown = resource.scopes.filter(({ name }) => envelope.includes(name));
  const until = choice.until ?? DEFAULT_UNTIL;
  return {
    ...ownPage(visit, 'delegation-form', 'give.title'),
    ...refusedWith(problem),
    data: {
      agent: await showAgent(deps, agent, visit),
      resource,
      places: (await placesOf(deps, agent)).length,
      whereAddress: choiceAddress({ agentId: agent.id, scopes: [] }),
      may: shown
        .filter(({ name }) => givable.includes(name))
        .map(scope => ({ ...scope, box: boxOf(scope.name), isChosen: chosen.includes(scope.name) })),
      withheld: shown.filter(({ name }) => !givable.includes(name)),
      untils: UNTIL.map(value => {
        const end =
          value === 'date' ? undefined : endOfChoice({ agentId: '', scopes: [], until: value }, origin.now);
        return {
          value,
          text: words.t(UNTIL_TEXTS[value]),
          when: end === undefined ? '' : words.when(end),
          isChosen: value === until,
        };
      }),
      date: choice.date ?? '',
      firstDay: dayOf(origin.now),
      lastDay: dayOf(lastEnd(origin.now)),
      lastEnd: words.when(lastEnd(origin.now)),
      current: current && { since: current.updatedAt, expiresAt: current.expiresAt },
      problemField: problem?.field,
      problem: problem?.text,
    },
  };
}

/** The last day that is wholly within what is permitted, to its end. */
function lastEnd(nowMs: number): number {
  return endOfDay(nowMs + (MAX_DELEGATION_DAYS - 1) * DAY_MS);
}

/** One page that says what it means, and what it replaces. @throws what the use case would refuse */
async function confirmPage(
  deps: PageDeps,
  visit: SignedInVisit,
  choice: DelegationChoice,
  expiresAt: number,
): Promise<PageAnswer> {
  const { session, origin, words } = visit;
  await deps.freshness.fresh();
  const end = Number.isNaN(expiresAt) ? '' : new Date(expiresAt).toISOString();
  const input = parseInput(delegationInput, { ...choiceTerms(choice), expiresAt: end });
  const terms = await checkDelegation(delegationDeps(deps), session.person.id, input, origin);
  const place = await findPlace(deps, visit, choice);
  if ('problem' in place) return choosePage(deps, visit, choice, place.problem);
  const { agent, resource } = place;
  const current = await findCurrent(deps, visit, place);
  const inWords = (scopes: readonly string[]) =>
    scopes.map(
      name => resource.scopes.find(scope => scope.name === name) ?? { name, sentence: name, risk: 'high' },
    );
  return {
    ...ownPage(visit, 'delegation-confirm', 'give.confirm-title'),
    data: {
      agent: await showAgent(deps, agent, visit),
      resource,
      sentence: words.t('give.sentence', {
        agent: agent.name,
        resource: resource.name,
        when: words.when(terms.expiresAt),
      }),
      scopes: inWords(terms.scopes),
      replaces:
        current && current.expiresAt > origin.latest ? showChange(current, terms, visit, inWords) : undefined,
      fields: {
        ...choiceFields(choice),
        expires_at: end,
        ...(current && { seen: seenOf(current) }),
      },
      backAddress: choiceAddress(choice),
    },
  };
}

function showChange(
  current: Delegation,
  terms: DelegationTerms,
  { words, origin }: SignedInVisit,
  inWords: (scopes: readonly string[]) => readonly { readonly sentence: string }[],
) {
  return {
    since: words.when(current.updatedAt),
    added: inWords(terms.scopes.filter(scope => !current.scopes.includes(scope))),
    removed: inWords(current.scopes.filter(scope => !terms.scopes.includes(scope))),
    before: words.when(current.expiresAt),
    after: words.when(terms.expiresAt),
    isOtherEnd: current.expiresAt !== terms.expiresAt,
    cutsOff: narrowsDelegation(current, terms, origin.latest),
  };
}

function seenOf(current: Delegation | undefined): string | undefined {
  return current && `${current.id}.${current.version}`;
}

/**
 * The store, for a give that was confirmed on a page which said what it replaces: where something else stands there now, since it was
 * ended or given again in another window, nothing is given on the strength of what is no longer so (I6).
 *
 * @param seen what stood there when the page was made
 */
function asItWasSeen(delegations: DelegationStore, seen: string | undefined): DelegationStore {
  return {
    commit: unit => delegations.commit(unit),
    findDelegation: id => delegations.findDelegation(id),
    listDelegations: page => delegations.listDelegations(page),
    findActiveDelegation: async triple => {
      const current = await delegations.findActiveDelegation(triple);
      if (seenOf(current) !== seen) throw new Refused<DelegationRefusal>('delegation-ended');
      return current;
    },
  };
}
