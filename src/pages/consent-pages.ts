import { scopesAt, useApplication } from '../agents/index.ts';
import type { KnownApplication } from '../applications/index.ts';
import { eventOrigin, refuseWhileAhead } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { PageRefusal } from '../http/index.ts';
import type { PendingAuthorization } from '../provider/index.ts';
import type { Resource } from '../resources/index.ts';
import { grantHandleId, newGrantId } from '../tokens/index.ts';
import { actingAs } from './my-pages.ts';
import type { PageAnswer, PageDeps, SignedInVisit } from './page-deps.ts';
import { type PageShell, signInAddress } from './page-shell.ts';
import type { Words } from './words.ts';

/** Asked for with a refresh token in mind (OpenID Connect Core section 11); it is no scope of a resource server. */
const OFFLINE_ACCESS = 'offline_access';

/** What an application asks of a person. */
interface Ask {
  readonly pending: PendingAuthorization;
  readonly application: KnownApplication;
  readonly resource: Resource | undefined;
  /** What the person can let it have now. */
  readonly granted: readonly string[];
  /** Asked for and within its envelope, and somebody has to countersign each time. */
  readonly countersigned: readonly string[];
  /** Asked for, and never to be had. */
  readonly beyond: readonly string[];
}

/**
 * Where an application asks a person: what it is, what it wants in words, and the choice. Opening the page decides nothing; both choices
 * are one press.
 */
export function consentPages(deps: PageDeps, shell: PageShell): void {
  const { interactions } = deps;
  shell.showOwn(
    '/interaction/:uid',
    async visit => {
      const ask = await readAsk(deps, visit);
      return isSignedInAnew(ask, visit)
        ? consentPage(ask, visit, deps.maxTtlSeconds)
        : signInFirst(ask, visit);
    },
    async ctx => (await interactions.find(ctx))?.loginHint,
  );
  shell.takeOwn('/interaction/:uid', async (visit, form) => {
    const ask = await readAsk(deps, visit);
    const { pending, application, resource, granted, countersigned, beyond } = ask;
    if (!isSignedInAnew(ask, visit)) return signInFirst(ask, visit);
    const { ctx, session } = visit;
    const about = {
      outcome: 'done',
      ...eventOrigin(actingAs(visit)),
      client: application.clientId,
      subject: session.person.id,
      ...(resource && { resource: resource.identifier }),
    } as const;
    if (form.get('decision') !== 'allow') {
      await deps.tokens.commit({
        changes: [],
        events: [{ type: 'grant.refused', ...about, outcome: 'refused', reason: 'person-did-not-agree' }],
      });
      return { redirect: await interactions.refuse(ctx, 'access_denied', 'the person did not agree') };
    }
    if (!resource)
      return { redirect: await interactions.refuse(ctx, 'invalid_target', 'name a resource server') };
    if (beyond.length > 0 || granted.length === 0) {
      const sent = beyond.length > 0 ? beyond : pending.scopes;
      const description = `not to be had by this client: ${sent.join(' ')}`;
      return { redirect: await interactions.refuse(ctx, 'invalid_scope', description) };
    }
    await refuseWhileAhead(
      deps.signIn.refusals,
      { type: 'grant.refused', client: application.clientId, subject: session.person.id },
      visit.origin,
    );
    const { person } = session;
    const agent = await useApplication(deps.agents, application, person, actingAs(visit));
    await deps.applications.remember(application, actingAs(visit));
    const { epoch } = application.record;
    const grantId = newGrantId({ agent: agent.epoch, person: person.epoch, application: epoch });
    const redirect = await interactions.consent(ctx, pending, {
      grantId,
      personId: person.id,
      authenticatedAt: session.authenticatedAt,
      amr: session.amr,
      acr: session.acr,
      resource: resource.identifier,
      scopes: granted,
      withheld: countersigned,
      authority: session.authority,
    });
    await deps.tokens.commit({
      changes: [],
      events: [
        {
          type: 'grant.given',
          ...about,
          scope: granted.join(' '),
          target: grantHandleId(grantId),
          detail: { agent: agent.id, redirectUri: pending.redirectUri },
        },
      ],
    });
    return { redirect };
  });
}

