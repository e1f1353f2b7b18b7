import Router from '@koa/router';
import type { Context, Next } from 'koa';
import type { AuthorityRefusal, Origin } from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import {
  assertNotCoded,
  PAGE_REFUSALS,
  type PageRefusal,
  parseForm,
  readBody,
  setReference,
} from '../http/index.ts';
import type { FormFields } from '../oauth.ts';
import { findSession, isRequestToken, newPassValue, requestToken } from '../people/index.ts';
import { type BrowserCookies, browserCookies } from './browser-cookies.ts';
import type { CookieName, PageAnswer, PageDeps, SignedInVisit, Visit } from './page-deps.ts';
import { openViews, type Views } from './views.ts';
import { chooseLanguage, type Words, wordsIn } from './words.ts';

/** Of every page: nothing from elsewhere, nothing inline, in nobody's frame, in nobody's cache, and no address leaves with a click. */
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'publickey-credentials-get=(self), publickey-credentials-create=(self)',
} as const;

type Handler<V extends Visit> = (visit: V) => Promise<PageAnswer>;
type FormHandler<V extends Visit> = (visit: V, form: FormFields) => Promise<PageAnswer>;

/** Adds pages. What a handler throws becomes a page that says so. */
export interface PageShell {
  readonly router: Router;
  /** A page that anybody may see. It changes nothing. */
  show(path: string, handler: Handler<Visit>): void;
  /** A page of whoever is signed in; others sign in first. It changes nothing. */
  showOwn(
    path: string,
    handler: Handler<SignedInVisit>,
    /** The address of who is expected, for who signs in first. */
    hintFor?: (ctx: Context) => Promise<string | undefined>,
  ): void;
  /** A form that was rendered for the holder of a cookie. */
  take(path: string, holder: CookieName, handler: FormHandler<Visit>): void;
  /** A form of whoever is signed in. */
  takeOwn(path: string, handler: FormHandler<SignedInVisit>): void;
}

/** Paths that a sign-in may lead back to. */
const NEXT =
  /^\/(?:me|approvals(?:\/elv_[0-9a-f]{32})?|me\/delegations\/new(?:\?[\w.*+%=&-]{1,4000})?|interaction\/[\w-]{1,64})$/;

/** @returns a path below the issuer's that it is safe to go to, or `/me` */
export function safeNext(next: string | undefined): string {
  return next !== undefined && NEXT.test(next) ? next : '/me';
}

/** What was asked for, with its query where one may come back to it with that. */
function addressOf({ querystring }: Context, { path }: Visit): string {
  const whole = `${path}?${new URLSearchParams(querystring)}`;
  return NEXT.test(whole) ? whole : path;
}

/** Where somebody goes on whose session has ended while they sent a form: to what it was about, where that is a page. */
function pageOfForm(path: string): string {
  return /^(\/approvals\/elv_[0-9a-f]{32})\/\w+$/.exec(path)?.[1] ?? '/me';
}

