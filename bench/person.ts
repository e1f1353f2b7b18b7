/** People, who do everything by the pages, as anybody does. */
import { randomBytes } from 'node:crypto';
import { generateSync } from 'otplib';
import { adminToken, patientFetch, post } from './admin-api.ts';
import type { Admin, Target } from './servers.ts';

const PASSWORD = 'correct horse battery staple';

export interface EnrolledPerson {
  readonly id: string;
  /** Signed in, with a second factor that has just been proved. */
  readonly browser: FormBrowser;
  /** Of the authenticator app. */
  readonly secret: string;
}

/** @throws {Error} when the server understands the pages otherwise */
export async function enrol({ issuer, paths, admin }: Target): Promise<EnrolledPerson> {
  const token = await adminToken({ issuer, paths, admin: admin as Admin });
  const email = `alice-${randomBytes(6).toString('hex')}@bench.example`;
  const { id } = await post(issuer, 'people', { name: 'Alice', email, roles: ['member'] }, token);
  const { link } = (await post(issuer, `people/${id}/invite`, undefined, token)) as { link?: string };
  const browser = new FormBrowser(issuer);
  await browser.open(link ?? '');
  await browser.send('/enrol');
  await browser.open('/enrol');
  await browser.send('/enrol/password', { password: PASSWORD });
  const secret = (/class="secret">([^<]+)</.exec(browser.page)?.[1] ?? '').replaceAll(' ', '');
  await browser.send('/enrol/finish', { code: generateSync({ secret }) });
  return { id, browser, secret };
}

/** What of a browser a form needs: cookies, and the fields that it has already. */
export class FormBrowser {
  /** What was shown last with a form on it. */
  page = '';
  /** What was answered last. */
  html = '';
  readonly #origin: string;
  readonly #cookies = new Map<string, string>();

  constructor(issuer: string) {
    this.#origin = new URL(issuer).origin;
  }

  async open(url: string): Promise<void> {
    await this.#request('GET', url);
  }

  /** @returns where it leads; empty where it is answered with a page */
  send(action: string, fields: Readonly<Record<string, string>> = {}): Promise<string> {
    const [, form = ''] =
      new RegExp(`<form[^>]* action="[^"]*${action}"[^>]*>([\\s\\S]*?)</form>`).exec(this.page) ?? [];
    const hidden = [...form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value.replaceAll('&amp;', '&')],
    );
    return this.#request('POST', action, { ...Object.fromEntries(hidden), ...fields });
  }

  async #request(method: string, url: string, fields?: Readonly<Record<string, string>>): Promise<string> {
    const answer = await patientFetch(new URL(url, this.#origin), {
      method,
      redirect: 'manual',
      headers: {
        Origin: this.#origin,
        'Sec-Fetch-Site': 'same-origin',
        Cookie: [...this.#cookies].map(pair => pair.join('=')).join('; '),
      },
      ...(fields && { body: new URLSearchParams(fields) }),
    });
    const text = await answer.text();
    if (answer.status >= 400)
      throw new Error(`${method} ${url} was answered with ${answer.status} ${text.slice(0, 200)}`);
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', ...value] = (line.split(';')[0] ?? '').split('=');
      this.#cookies.set(name, value.join('='));
    }
    this.html = text;
    if (text.includes('<form')) this.page = text;
    return answer.headers.get('location') ?? '';
  }
}
