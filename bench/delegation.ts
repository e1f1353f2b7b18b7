/** A person who lets an agent act for them, by the pages, as anybody does. */
import { generateSync } from 'otplib';
import { adminToken, post } from './admin-api.ts';
import { type Admin, OPAQUE_RESOURCE, SCOPE, type Target } from './servers.ts';

const PASSWORD = 'correct horse battery staple';

const given = new WeakMap<Target, Promise<string>>();

/**
 * The delegation under which the client with a secret acts at the resource server of opaque tokens. It is given at the first call.
 *
 * @returns its identifier
 * @throws {Error} when the server does not know delegations, or understands the pages otherwise
 */
export function delegationOf(target: Target): Promise<string> {
  let delegation = given.get(target);
  if (!delegation) {
    delegation = give(target);
    given.set(target, delegation);
  }
  return delegation;
}

async function give({ issuer, paths, admin, secretClient }: Target): Promise<string> {
  const browser = new FormBrowser(issuer);
  await enrol(browser, issuer, await adminToken({ issuer, paths, admin: admin as Admin }));
  const query = new URLSearchParams({ agent: secretClient.id, resource: OPAQUE_RESOURCE });
  await browser.open(`/me/delegations/new?${query}`);
  await browser.send('/me/delegations/review', { [`scope:${SCOPE}`]: 'yes', until: '30d' });
  const location = await browser.send('/me/delegations');
  const [, id] = /given=(dlg_\w+)/.exec(location) ?? [];
  if (id === undefined) throw new Error(`no delegation was given, but ${location}`);
  return id;
}

/** Ends signed in, with a second factor that has just been proved. */
async function enrol(browser: FormBrowser, issuer: string, token: string): Promise<void> {
  const person = { name: 'Alice', email: 'alice@bench.example', roles: ['member'] };
  const { id } = await post(issuer, 'people', person, token);
  const { link } = (await post(issuer, `people/${id}/invite`, undefined, token)) as { link?: string };
  await browser.open(link ?? '');
  await browser.send('/enrol');
  await browser.open('/enrol');
  await browser.send('/enrol/password', { password: PASSWORD });
  const secret = (/class="secret">([^<]+)</.exec(browser.page)?.[1] ?? '').replaceAll(' ', '');
  await browser.send('/enrol/finish', { code: generateSync({ secret }) });
}

/** What of a browser a form needs: cookies, and the fields that it has already. */
class FormBrowser {
  /** What was shown last. */
  page = '';
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
    const answer = await fetch(new URL(url, this.#origin), {
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
    if (text.includes('<form')) this.page = text;
    return answer.headers.get('location') ?? '';
  }
}
