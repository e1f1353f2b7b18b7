/** Approvals at a browser: by keyboard alone, in every size and theme, with and without scripts, whatever an agent says. */
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { updateAgent } from '../../src/agents/index.ts';
import { lookAt, PATIENCE_MS, startBrowser } from '../support/browser.ts';
import { type Asked, askForMore, fetchApproved, letAct, totpOf } from '../support/elevations.ts';
import { hostileReason } from '../support/hostile-reasons.ts';
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
  const time = heldClock(Math.ceil(Date.now() / 30_000) * 30_000);
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
  { app, ada }: World,
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
  return { context, page };
}

/** Counts what somebody presses who has no mouse. */
function keyboardOf(page: Page) {
  const keyboard = {
    strokes: 0,
    async press(key: string): Promise<void> {
      keyboard.strokes += 1;
      await page.keyboard.press(key);
    },
    async type(text: string): Promise<void> {
      for (const key of text) await keyboard.press(key);
    },
    async tabTo(goal: Locator): Promise<void> {
      await goal.waitFor();
      for (let presses = 0; presses < 50; presses += 1) {
        if (await goal.evaluate(element => element === element.ownerDocument.activeElement)) return;
        await keyboard.press('Tab');
      }
      throw new Error(`the tabulator does not come to ${goal}`);
    },
  };
  return keyboard;
}

/** Whether something can be pressed as the page has opened: within what is seen, and nothing over it. */
function isInView(goal: Locator): Promise<boolean> {
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

const cardOf = ({ elevation }: Asked): string => `/approvals/${elevation.id}`;

test('by keyboard alone, from the inbox to approved in twelve keystrokes; a denial is one press', async t => {
  const world = await startWorld(t);
  const { app, ada, agent, resource, time } = world;
  const delegation = await letAct(app, ada.person, agent, resource, ['orders:read']);
  const asked = await askForMore(app, agent, resource, {
    delegation,
    scope: 'orders:read orders:refund',
    duration: '120',
    reason: 'Order 90210 was charged twice.',
  });
  time.pass(1_000);
  const other = await askForMore(app, agent, resource, { scope: 'orders:write' });
  const { page } = await open(t, world, '/approvals');
  time.pass(30_000);
  await page.reload();
  const keyboard = keyboardOf(page);
  await keyboard.tabTo(page.getByRole('link', { name: 'Pay money back to customers' }));
  await keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Order helper wants to do this for you at Orders' }).waitFor();
  t.is(await page.evaluate<string>('document.activeElement.id'), 'code', 'no button has the focus');
  await keyboard.type(totpOf(ada.seed, app.now()));
  await keyboard.press('Enter');
  await page.getByText('You approved this').waitFor();
  t.true(keyboard.strokes <= 12, `${keyboard.strokes} keystrokes`);
  t.is((await app.store.findElevation(asked.elevation.id))?.status, 'approved');

  await page.goto(`${app.issuer}${cardOf(other)}`);
  const deny = keyboardOf(page);
  await deny.tabTo(page.getByRole('button', { name: 'Deny', exact: true }));
  t.is(deny.strokes, 2, 'past Approve');
  await deny.press('Enter');
  await page.getByText('You denied this').waitFor();
  t.is((await app.store.findElevation(other.elevation.id))?.status, 'denied');

  // It is ended by keyboard too.
  await page.goto(`${app.issuer}/approvals`);
  await keyboard.tabTo(page.getByRole('button', { name: 'End what you approved: Order helper at Orders' }));
  await keyboard.press('Enter');
  await page.getByText('Order helper may no longer do that at Orders').waitFor();
  t.is((await app.store.findElevation(asked.elevation.id))?.status, 'revoked');
});

test('every state of a request is told, in every size and theme', async t => {
  const problems: string[] = [];
  const world = await startWorld(t);
  const { app, time, ada, resource, agent } = world;
  const delegation = await letAct(app, ada.person, agent, resource, ['orders:read']);
  const { page } = await open(t, world, '/approvals');
  const complaints: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(String(error)));
  const look = async (name: string): Promise<void> => {
    problems.push(...(await lookAt(page, name)));
  };
  const show = (address: string) => page.goto(`${app.issuer}${address}`);
  const send = async (code: string): Promise<void> => {
    await page.locator('#code').fill(code);
    await page.keyboard.press('Enter');
  };
  await look('approvals-empty');
  const first = await askForMore(app, agent, resource, {
    delegation,
    scope: 'orders:read orders:refund',
    duration: '120',
    reason: 'Customer 4711 was charged twice for order 90210; the second charge goes back. Ticket OPS-318.',
  });
  time.pass(5_000);
  const second = await askForMore(app, agent, resource, {
    scope: 'orders:read orders:write',
    duration: '600',
  });
  await page.reload();
  await look('approvals-waiting');
  await show('/me');
  await page.getByText('2 requests wait for you.').waitFor();
  await look('me-waiting');
  await show(cardOf(first));
  await page.getByText('The code that your app shows is used.').waitFor();
  time.pass(30_000);
  await page.reload();
  await page.getByText('A new one, not that of your sign-in.').waitFor();
  await look('approval');
  await page.getByText('Deny, and tell the agent why').click();
  await look('approval-why');
  await send('000000');
  await page.getByRole('alert').waitFor();
  await look('approval-wrong');
  await send(totpOf(ada.seed, app.now()));
  await page.getByText('Approved, not fetched yet').waitFor();
  await look('approval-approved');
  await fetchApproved(app, first);
  await page.reload();
  await page.getByText('Approved, running').waitFor();
  await page.getByRole('button', { name: 'End it now' }).click();
  await page.getByText('Taken back').waitFor();

  await show(cardOf(second));
  await updateAgent(
    { agents: app.store, people: app.store, resources: app.store, freshness: app.store },
    agent.id,
    '*',
    { name: 'Order helper 2' },
    app.origin(),
  );
  time.pass(30_000);
  await send(totpOf(ada.seed, app.now()));
  await page.getByText('What you were shown is not what is there any more').waitFor();
  await look('approval-changed');

  const third = await askForMore(app, agent, resource, { scope: 'orders:write' });
  await show(cardOf(third));
  for (let tries = 0; tries < 5; tries += 1) await send('000000');
  await page.getByText('none is accepted until').waitFor();
  await look('approval-locked');
  await page.getByRole('button', { name: 'Deny', exact: true }).click();
  await page.getByText('You denied this').waitFor();
  await look('approval-denied');
  const fourth = await askForMore(app, agent, resource, { scope: 'orders:write' });
  time.pass(600_000);
  await show(cardOf(fourth));
  await page.getByText('Nobody decided by').waitFor();
  await show('/approvals');
  await look('approvals-decided');
  t.deepEqual(problems, []);
  t.deepEqual(
    complaints.filter(text => !/status of 4\d\d/.test(text)),
    [],
  );
});

