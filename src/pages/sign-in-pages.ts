import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import { Refused } from '../errors.ts';
import { PAGE_REFUSALS, type PageRefusal } from '../http/index.ts';
import { parseUniqueJson } from '../input/index.ts';
import type { FormFields } from '../oauth.ts';
import {
  beginAssertion,
  endSession,
  type FactorHolder,
  type FactorProof,
  findPendingSignIn,
  proveFactor,
  startSignIn,
  stepUp,
} from '../people/index.ts';
import { untrustedText } from '../text/index.ts';
import type { PageAnswer, PageDeps, SignedInVisit, Visit } from './page-deps.ts';
import { type PageShell, pageReasonOf, safeNext } from './page-shell.ts';

/** Signing in, in two steps; proving a factor once more; signing out. */
export function signInPages({ signIn }: PageDeps, shell: PageShell): void {
  shell.show('/sign-in', async visit => passwordPage(visit, safeNext(visit.query('next')), hintOf(visit)));
  shell.take('/sign-in', 'form', async (visit, form) => {
    const next = safeNext(form.get('next'));
    const email = form.get('email') ?? '';
    try {
      const { value } = await startSignIn(signIn, { email, password: form.get('password') }, visit.origin);
      return { redirect: `/sign-in/factor?next=${encodeURIComponent(next)}`, cookies: { 'sign-in': value } };
    } catch (error) {
      return again(
        visit,
        error,
        ['sign-in-refused', 'sign-in-limited', 'sign-in-busy'],
        // What is no address may be what belongs into the other field, or worse: it is not shown.
        passwordPage(visit, next, email.includes('@') ? untrustedText(email, 254) : ''),
      );
    }
  });

  shell.show('/sign-in/factor', visit => factorPage(visit, safeNext(visit.query('next'))));
  shell.take('/sign-in/factor', 'sign-in', async (visit, form) => {
    const next = safeNext(form.get('next'));
    try {
      const { value } = await proveFactor(signIn, visit.cookie('sign-in'), proofOf(form), visit.origin);
      return { redirect: next, cookies: { session: value, 'sign-in': null, form: null } };
    } catch (error) {
      return again(visit, error, ['factor-refused'], await factorPage(visit, next));
    }
  });
  shell.take('/sign-in/passkey', 'sign-in', async (visit, form) => {
    const value = visit.cookie('sign-in') ?? '';
    const back = `/sign-in/factor?next=${encodeURIComponent(safeNext(form.get('next')))}`;
    return passkeyPage(visit, { pending: value }, value, 'sign-in', {
      action: '/sign-in/factor',
      back,
      next: form.get('next'),
    });
  });

  shell.showOwn('/step-up', async visit => stepUpPage(visit, safeNext(visit.query('next'))));
  shell.takeOwn('/step-up', async (visit, form) => {
    const next = safeNext(form.get('next'));
    try {
      const proof = proofOf(form);
      if ('recoveryCode' in proof) throw new Refused<PageRefusal>('factor-refused');
      await stepUp(signIn, visit.sessionValue, proof, visit.origin);
      return { redirect: next };
    } catch (error) {
      return again(visit, error, ['factor-refused'], stepUpPage(visit, next));
    }
  });
  shell.takeOwn('/step-up/passkey', async (visit, form) => {
    const { sessionValue } = visit;
    const back = `/step-up?next=${encodeURIComponent(safeNext(form.get('next')))}`;
    return passkeyPage(visit, { session: sessionValue }, sessionValue, 'session', {
      action: '/step-up',
      back,
      next: form.get('next'),
    });
  });

  shell.take('/sign-out', 'session', async visit => {
    await endSession(signIn, visit.cookie('session'), visit.origin);
    return { redirect: '/signed-out', cookies: { session: null } };
  });
  shell.show('/signed-out', async ({ words: { t } }) => ({
    view: 'signed-out',
    title: t('signed-out.title'),
  }));

  async function factorPage(visit: Visit, next: string): Promise<PageAnswer> {
    const value = visit.cookie('sign-in');
    const pending = await findPendingSignIn(signIn, value, visit.origin);
    if (!pending || value === undefined) {
      return { redirect: `/sign-in?next=${encodeURIComponent(next)}`, cookies: { 'sign-in': null } };
    }
    const { person, factors } = pending;
    return {
      view: 'factor',
      title: visit.words.t('factor.title'),
      holder: { cookie: 'sign-in', value },
      data: { name: person.name, factors, next },
    };
  }

  async function passkeyPage(
    visit: Visit,
    factorHolder: FactorHolder,
    value: string,
    cookie: 'session' | 'sign-in',
    where: { readonly action: string; readonly back: string; readonly next: string | undefined },
  ): Promise<PageAnswer> {
    const options = await beginAssertion(signIn, factorHolder, visit.origin);
    return {
      view: 'passkey',
      title: visit.words.t('passkey.title'),
      holder: { cookie, value },
      data: {
        ...where,
        next: safeNext(where.next),
        ceremony: 'get',
        options: JSON.stringify(options),
        field: 'assertion',
      },
    };
  }
}

function hintOf(visit: Visit): string {
  return (visit.query('login_hint') ?? '').slice(0, 254);
}

function passwordPage({ words: { t } }: Visit, next: string, email: string): PageAnswer {
  return {
    view: 'sign-in',
    title: t('sign-in.title'),
    data: { next, email, isForClient: next.startsWith('/interaction/') },
  };
}

function stepUpPage({ words: { t }, session, sessionValue }: SignedInVisit, next: string): PageAnswer {
  return {
    view: 'step-up',
    title: t('step-up.title'),
    holder: { cookie: 'session', value: sessionValue },
    person: session.person,
    data: { next },
  };
}

function proofOf(form: FormFields): FactorProof {
  const assertion = form.get('assertion');
  if (assertion !== undefined) return { assertion: parseAnswer(assertion) as AuthenticationResponseJSON };
  const recoveryCode = form.get('recovery_code');
  return recoveryCode === undefined ? { code: form.get('code') ?? '' } : { recoveryCode };
}

/**
 * What an authenticator answered; what is in it is verified by whoever takes it.
 *
 * @throws {Refused<'field-invalid'>} where it is not even JSON
 */
export function parseAnswer(text: string | undefined): unknown {
  try {
    return parseUniqueJson(text ?? '');
  } catch (error) {
    throw new Refused<PageRefusal>('field-invalid', {}, { cause: error });
  }
}

/**
 * The same page once more, with what was wrong, for reasons that the person can mend there.
 *
 * @throws what was thrown, for any other reason
 */
export function again(
  { words: { t } }: Visit,
  error: unknown,
  mendable: readonly PageRefusal[],
  page: PageAnswer,
): PageAnswer {
  const reason = pageReasonOf(error);
  if (!mendable.includes(reason)) throw error;
  if ('redirect' in page) return page;
  return {
    ...page,
    status: PAGE_REFUSALS[reason].status,
    data: { ...page.data, problem: t(`refused.${reason}`) },
  };
}