/** @throws {Refused<'not-found'>} where nothing waits, or it is another browser's */
async function readAsk(deps: PageDeps, visit: SignedInVisit): Promise<Ask> {
  await deps.freshness.fresh();
  const pending = await deps.interactions.find(visit.ctx);
  const application =
    pending && (await deps.applications.find(pending.clientId, { origin: visit.origin, mayFetch: true }));
  if (pending?.uid !== visit.param('uid') || !application) throw new Refused<PageRefusal>('not-found');
  const { record } = application;
  const identifier = pending.resource ?? record.defaultResource;
  const found =
    identifier === undefined ? undefined : await deps.resources.findResourceByIdentifier(identifier);
  const resource = found?.status === 'active' ? found : undefined;
  const catalogue = resource?.scopes.map(({ name }) => name) ?? [];
  const at = resource?.identifier ?? '';
  const envelope = scopesAt(record.envelope, at).filter(scope => catalogue.includes(scope));
  const baseline = scopesAt(record.baseline, at).filter(scope => envelope.includes(scope));
  const named = pending.scopes.filter(scope => scope !== OFFLINE_ACCESS);
  const asked = named.length > 0 ? named : baseline;
  return {
    pending,
    application,
    resource,
    granted: asked.filter(scope => baseline.includes(scope)),
    countersigned: asked.filter(scope => envelope.includes(scope) && !baseline.includes(scope)),
    beyond: asked.filter(scope => !envelope.includes(scope)),
  };
}

/** A client may want that the person signs in for this very request. */
function isSignedInAnew({ pending }: Ask, { session }: SignedInVisit): boolean {
  return pending.signedInSince === undefined || session.authenticatedAt >= pending.signedInSince;
}

function signInFirst({ pending }: Ask, { path }: SignedInVisit): PageAnswer {
  return { redirect: signInAddress(path, pending.loginHint) };
}

function consentPage(
  ask: Ask,
  { words: { t }, session, sessionValue, path }: SignedInVisit,
  maxTtlSeconds: number,
): PageAnswer {
  const { application, resource, pending, beyond, granted } = ask;
  const inWords = (scopes: readonly string[]) =>
    scopes.map(name => {
      const known = resource?.scopes.find(scope => scope.name === name);
      return { name, sentence: known?.sentence ?? name, risk: known?.risk ?? 'high' };
    });
  const back = whereBack(pending.redirectUri);
  const problem = !resource
    ? t('consent.no-resource', { resource: pending.resource ?? '' })
    : beyond.length > 0
      ? t('consent.beyond', { scopes: beyond.join(', ') })
      : granted.length === 0
        ? t('consent.nothing')
        : undefined;
  return {
    view: 'consent',
    title: t('consent.title', { name: application.name }),
    holder: { cookie: 'session', value: sessionValue },
    person: session.person,
    leadsTo: back.source,
    data: {
      action: path,
      name: application.name,
      // A template's purpose is that of none of those whom it admits.
      purpose: application.identity === 'registered' ? application.record.purpose : undefined,
      identity: identityInWords(application, t),
      isVerified: application.identity !== 'self-registered',
      host: back.shown,
      isLocal: back.isLocal,
      resource,
      granted: inWords(granted),
      countersigned: inWords(ask.countersigned),
      minutes: Math.ceil(Math.min(resource?.accessTokenTtlSeconds ?? 0, maxTtlSeconds) / 60),
      problem,
    },
  };
}

/** How far it is known who asks. */
function identityInWords({ clientId, identity }: KnownApplication, t: Words['t']): string {
  switch (identity) {
    case 'registered':
      return t('consent.registered');
    case 'published':
      return t('consent.published', { host: new URL(clientId).host });
    case 'self-registered':
      return t('consent.self-registered');
  }
}

/** Where the answer goes, as a person reads it and as a policy names it (CSP section 6.8). */
function whereBack(redirectUri: string): {
  readonly shown: string;
  readonly source: string;
  readonly isLocal: boolean;
} {
  const { protocol, host, hostname, origin } = new URL(redirectUri);
  if (protocol !== 'https:' && protocol !== 'http:')
    return { shown: protocol, source: protocol, isLocal: true };
  return { shown: host, source: origin, isLocal: ['localhost', '127.0.0.1', '[::1]'].includes(hostname) };
}
