import { type Exchange, watchedFetch } from './exchange.ts';
import { StepFailed } from './narrator.ts';

export interface ShownPage {
  readonly status: number;
  /** With its query: where the redirects ended. */
  readonly path: string;
  readonly text: string;
}

const MOST_REDIRECTS = 10;
const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

/** A browser as far as cookies, forms and redirects go: it sends nothing but what the page before it offers. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  readonly #issuer: URL;
  readonly #fetch: typeof fetch;
  #page: ShownPage = { status: 0, path: '', text: '' };
  #exchanges: Exchange[] = [];

  /** @param via how its requests go out */
  constructor(issuer: string, via: typeof fetch = fetch) {
    this.#issuer = new URL(issuer);
    this.#fetch = watchedFetch(exchange => this.#exchanges.push(exchange), via);
  }

  /** @param address below the issuer's, or whole */
  open(address: string): Promise<ShownPage> {
    return this.#follow(new URL(address, this.#issuer), { method: 'GET' });
  }

  /**
   * Presses the button of a form of the page that is shown, with what the form holds itself and what is typed into it.
   *
   * @throws {StepFailed} where the page has no such form
   */
  submit(action: string, typed: Readonly<Record<string, string>> = {}): Promise<ShownPage> {
    const body = new URLSearchParams({ ...hiddenFields(this.#formOf(action)), ...typed });
    // As browsers say it of a page that sends no referrer.
    const headers = { Origin: 'null', 'Sec-Fetch-Site': 'same-origin' };
    return this.#follow(new URL(action, this.#issuer), { method: 'POST', headers, body });
  }

  /** The name of the box that stands before a text, in a form of the page that is shown. @throws {StepFailed} where there is none */
  boxBefore(action: string, text: string): string {
    for (const [, input = '', label = ''] of this.#formOf(action).matchAll(
      /<input type="checkbox"([^>]*)><span>([^<]*)</g,
    )) {
      if (decoded(label) === text) return attribute(input, 'name');
    }
    throw new StepFailed(`the page ${this.#page.path} has no box "${text}"`);
  }

  /** What was sent and answered since this was last asked. */
  takeExchanges(): readonly Exchange[] {
    const taken = this.#exchanges;
    this.#exchanges = [];
    return taken;
  }

  #formOf(action: string): string {
    for (const [, opening = '', inner = ''] of this.#page.text.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)) {
      if (attribute(opening, 'action') === action) return inner;
    }
    throw new StepFailed(`the page ${this.#page.path} (${this.#page.status}) has no form for ${action}`);
  }

  async #follow(url: URL, init: RequestInit): Promise<ShownPage> {
    let response = await this.#send(url, init);
    let at = url;
    for (let redirects = 0; redirects < MOST_REDIRECTS; redirects += 1) {
      const location = response.headers.get('location');
      if (location === null) break;
      at = new URL(location, at);
      if (at.origin !== this.#issuer.origin) throw new StepFailed(`a page leads away, to ${at.origin}`);
      response = await this.#send(at, { method: 'GET' });
    }
    this.#page = { status: response.status, path: at.pathname + at.search, text: await response.text() };
    return this.#page;
  }

  async #send(url: URL, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('Accept-Language', 'en');
    if (this.#cookies.size > 0)
      headers.set('Cookie', [...this.#cookies].map(pair => pair.join('=')).join('; '));
    const response = await this.#fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ');
      const [name = '', ...value] = pair.split('=');
      if (attributes.includes('Max-Age=0')) this.#cookies.delete(name);
      else this.#cookies.set(name, value.join('='));
    }
    return response;
  }
}

function hiddenFields(form: string): Record<string, string> {
  return Object.fromEntries(
    [...form.matchAll(/<input type="hidden"([^>]*)>/g)].map(([, input = '']) => [
      attribute(input, 'name'),
      attribute(input, 'value'),
    ]),
  );
}

function attribute(tag: string, name: string): string {
  return decoded(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '');
}

/** Text as a page shows it. */
export function decoded(text: string): string {
  return text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, entity => ENTITIES[entity] ?? entity);
}
