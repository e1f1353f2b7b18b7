import encodeQR from 'qr';
import {
  beginTotp,
  type Enrolment,
  finishEnrolment,
  openEnrolment,
  setEnrolmentDetails,
  setPassword,
  type TotpSeed,
} from '../people/index.ts';
import type { PageAnswer, PageDeps, Visit } from './page-deps.ts';
import type { PageShell } from './page-shell.ts';
import { again } from './sign-in-pages.ts';

const PASSWORD_PROBLEMS = [
  'password-too-short',
  'password-too-long',
  'password-common',
  'password-about-you',
  'sign-in-busy',
] as const;

/**
 * Enrolment by a link: details where they are missing, password, authenticator app, recovery codes. Opening the link changes nothing, as
 * scanners of mail open every link; the press of a button takes its value into a cookie, so that it stands in no address from then on.
 */
export function enrolmentPages({ signIn }: PageDeps, shell: PageShell): void {
  shell.show('/enrol', visit => stepPage(visit));
  shell.show('/enrol/:value', async visit => {
    const { expiresAt } = await openEnrolment(signIn, visit.param('value'), visit.origin);
    const { t, when } = visit.words;
    return {
      view: 'enrol-open',
      title: t('enrol.title'),
      data: { value: visit.param('value'), until: when(expiresAt) },
    };
  });
  shell.take('/enrol', 'form', async (visit, form) => {
    const value = form.get('value') ?? '';
    await openEnrolment(signIn, value, visit.origin);
    return { redirect: '/enrol', cookies: { enrolment: value, session: null } };
  });
  shell.take('/enrol/details', 'enrolment', async (visit, form) => {
    const details = { name: form.get('name') ?? '', email: form.get('email') ?? '' };
    try {
      await setEnrolmentDetails(signIn, visit.cookie('enrolment'), details, visit.origin);
      return { redirect: '/enrol' };
    } catch (error) {
      return again(
        visit,
        error,
        ['field-invalid', 'enrolment-address-taken'],
        await stepPage(visit, details),
      );
    }
  });
  shell.take('/enrol/password', 'enrolment', async (visit, form) => {
    try {
      await setPassword(signIn, visit.cookie('enrolment'), form.get('password'), visit.origin);
    } catch (error) {
      return again(visit, error, PASSWORD_PROBLEMS, await stepPage(visit));
    }
    return seedPage(visit);
  });
  shell.take('/enrol/app', 'enrolment', visit => seedPage(visit));
  shell.take('/enrol/finish', 'enrolment', async (visit, form) => {
    try {
      const code = form.get('code');
      const enrolled = await finishEnrolment(signIn, visit.cookie('enrolment'), { code }, visit.origin);
      return {
        view: 'recovery-codes',
        title: visit.words.t('enrol.done-title'),
        holder: { cookie: 'session', value: enrolled.value },
        cookies: { session: enrolled.value, enrolment: null, form: null },
        data: { codes: enrolled.recoveryCodes },
      };
    } catch (error) {
      return again(visit, error, ['enrolment-code-wrong'], await stepPage(visit));
    }
  });

  /** The step that comes next. */
  async function stepPage(visit: Visit, sent: Readonly<Record<string, unknown>> = {}): Promise<PageAnswer> {
    const value = visit.cookie('enrolment') ?? '';
    const enrolment = await openEnrolment(signIn, value, visit.origin);
    const { t } = visit.words;
    const { person, needsDetails, hasPassword } = enrolment;
    const about = { ...numberOf(enrolment), person, ...sent };
    const holder = { cookie: 'enrolment', value } as const;
    if (needsDetails) return { view: 'enrol-details', title: t('enrol.details-title'), holder, data: about };
    if (!hasPassword)
      return { view: 'enrol-password', title: t('enrol.password-title'), holder, data: about };
    return { view: 'enrol-app', title: t('enrol.totp-title'), holder, data: about };
  }

  async function seedPage(visit: Visit): Promise<PageAnswer> {
    const value = visit.cookie('enrolment') ?? '';
    const seed = await beginTotp(signIn, value, visit.origin);
    const enrolment = await openEnrolment(signIn, value, visit.origin);
    return {
      view: 'enrol-app',
      title: visit.words.t('enrol.totp-title'),
      holder: { cookie: 'enrolment', value },
      data: { ...numberOf(enrolment), person: enrolment.person, ...shownSeed(seed) },
    };
  }
}

/** A seed as an image and as text, each for who cannot use the other. */
export function shownSeed({ uri, secret }: TotpSeed): { readonly qr: string; readonly secret: string } {
  const svg = encodeQR(uri, 'svg', { border: 2 });
  return { qr: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`, secret };
}

function numberOf({ purpose, needsDetails, hasPassword }: Enrolment): {
  readonly step: number;
  readonly steps: number;
} {
  const steps = purpose === 'first-administrator' ? 3 : 2;
  if (needsDetails) return { step: 1, steps };
  return { step: hasPassword ? steps : steps - 1, steps };
}
