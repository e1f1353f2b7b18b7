/** Approvals at a browser: by keyboard alone, in every size and theme, with and without scripts, whatever an agent says. */
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { killAgent, updateAgent } from '../../src/agents/index.ts';
import { lookAt, PATIENCE_MS, startBrowser } from '../support/browser.ts';
import { askForMore, fetchApproved, letAct, totpOf } from '../support/elevations.ts';
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

let browser: Browser;
test.before('start a browser', async () => {
  browser = await startBrowser();
});
test.after.always('stop the browser', () => browser?.close());

interface World {
  readonly app: App;
  readonly time: HeldClock;
  readonly ada: Enrolled;
  readonly resource: TestResource;
  readonly agent: TestAgent;
}

/** Ada, and an agent of hers that may read, and write and delete when somebody approves. */
async function startWorld(t: ExecutionContext): Promise<World> {
  const time = heldClock();
  const app = await startApp(t, { clock: time });
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
async function open(
  t: ExecutionContext,
  { app, time, ada }: World,
  next: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<{ readonly context: BrowserContext; readonly page: Page }> {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${app.issuer}${next}`);
  await page.locator('#email').fill(ada.email);
  await page.locator('#password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('#code').fill(totpOf(ada.seed, app.now()));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${app.issuer}${next}`);
  time.pass(0);
  return { context, page };
}

test('look', async t => {
  const problems: string[] = [];
  const world = await startWorld(t);
  const { app, time, ada, resource, agent } = world;
  const delegation = await letAct(app, ada.person, agent, resource, ['orders:read']);
  const { page } = await open(t, world, '/approvals');
  const look = async (name: string): Promise<void> => {
    problems.push(...(await lookAt(page, name)));
  };
  await look('approvals-empty');
  const first = await askForMore(app, agent, resource, {
    delegation,
    scope: 'orders:read orders:refund',
    duration: '120',
    reason: 'Customer 4711 was charged twice for order 90210; the second charge goes back. Ticket OPS-318.',
  });
  time.pass(5_000);
  await askForMore(app, agent, resource, { scope: 'orders:read orders:write', duration: '600' });
  await page.reload();
  await look('approvals-waiting');
  await page.goto(`${app.issuer}/me`);
  await look('me-waiting');
  await page.goto(`${app.issuer}/approvals/${first.elevation.id}`);
  await look('approval');
  await page.locator('#code').fill('000000');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await look('approval-wrong');
  time.pass(30_000);
  await page.goto(`${app.issuer}/approvals/${first.elevation.id}`);
  await page.locator('#code').fill(totpOf(ada.seed, app.now()));
  await page.keyboard.press('Enter');
  await page.getByText('not fetched').first().waitFor();
  await look('approval-approved');
  await fetchApproved(app, first);
  await page.goto(`${app.issuer}/approvals`);
  await look('approvals-running');
  await page.getByRole('button', { name: 'End what' }).click();
  await look('approvals-ended');
  void killAgent;
  void updateAgent;
  t.deepEqual(problems, []);
});
