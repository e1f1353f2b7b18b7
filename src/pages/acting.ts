import type { Agent } from '../agents/index.ts';
import { type AuditEvent, listEvents } from '../audit/index.ts';
import {
  type DelegationStatus,
  delegatedScopes,
  eachDelegation,
  type JudgedDelegation,
  listDelegations,
} from '../delegation/index.ts';
import type { Resource } from '../resources/index.ts';
import { choiceAddress, DAY_MS } from './delegation-choice.ts';
import type { PageDeps, SignedInVisit } from './page-deps.ts';
import type { Words } from './words.ts';

/** Of what is over, so much is shown, and so long. */
const MOST_OVER = 5;
const SHOWN_OVER_MS = 30 * DAY_MS;
const MOST_ENDED_READ = 100;

/** Who acts for a person, with what is over since a month; and what was just done about it. */
export async function listActing(deps: PageDeps, visit: SignedInVisit) {
  const { session, origin, words } = visit;
  const { latest } = origin;
  const parties = { ...deps, people: deps.signIn.people };
  const personId = session.person.id;
  const all = async (status: DelegationStatus): Promise<readonly JudgedDelegation[]> => {
    const found: JudgedDelegation[] = [];
    for await (const each of eachDelegation(parties, { personId, status }, latest)) found.push(each);
    return found;
  };
  const [active, suspended, expired, ended] = await Promise.all([
    all('active'),
    all('suspended'),
    all('expired'),
    listDelegations(parties, { personId, status: 'ended', sort: '-id', limit: MOST_ENDED_READ }, latest),
  ]);
  const standing = await Promise.all([...active, ...suspended].map(each => showStanding(deps, each, words)));
  const over = [...expired, ...ended.items]
    .map(each => ({ ...each, at: overAt(each) }))
    .filter(({ at }) => latest - at < SHOWN_OVER_MS)
    .toSorted((a, b) => b.at - a.at);
  const justGiven = standing.find(({ id }) => id === visit.query('given'));
  const justEnded = ended.items.find(({ delegation }) => delegation.id === visit.query('ended'));
  return {
    acting: standing.toSorted(
      (a, b) => a.agent.localeCompare(b.agent) || a.resource.localeCompare(b.resource),
    ),
    actedBefore: await Promise.all(over.slice(0, MOST_OVER).map(each => showOver(deps, each, visit))),
    notice: justGiven
      ? words.t('me.acting-given', {
          agent: justGiven.agent,
          resource: justGiven.resource,
          when: words.when(justGiven.expiresAt),
        })
      : justEnded && words.t('me.acting-ended', await namesOf(deps, justEnded)),
  };
}

function overAt({ delegation, status }: JudgedDelegation): number {
  return status === 'ended' ? delegation.updatedAt : delegation.expiresAt;
}

async function partiesOf({ agents, resources }: PageDeps, { delegation }: JudgedDelegation) {
  const [agent, resource] = await Promise.all([
    agents.findAgent(delegation.agentId),
    resources.findResource(delegation.resourceId),
  ]);
  return { agent, resource };
}

async function namesOf(deps: PageDeps, judged: JudgedDelegation) {
  const { agent, resource } = await partiesOf(deps, judged);
  return named(judged, agent, resource);
}

function named({ delegation }: JudgedDelegation, agent: Agent | undefined, resource: Resource | undefined) {
  return { agent: agent?.name ?? delegation.agentId, resource: resource?.name ?? delegation.resource };
}

/** One that stands, in words. What it held once and cannot hold now is told apart. */
async function showStanding(deps: PageDeps, judged: JudgedDelegation, words: Words) {
  const { delegation, status } = judged;
  const { agent, resource } = await partiesOf(deps, judged);
  const holds = agent && resource ? delegatedScopes(delegation, agent, resource) : [];
  const sentence = (name: string): string =>
    resource?.scopes.find(scope => scope.name === name)?.sentence ?? name;
  return {
    ...named(judged, agent, resource),
    id: delegation.id,
    identifier: delegation.resource,
    status,
    statusText: words.t(`me.status.${status === 'active' ? 'active' : 'suspended'}`),
    may: delegation.scopes.filter(scope => holds.includes(scope)).map(sentence),
    lost: delegation.scopes.filter(scope => !holds.includes(scope)).map(sentence),
    expiresAt: delegation.expiresAt,
    since: delegation.createdAt,
    change: choiceAddress({ agentId: delegation.agentId, resource: delegation.resource, scopes: [] }),
  };
}

/** One that is over, with when and by whom as far as the trail tells. */
async function showOver(
  deps: PageDeps,
  over: JudgedDelegation & { readonly at: number },
  visit: SignedInVisit,
) {
  const { words } = visit;
  const when = words.when(over.at);
  const names = await namesOf(deps, over);
  if (over.status !== 'ended') return { ...names, how: words.t('me.acting-ran-out', { when }) };
  const { items } = await listEvents(deps.audit, {
    target: over.delegation.id,
    type: 'delegation.ended',
    limit: 1,
  });
  return { ...names, how: await endedHow(deps, items[0]?.event, when, visit) };
}

async function endedHow(
  { signIn }: PageDeps,
  event: AuditEvent | undefined,
  when: string,
  { session, words: { t } }: SignedInVisit,
): Promise<string> {
  if (!event) return t('me.acting-ended-when', { when });
  const [by] = event.actor ?? [];
  if (by === session.person.id) return t('me.acting-ended-you', { when });
  const person = by === undefined ? undefined : await signIn.people.findPerson(by);
  return person ? t('me.acting-ended-by', { when, name: person.name }) : t('me.acting-ended-admin', { when });
}