/** What refuses a form, tied to the field that it is about. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

export function createPageShell(deps: PageDeps): PageShell {
  const prefix = deps.issuer.pathname === '/' ? '' : deps.issuer.pathname;
  const views = openViews(prefix);
  const cookies = browserCookies(deps.issuer);
  const router = new Router({ sensitive: true, strict: true, prefix });
  const site: Site = { deps, prefix, views, cookies };

  router.get('/assets/:file', ctx => {
    const asset = views.findAsset(ctx.params['file'] ?? '');
    if (!asset) return;
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable');
    ctx.set('Content-Type', asset.type);
    ctx.body = asset.body;
  });

  const handle =
    (work: (ctx: Context, visit: Visit) => Promise<PageAnswer>) =>
    async (ctx: Context): Promise<void> => {
      const visit = visitOf(site, ctx);
      try {
        answer(site, ctx, visit, await work(ctx, visit));
      } catch (error) {
        answerProblem(site, ctx, visit, error);
      }
    };
  const own =
    (
      work: (ctx: Context, visit: SignedInVisit) => Promise<PageAnswer>,
      hintFor: (ctx: Context) => Promise<string | undefined> = async () => undefined,
    ) =>
    async (ctx: Context, visit: Visit): Promise<PageAnswer> => {
      const sessionValue = visit.cookie('session');
      const session =
        sessionValue === undefined ? undefined : await findSession(deps.signIn, sessionValue, visit.origin);
      if (!session || sessionValue === undefined) {
        const next = ctx.method === 'GET' ? addressOf(ctx, visit) : pageOfForm(visit.path);
        return { redirect: signInAddress(next, await hintFor(ctx)), cookies: { session: null } };
      }
      return work(ctx, { ...visit, session, sessionValue });
    };
  const formOf = async (ctx: Context, visit: Visit, holder: CookieName): Promise<FormFields> => {
    assertSameOrigin(ctx, deps.issuer.origin);
    const form = await readPageForm(ctx);
    const value = visit.cookie(holder);
    if (value === undefined || !isRequestToken(value, visit.path, form.get('request_token'))) {
      throw new Refused<PageRefusal>('form-stale');
    }
    return form;
  };

  return {
    router,
    show: (path, handler) =>
      void router.get(
        path,
        handle((_ctx, visit) => handler(visit)),
      ),
    showOwn: (path, handler, hintFor) =>
      void router.get(path, handle(own((_ctx, visit) => handler(visit), hintFor))),
    take: (path, holder, handler) =>
      void router.post(
        path,
        refuseCoded,
        handle(async (ctx, visit) => handler(visit, await formOf(ctx, visit, holder))),
      ),
    takeOwn: (path, handler) =>
      void router.post(
        path,
        refuseCoded,
        handle(own(async (ctx, visit) => handler(visit, await formOf(ctx, visit, 'session')))),
      ),
  };
}

/**
 * Where somebody signs in.
 *
 * @param next where they go on
 * @param loginHint the address that they may have
 */
export function signInAddress(next: string, loginHint?: string): string {
  return `/sign-in?${new URLSearchParams({ next, ...(loginHint !== undefined && { login_hint: loginHint }) })}`;
}

interface Site {
  readonly deps: PageDeps;
  readonly prefix: string;
  readonly views: Views;
  readonly cookies: BrowserCookies;
}

/**
 * The browser says itself where a form comes from. Our pages send no referrer, and then a browser calls the origin `null` also on its
 * own site, so that `Sec-Fetch-Site` has to say it (Fetch section 3.2; Fetch Metadata).
 *
 * @throws {Refused<'form-foreign'>}
 */
function assertSameOrigin({ headers }: Context, own: string): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOwn = origin === own && (site === undefined || site === 'same-origin');
  const isHidden = (origin === undefined || origin === 'null') && site === 'same-origin';
  if (!isOwn && !isHidden) throw new Refused<PageRefusal>('form-foreign');
}

const MAX_FORM_BYTES = 65_536;
/** A resource server has at most 200 scopes, each with a box of its own. */
const MAX_FIELDS = 256;

/** @throws {Refused<'field-invalid'>} for another media type, a field that was sent twice, or more than 64 KiB */
/** No browser sends one: whoever does is no person, and gets no page. */
function refuseCoded(ctx: Context, next: Next): Promise<unknown> {
  assertNotCoded(ctx.req);
  return next();
}

async function readPageForm(ctx: Context): Promise<FormFields> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw new Refused<PageRefusal>('field-invalid');
  try {
    return parseForm((await readBody(ctx.req, MAX_FORM_BYTES)).toString(), MAX_FIELDS);
  } catch (error) {
    throw error instanceof Refused ? new Refused<PageRefusal>('field-invalid', {}, { cause: error }) : error;
  }
}

