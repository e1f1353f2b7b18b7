/** A browser as far as cookies, forms and redirects go: what a page can be asked by somebody who sends what they like. */
import { randomBytes } from 'node:crypto';
import { createPerson, issueEnrolment, type Person, type Role } from '../../src/people/index.ts';
import { codeOf, PASSWORD } from './people.ts';
import type { App } from './start-app.ts';

export interface Shown {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly location: string | undefined;
}

/** How requests go out: as a browser's behind a proxy, say. */
export type Send = (
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
) => Promise<Pick<Shown, 'status' | 'headers' | 'text'>>;

export class Visitor {
  readonly cookies = new Map<string, string>();
  readonly #app: Pick<App, 'base' | 'issuer'>;
  readonly #request: Send;
  #page = '';

  constructor(app: Pick<App, 'base' | 'issuer'>, request: Send = sendDirectly) {
    this.#app = app;
    this.#request = request;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Shown> {
    return this.#send('GET', path, undefined, headers);
  }

  /** Sends a form of the page that was seen last, with its token. */
  async submit(
    action: string,
    fields: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Shown> {
    return this.#send('POST', action, new URLSearchParams({ ...this.hiddenFields(action), ...fields }), {
      Origin: new URL(this.#app.issuer).origin,
      'Sec-Fetch-Site': 'same-origin',
      ...headers,
    });
  }

  /** Sends whatever is wanted, from wherever. */
  send(
    action: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>>,
  ): Promise<Shown> {
    return this.#send('POST', action, new URLSearchParams(fields), headers);
  }

  /** What the form with this action would send by itself. */
  hiddenFields(action: string): Record<string, string> {
    const path = new URL(action, this.#app.issuer).pathname;
    const [, form = ''] =
      new RegExp(`<form[^>]* action="[^"]*${path}"[^>]*>([\\s\\S]*?)</form>`).exec(this.#page) ?? [];
    return Object.fromEntries(
      [...form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
        ([, name = '', value = '']) => [name, value.replaceAll('&amp;', '&')],
      ),
    );
  }

  /** Signs in with password and code, by the pages. */
  async signIn(email: string, seed: string, nowMs: number, next = '/me'): Promise<Shown> {
    await this.get(`/sign-in?next=${encodeURIComponent(next)}`);
    const begun = await this.submit('/sign-in', { email, password: PASSWORD });
    await this.get(begun.location ?? '');
    return this.submit('/sign-in/factor', { code: codeOf(seed, nowMs) });
  }

  async #send(
    method: string,
    path: string,
    body: URLSearchParams | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<Shown> {
    const url = path.startsWith('http')
      ? path.replace(this.#app.issuer, this.#app.base)
      : `${this.#app.base}${path}`;
    const response = await this.#request(
      method,
      url,
      {
        ...(this.cookies.size > 0 && { Cookie: [...this.cookies].map(pair => pair.join('=')).join('; ') }),
        ...(body && { 'Content-Type': 'application/x-www-form-urlencoded' }),
        ...headers,
      },
      body?.toString(),
    );
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      const [name = '', ...value] = pair.split('=');
      if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line) || value.join('=') === '')
        this.cookies.delete(name);
      else this.cookies.set(name, value.join('='));
    }
    const { text } = response;
    if (text.includes('<form')) this.#page = text;
    return {
      status: response.status,
      headers: response.headers,
      text,
      location: response.headers.get('location') ?? undefined,
    };
  }
}

const sendDirectly: Send = async (method, url, headers, body) => {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers,
    ...(body !== undefined && { body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
};

export interface Enrolled {
  readonly person: Person;
  readonly email: string;
  /** base32, as an authenticator app has it. */
  readonly seed: string;
}

/** Registers a person, who enrols by the pages. The code of this moment is used up by it; the browser is signed in then. */
export async function enrol(
  app: App,
  visitor: Visitor,
  roles: readonly Role[] = ['member'],
  name = 'Ada',
): Promise<Enrolled> {
  const email = `${randomBytes(6).toString('hex')}@example.com`;
  const { store } = app;
  const { person } = await createPerson({ people: store }, { name, email, roles: [...roles] }, app.origin());
  const deps = { credentials: store, store, freshness: store, epochs: store.epochs, issuer: app.issuer };
  const { link } = await issueEnrolment(deps, person, 'invitation', [], app.origin());
  await visitor.get(link);
  await visitor.submit('/enrol');
  await visitor.get('/enrol');
  const { text } = await visitor.submit('/enrol/password', { password: PASSWORD });
  const seed = (/class="secret">([^<]+)</.exec(text)?.[1] ?? '').replaceAll(' ', '');
  const done = await visitor.submit('/enrol/finish', { code: codeOf(seed, app.now()) });
  if (done.status !== 200) throw new Error(`enrolment: ${done.status} ${done.text}`);
  return { person, email, seed };
}
