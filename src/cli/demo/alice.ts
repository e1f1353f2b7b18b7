import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { OWNER_ID, SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import type { CredentialStore } from '../../people/index.ts';
import { AuthenticatorApp, type OneTimeCode } from './authenticator.ts';
import { Browser, type ShownPage } from './browser.ts';
import type { Exchange } from './exchange.ts';
import { claim } from './narrator.ts';
import type { StageClock } from './stage-clock.ts';

export const ALICE_EMAIL = 'alice@example.com';
/** As her pages say it. */
export const READ_ORDERS = 'See orders and their state';
export const GIVE_MONEY_BACK = 'Give money back for an order';

const PASSWORD_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';

export interface AliceOptions {
  readonly issuer: string;
  /** The link by which an administrator has invited her. */
  readonly link: string;
  readonly credentials: Pick<CredentialStore, 'findCredential'>;
  /** How the demo's browser sends for her. */
  readonly via: typeof fetch;
  readonly clock: StageClock;
}

/** Alice, with a password of this run and an authenticator app: what she does herself, by the pages, where nobody plays her. */
export class Alice {
  readonly email = ALICE_EMAIL;
  readonly password: string;
  readonly app: AuthenticatorApp;
  readonly browser: Browser;
  /** Told where she has to wait for her next code. */
  onWait: (ms: number) => void = () => undefined;

  private constructor(password: string, app: AuthenticatorApp, browser: Browser) {
    this.password = password;
    this.app = app;
    this.browser = browser;
  }

  /** Has her enrol by the link, and sign out again. */
  static async enrol({ issuer, link, credentials, via, clock }: AliceOptions): Promise<Alice> {
    const browser = new Browser(issuer, via);
    const password = newPassword();
    await browser.open(link);
    await browser.submit('/enrol');
    const { text } = await browser.submit('/enrol/password', { password });
    const seed = (/class="secret">([^<]+)</.exec(text)?.[1] ?? '').replaceAll(' ', '');
    const lastUsedStep = async () => (await credentials.findCredential(OWNER_ID))?.totp?.lastStep ?? 0;
    const app = new AuthenticatorApp(seed, lastUsedStep, {
      now: clock.now,
      wait: delay,
      pass: clock.movable?.pass,
    });
    const alice = new Alice(password, app, browser);
    const enrolled = await alice.#typeCode('/enrol/finish');
    claim(enrolled.status === 200, `Alice could not enrol: ${enrolled.status}`);
    await browser.open('/me');
    await browser.submit('/sign-out');
    browser.takeExchanges();
    return alice;
  }

  /** Signs in where she is not; @returns her own page */
  async signIn(): Promise<ShownPage> {
    const page = await this.browser.open('/me');
    if (!page.path.startsWith('/sign-in')) return page;
    await this.browser.submit('/sign-in', { email: this.email, password: this.password });
    return this.#typeCode('/sign-in/factor');
  }

  /** Lets the Shopkeeper see orders for a day. */
  async give(): Promise<ShownPage> {
    await this.signIn();
    const choices = await this.browser.open(`/me/delegations/new?agent=${SHOPKEEPER_ID}`);
    // Where her factor was proved too long ago.
    if (choices.path.startsWith('/step-up')) await this.#typeCode('/step-up');
    const review = '/me/delegations/review';
    await this.browser.submit(review, { [this.browser.boxBefore(review, READ_ORDERS)]: 'yes', until: '1d' });
    return this.browser.submit('/me/delegations');
  }

  /** Opens what waits for her. */
  async openInbox(): Promise<ShownPage> {
    await this.signIn();
    return this.browser.open('/approvals');
  }

  /** Countersigns the request on the card that she has open. */
  approve(elevationId: string): Promise<ShownPage> {
    return this.#typeCode(`/approvals/${elevationId}/approve`);
  }

  /** Takes back what she approved. */
  async takeBack(elevationId: string): Promise<ShownPage> {
    await this.signIn();
    await this.browser.open(`/approvals/${elevationId}`);
    return this.browser.submit(`/approvals/${elevationId}/end`);
  }

  /** Somebody tries her password and the code that was used last, in a browser of theirs. */
  async tryUsedCode(issuer: string, via: typeof fetch): Promise<Exchange | undefined> {
    const browser = new Browser(issuer, via);
    await browser.open('/me');
    await browser.submit('/sign-in', { email: this.email, password: this.password });
    await browser.submit('/sign-in/factor', { code: await this.app.usedCode() });
    return browser.takeExchanges().findLast(({ method }) => method === 'POST');
  }

  /** Presses End. */
  async end(delegationId: string): Promise<ShownPage> {
    await this.signIn();
    return this.browser.submit(`/me/delegations/${delegationId}/end`);
  }

  /** Types a code; the next one where the machine was so slow that it ran out on the way. */
  async #typeCode(action: string): Promise<ShownPage> {
    for (;;) {
      const { code, goodUntil }: OneTimeCode = await this.app.codeAtOnce(ms => this.onWait(ms));
      const page = await this.browser.submit(action, { code });
      if (page.status < 400 || this.app.now() < goodUntil) return page;
    }
  }
}

/** Easy to copy and to read aloud; 79 bits. */
function newPassword(): string {
  const letters = Array.from({ length: 16 }, () => PASSWORD_LETTERS[randomInt(PASSWORD_LETTERS.length)]);
  return letters.join('').match(/.{4}/g)?.join('-') ?? '';
}
