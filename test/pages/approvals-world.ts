/** Approvals at a browser: who is there, and what is looked at. */
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { PATIENCE_MS } from '../support/browser.ts';
import { type Asked, totpOf } from '../support/elevations.ts';
import { PASSWORD } from '../support/people.ts';
import {
  type App,
  addAgent,
  addResource,
  type HeldClock,
  heldClock,
  startApp,
  type TestAgent,
  type TestResource,
} from '../support/start-app.ts';
import { type Enrolled, enrol, Visitor } from '../support/visitor.ts';

/** Whoever runs it: an AVA test, or a proof. */
interface Host {
  teardown(work: () => Promise<void>): void;
}

export interface World {
  readonly app: App;
  readonly time: HeldClock;
  readonly ada: Enrolled;
  readonly resource: TestResource;
  readonly agent: TestAgent;
}

/** Ada, and an agent of hers that may read, and write and delete when somebody approves. */
export async function startWorld(host: Host): Promise<World> {
  const time = heldClock(Math.ceil(Date.now() / 30_000) * 30_000);
  const app = await startApp(host, { clock: time });
  const ada = await enrol(app, new Visitor(app), ['member'], 'Ada Lovelace');
  time.pass(60_000);
  const resource = await addResource(app, {
    name: 'Orders',
    scopes: [
      { name: 'orders:read', sentence: 'Read orders', risk: 'low' },
      { name: 'orders:write', sentence: 'Change orders', risk: 'medium' },
      { name: 'orders:refund', sentence: 'Pay money back to customers', risk: 'high' },
    ],
  });
  const agent = await addAgent(app, ada.person, resource, {
    name: 'Order helper',
    envelope: [{ resource: resource.identifier, scopes: ['orders:read', 'orders:write', 'orders:refund'] }],
    baseline: [{ resource: resource.identifier, scopes: ['orders:read'] }],
  });
  return { app, time, ada, resource, agent };
}

/** Signed in, in a browser of its own, at an address. */
export async function open(
  host: Host,
  browser: Browser,
  { app, ada }: World,
  next: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  host.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${app.issuer}${next}`);
  await page.locator('#email').fill(ada.email);
  await page.locator('#password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('#code').fill(totpOf(ada.seed, app.now()));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${app.issuer}${next}`);
  return { context, page };
}

/** Whether something can be pressed as the page has opened: within what is seen, and nothing over it. */
export function isInView(goal: Locator): Promise<boolean> {
  return goal.evaluate(element => {
    const { left, top, right, bottom } = element.getBoundingClientRect();
    const view = element.ownerDocument.defaultView;
    if (!view || left < 0 || top < 0 || right > view.innerWidth || bottom > view.innerHeight) return false;
    const points = [
      [(left + right) / 2, (top + bottom) / 2],
      [left + 4, top + 4],
      [right - 4, bottom - 4],
    ] as const;
    return points.every(([x, y]) => element.contains(element.ownerDocument.elementFromPoint(x, y)));
  });
}

export const cardOf = ({ elevation }: Asked): string => `/approvals/${elevation.id}`;
