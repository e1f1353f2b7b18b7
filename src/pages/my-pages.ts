import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { type Agent, agentStatus, killAgent, listAgents, scopesAt } from '../agents/index.ts';
import { type AuthorisedOrigin, listEvents } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { PageRefusal } from '../http/index.ts';
import {
  beginPasskey,
  beginTotpChange,
  changePassword,
  endListedSession,
  endOtherSessions,
  findFactors,
  finishPasskey,
  finishTotpChange,
  listSessions,
  removePasskey,
  renewRecoveryCodes,
} from '../people/index.ts';
import { listActing } from './acting.ts';
import { countInWords, listWaiting } from './approval-waiting.ts';
import { shownSeed } from './enrolment-pages.ts';
import type { MessageKey } from './messages-en.ts';
import type { PageAnswer, PageDeps, SignedInVisit } from './page-deps.ts';
import { type PageShell, pageReasonOf } from './page-shell.ts';
import { again, parseAnswer } from './sign-in-pages.ts';

const MOST_AGENTS = 100;
const EVENTS_SHOWN = 5;
/** What was just done, as the address tells it: a closed list, so that nobody can have us say anything else. */
const DONE = [
  'session-ended',
  'sessions-ended',
  'password-changed',
  'totp-changed',
  'passkey-added',
  'passkey-removed',
] as const;

/** The page of whoever is signed in: their agents, sessions, and what they sign in with. */
export function myPages(deps: PageDeps, shell: PageShell): void {
  const { signIn } = deps;
  shell.showOwn('/me', visit => myPage(deps, visit));

  shell.takeOwn('/me/agents/:id/stop', async visit => {
    const agent = await ownAgent(deps, visit);
    await killAgent({ agents: deps.agents, freshness: deps.freshness }, agent.id, actingAs(visit));
    return { redirect: `/me?stopped=${agent.id}` };
  });

  shell.takeOwn('/me/sessions/end-others', async visit => {
    await endOtherSessions(signIn, visit.session, actingAs(visit));
    return { redirect: '/me?done=sessions-ended' };
  });
  shell.takeOwn('/me/sessions/:id/end', async visit => {
    await endListedSession(signIn, visit.session, visit.param('id'), actingAs(visit));
    return { redirect: '/me?done=session-ended' };
  });

  shell.showOwn('/me/password', async visit => passwordPage(visit));
  shell.takeOwn('/me/password', async (visit, form) => {
    const input = { current: form.get('current'), password: form.get('password') };
    return afterStepUp(async () => {
      try {
        await changePassword(signIn, visit.sessionValue, input, actingAs(visit));
        return { redirect: '/me?done=password-changed' };
      } catch (error) {
        const mendable = [
          'password-too-short',
          'password-too-long',
          'password-common',
          'password-about-you',
          'sign-in-refused',
          'sign-in-limited',
          'sign-in-busy',
        ] as const;
        return again(visit, error, mendable, passwordPage(visit));
      }
    });
  });

  shell.takeOwn('/me/app', visit =>
    afterStepUp(async () => {
      const seed = await beginTotpChange(signIn, visit.sessionValue, actingAs(visit));
      return appPage(visit, shownSeed(seed));
    }),
  );
  shell.takeOwn('/me/app/finish', (visit, form) =>
    afterStepUp(async () => {
      try {
        await finishTotpChange(signIn, visit.sessionValue, form.get('code'), actingAs(visit));
        return { redirect: '/me?done=totp-changed' };
      } catch (error) {
        return again(visit, error, ['factor-refused'], appPage(visit, {}));
      }
    }),
  );

  shell.takeOwn('/me/passkeys/new', visit =>
    afterStepUp(async () => {
      const options = await beginPasskey(signIn, visit.sessionValue, actingAs(visit));
      return {
        ...ownPage(visit, 'passkey-new', 'me.passkey-add'),
        data: { options: JSON.stringify(options) },
      };
    }),
  );
  shell.takeOwn('/me/passkeys', (visit, form) =>
    afterStepUp(async () => {
      const response = parseAnswer(form.get('registration')) as RegistrationResponseJSON;
      await finishPasskey(
        signIn,
        visit.sessionValue,
        { name: form.get('name') ?? '', response },
        actingAs(visit),
      );
      return { redirect: '/me?done=passkey-added' };
    }),
  );
  shell.takeOwn('/me/passkeys/remove', (visit, form) =>
    afterStepUp(async () => {
      await removePasskey(signIn, visit.sessionValue, form.get('passkey'), actingAs(visit));
      return { redirect: '/me?done=passkey-removed' };
    }),
  );

  shell.takeOwn('/me/recovery-codes', visit =>
    afterStepUp(async () => {
      const codes = await renewRecoveryCodes(signIn, visit.sessionValue, actingAs(visit));
      return { ...ownPage(visit, 'recovery-codes', 'me.recovery'), data: { codes, isRenewal: true } };
    }),
  );
}