function visitOf({ cookies, prefix }: Site, ctx: Context): Visit {
  const query = new URLSearchParams(ctx.querystring);
  return {
    ctx,
    origin: ctx.state['origin'] as Origin,
    words: wordsIn(chooseLanguage(ctx.headers['accept-language'])),
    path: ctx.path.slice(prefix.length),
    query: name => {
      const [value, ...more] = query.getAll(name);
      return more.length === 0 ? value : undefined;
    },
    param: name => String((ctx as Context & { params: Record<string, string> }).params[name] ?? ''),
    cookie: name => cookies.get(ctx, name),
  };
}

function answer(site: Site, ctx: Context, { words }: Visit, page: PageAnswer): void {
  const { cookies, prefix } = site;
  ctx.set(PAGE_HEADERS);
  if ('redirect' in page) {
    cookies.change(ctx, page.cookies ?? {});
    ctx.status = 303;
    ctx.set('Location', page.redirect.startsWith('/') ? `${prefix}${page.redirect}` : page.redirect);
    ctx.body = '';
    return;
  }
  if (page.leadsTo !== undefined) {
    const policy = PAGE_HEADERS['Content-Security-Policy'];
    ctx.set(
      'Content-Security-Policy',
      policy.replace("form-action 'self'", `form-action 'self' ${page.leadsTo}`),
    );
  }
  const { holder } = page;
  // A form for somebody whom nobody knows yet is tied to their browser by a value of its own.
  const formValue = holder ? undefined : (cookies.get(ctx, 'form') ?? newPassValue());
  cookies.change(ctx, {
    ...(formValue !== undefined && cookies.get(ctx, 'form') === undefined && { form: formValue }),
    ...page.cookies,
  });
  ctx.status = page.status ?? 200;
  ctx.type = 'html';
  ctx.body = site.views.render(page.view, {
    ...page.data,
    ...viewHelpers(site, words, holder?.value ?? formValue ?? ''),
    title: page.title,
    visitor: page.person,
  });
}

/** What every view has. */
function viewHelpers({ prefix }: Site, words: Words, holderValue: string): Readonly<Record<string, unknown>> {
  return {
    ...words,
    url: (path: string): string => `${prefix}${path}`,
    token: (path: string): string => requestToken(holderValue, path),
  };
}

function answerProblem(site: Site, ctx: Context, visit: Visit, error: unknown): void {
  const { deps } = site;
  const reason = hasAuthorityEnded(error) ? 'session-required' : pageReasonOf(error);
  if (reason === 'internal' || reason === 'unavailable') deps.onError(error, visit.origin);
  if (reason === 'session-required' || reason === 'sign-in-expired') {
    const next = pageOfForm(visit.path);
    answer(site, ctx, visit, {
      redirect: next === '/me' ? '/sign-in' : signInAddress(next, undefined),
      cookies: { session: null, 'sign-in': null },
    });
    return;
  }
  const { t } = visit.words;
  deps.onRefusal(ctx.path, `page/${reason}`);
  const reference = setReference(ctx, deps.references, `page/${reason}`, undefined);
  const retryAfter = error instanceof Refused ? error.detail.retryAfterSeconds : undefined;
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  answer(site, ctx, visit, {
    view: 'error',
    title: t('error.title'),
    status: PAGE_REFUSALS[reason].status,
    data: { message: t(`refused.${reason}`), reference, more: `${deps.docsUrl}#${reason}` },
  });
}

/** Whether the session, or its person, has ended before what was asked for in it was done. */
function hasAuthorityEnded(error: unknown): boolean {
  return error instanceof Refused && error.reason === ('authority-ended' satisfies AuthorityRefusal);
}

/** The reason of whatever was thrown, as one that pages have words for; the rest is a defect of ours, and says nothing. */
export function pageReasonOf(error: unknown): PageRefusal {
  if (error instanceof StoreUnavailable) return 'unavailable';
  if (error instanceof Refused && Object.hasOwn(PAGE_REFUSALS, error.reason))
    return error.reason as PageRefusal;
  if (error instanceof Refused && (error.reason === 'input-invalid' || 'parameter' in error.detail))
    return 'field-invalid';
  return 'internal';
}