test('R079: whatever an agent says, the card is whole and its buttons are in view', async t => {
  const world = await startWorld(t);
  const { app, ada, agent, resource, time } = world;
  const delegation = await letAct(app, ada.person, agent, resource, ['orders:read']);
  const problems: string[] = [];
  // German has the longer words: there, the longest of them.
  for (const locale of ['en-GB', 'de-DE']) {
    const { context, page } = await open(t, world, '/approvals', { locale });
    time.pass(30_000);
    const elsewhere: string[] = [];
    page.on('request', request => {
      if (!request.url().startsWith(`${app.issuer}/`)) elsewhere.push(request.url());
    });
    page.on('dialog', dialog => {
      elsewhere.push(dialog.message());
      void dialog.dismiss();
    });
    for (let seed = 1; seed <= 20; seed += 1) {
      if (locale === 'de-DE' && seed % 5 > 0) continue;
      const asked = await askForMore(app, agent, resource, {
        delegation,
        scope: 'orders:read orders:write orders:refund',
        duration: String(60 + seed),
        reason: hostileReason(seed),
      });
      for (const [width, height] of [
        [320, 640],
        [390, 844],
        [1280, 800],
      ] as const) {
        const where = `${locale}, seed ${seed}, ${width}`;
        await page.setViewportSize({ width, height });
        await page.goto(`${app.issuer}${cardOf(asked)}`);
        t.deepEqual(
          await page.locator('.decide button').evaluateAll(buttons => buttons.map(each => each.textContent)),
          locale === 'en-GB' ? ['Approve', 'Deny'] : ['Genehmigen', 'Ablehnen'],
          where,
        );
        for (const each of await page.locator('.decide button, #code').all()) {
          t.true(await isInView(each), where);
        }
        const tooWide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
        t.is(await page.evaluate<number>(tooWide), 0, where);
        t.is(await page.evaluate<number>('scrollY'), 0, `${where}: it opens where it begins`);
        if (width > 320) t.true(await isInView(page.getByRole('heading', { level: 1 })), where);
        t.is(await page.locator('.claim').textContent(), asked.elevation.reason, where);
        t.is(
          await page.title(),
          `${locale === 'en-GB' ? 'Approvals' : 'Genehmigungen'} · Countersign`,
          where,
        );
        t.is(await page.locator('form').count(), 3, where);
      }
      if (seed === 20) problems.push(...(await lookAt(page, `approval-hostile-${locale}`)));
      await page.locator('.decide .wide').click();
      await page.locator('#became').waitFor();
    }
    t.deepEqual(elsewhere, []);
    await context.close();
  }
  t.deepEqual(problems, []);
});

test('the card counts down, and says when there is a new code; without scripts it says the times', async t => {
  const world = await startWorld(t);
  const { app, ada, agent, resource, time } = world;
  const { page } = await open(t, world, '/approvals');
  const asked = await askForMore(app, agent, resource, { scope: 'orders:write' });
  await page.clock.install({ time: app.now() });
  await page.goto(`${app.issuer}${cardOf(asked)}`);
  await page.getByText('10:00 left').waitFor();
  await page.getByText('The code that your app shows is used.').waitFor();
  await page.clock.runFor(30_000);
  await page.getByText('9:30 left').waitFor();
  await page.getByText('Your app shows a new code now.').waitFor();
  await page.clock.runFor(520_000);
  await page.getByText('One minute left to decide.').waitFor({ state: 'attached' });
  await page.clock.runFor(60_000);
  t.is(await page.locator('.left').textContent(), 'The time to decide is over.');

  time.pass(30_000);
  const plain = await open(t, world, '/approvals', { javaScriptEnabled: false });
  time.pass(30_000);
  await plain.page.goto(`${app.issuer}${cardOf(asked)}`);
  await plain.page.getByText('Decide by').waitFor();
  t.is(await plain.page.locator('[data-left]:visible').count(), 0);
  await plain.page.locator('#code').fill(totpOf(ada.seed, app.now()));
  await plain.page.keyboard.press('Enter');
  await plain.page.getByText('You approved this').waitFor();
});