/** Whose agent it is, is looked at here and nowhere else; another's looks like none (I3, I15). */
async function ownAgent({ agents }: PageDeps, visit: SignedInVisit): Promise<Agent> {
  const agent = await agents.findAgent(visit.param('id'));
  if (agent?.ownerId !== visit.session.person.id) throw new Refused<PageRefusal>('not-found');
  return agent;
}

/** The person acts, by their own session. */
export function actingAs({ origin, session }: SignedInVisit): AuthorisedOrigin {
  return { ...origin, actor: [session.person.id], authority: session.authority };
}

/** Asks for a second factor first where it was proved too long ago; the person then presses the button again. */
async function afterStepUp(work: () => Promise<PageAnswer>): Promise<PageAnswer> {
  try {
    return await work();
  } catch (error) {
    if (pageReasonOf(error) === 'step-up-required') return { redirect: '/step-up?next=%2Fme' };
    throw error;
  }
}

/** A page of whoever is signed in. */
export function ownPage(
  { words: { t }, session, sessionValue }: SignedInVisit,
  view: string,
  title: MessageKey,
) {
  return {
    view,
    title: t(title),
    holder: { cookie: 'session', value: sessionValue },
    person: session.person,
  } as const;
}

function passwordPage(visit: SignedInVisit): PageAnswer {
  return ownPage(visit, 'password', 'me.password-change');
}

function appPage(visit: SignedInVisit, seed: Readonly<Record<string, unknown>>): PageAnswer {
  return { ...ownPage(visit, 'app', 'me.totp-change'), data: seed };
}

async function myPage(deps: PageDeps, visit: SignedInVisit): Promise<PageAnswer> {
  const { signIn, agents } = deps;
  const { session, origin, words } = visit;
  const query = { ownerId: session.person.id, limit: MOST_AGENTS };
  const isActive = (agent: Agent): number => Number(agentStatus(agent, origin.latest) === 'active');
  const owned = (await listAgents(agents, query, origin.latest)).items.toSorted(
    (a, b) => isActive(b) - isActive(a),
  );
  const [acting, waiting, sessions, factors, shownAgents] = await Promise.all([
    listActing(deps, visit),
    listWaiting(deps, visit),
    listSessions(signIn, session, origin),
    findFactors(signIn, session),
    Promise.all(owned.map(agent => showAgent(deps, agent, visit))),
  ]);
  const stopped = owned.find(({ id }) => id === visit.query('stopped'));
  const done = DONE.find(each => each === visit.query('done'));
  return {
    ...ownPage(visit, 'me', 'me.title'),
    data: {
      name: session.person.name,
      ...acting,
      waiting: waiting.length,
      waitingText: countInWords(waiting.length, visit),
      agents: shownAgents,
      sessions,
      factors,
      notice: stopped
        ? words.t('me.agent-stopped', { name: stopped.name })
        : (acting.notice ?? (done && words.t(`me.${done}`))),
    },
  };
}

/** An agent in words: what it may do, and what happened to it. */
async function showAgent(
  { agents, resources, audit }: PageDeps,
  agent: Agent,
  { origin, words }: SignedInVisit,
) {
  const [lastUsedAt, { items }, may] = await Promise.all([
    agents.findLastUse(agent.id),
    listEvents(audit, { target: agent.id, limit: EVENTS_SHOWN }),
    Promise.all(
      agent.envelope.map(async ({ resource: identifier, scopes }) => {
        const resource = await resources.findResourceByIdentifier(identifier);
        const sentence = (scope: string): string =>
          resource?.scopes.find(({ name }) => name === scope)?.sentence ?? scope;
        const baseline = scopesAt(agent.baseline, identifier);
        return {
          identifier,
          name: resource?.name ?? identifier,
          alone: scopes.filter(scope => baseline.includes(scope)).map(sentence),
          countersigned: scopes.filter(scope => !baseline.includes(scope)).map(sentence),
        };
      }),
    ),
  ]);
  const status = agentStatus(agent, origin.latest);
  return {
    id: agent.id,
    name: agent.name,
    status,
    statusText: words.t(`me.status.${status}`),
    may,
    // It asks people itself, and nobody countersigns for it.
    isApplication: agent.application !== undefined || agent.applicationId !== undefined,
    lastUsedAt,
    expiresAt: agent.expiresAt,
    happened: items.map(({ event }) => ({ type: event.type, at: event.at })),
  };
}
