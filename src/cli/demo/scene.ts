import type { Delegation } from '../../delegation/index.ts';
import type { DelegatedAgent } from './delegated-agent.ts';
import type { Narrator, Telling } from './narrator.ts';
import type { ShopAgent } from './shop-agent.ts';
import type { Scenery } from './stage.ts';
import { type By, inWholeSeconds, type Turns } from './turns.ts';

/** What the parts have in common that tell of an agent and a person. */
export interface Scene {
  readonly stage: Scenery;
  readonly narrator: Narrator;
  readonly turns: Turns;
  /** When it began: what the trail has of it came after. */
  readonly startedAt: number;
  /** The agent for itself, and where it acts for Alice. */
  readonly agent: ShopAgent;
  readonly delegated: DelegatedAgent;
}

/** An agent that acts for Alice. Instants are milliseconds since the epoch. */
export interface Acting {
  readonly delegation: Delegation;
  /** By which it acts for her. */
  readonly token: string;
  readonly tokenGoodUntil: number;
  /** Of the token by which it acts for itself. */
  readonly ownGoodUntil: number;
}

/** Whose doing it was. */
export function tellWho(tell: Telling, by: By): void {
  tell.fact('done by', by === 'reader' ? 'you' : 'the demo, by the forms of the pages, as a browser does');
}

/** What she does by which request. */
const DEEDS: Readonly<Record<string, string>> = {
  'GET /me 303': 'sign in first',
  'POST /sign-in': 'e-mail and password',
  'POST /sign-in/factor': 'one-time code',
  'POST /step-up': 'one-time code',
  'POST /me/delegations/review': 'what, and until when',
  'POST /me/delegations': 'Let it act for me',
  'GET /approvals': 'what waits for her',
};

/** What the browser of the demo sent. */
export function tellPages({ alice }: Scenery, tell: Telling): void {
  for (const exchange of alice.browser.takeExchanges()) {
    const { method, url, status } = exchange;
    const what = `${method} ${url.pathname}`;
    const isEnd = method === 'POST' && url.pathname.endsWith('/end');
    const isApproval = method === 'POST' && url.pathname.endsWith('/approve');
    const deed = isEnd ? 'End' : isApproval ? 'Approve, with a code' : undefined;
    tell.exchange(exchange, deed ?? DEEDS[`${what} ${status}`] ?? DEEDS[what]);
  }
}

/** Says so where Alice has to wait for her next code. */
export function sayWhenWaiting({ alice, clock }: Scenery, tell: Telling): void {
  alice.onWait = ms => {
    const span = inWholeSeconds(ms);
    if (clock.movable)
      tell.fact('clock', `moved on ${span} to the next one-time code: all until then are used`);
    else tell.fact('waits', `${span} for a one-time code, since the present one has been used`);
  };
}
