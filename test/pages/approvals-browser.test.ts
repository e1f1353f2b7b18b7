/** Approvals at a browser: by keyboard alone, in every size and theme, with and without scripts, whatever an agent says. */
import test from 'ava';
import type { Browser, Locator, Page } from 'playwright-core';
import { updateAgent } from '../../src/agents/index.ts';
import { showHostileReasons } from '../proofs/hostile-reasons.ts';
import { lookAt, startBrowser } from '../support/browser.ts';
import { askForMore, fetchApproved, letAct, totpOf } from '../support/elevations.ts';
import { cardOf, open, startWorld } from './approvals-world.ts';

let browser: Browser;
test.before('start a browser', async () => {
  browser = await startBrowser();
});
test.after.always('stop the browser', () => browser?.close());

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
  const { page } = await open(t, browser, world, '/approvals');
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
  const { page } = await open(t, browser, world, '/approvals');
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
  const problems: string[] = [];
  await showHostileReasons(t, browser, {
    reasons: 20,
    seed: 0,
    onLast: async (page, locale) => {
      problems.push(...(await lookAt(page, `approval-hostile-${locale}`)));
    },
  });
  t.deepEqual(problems, []);
});

test('the card counts down, and says when there is a new code; without scripts it says the times', async t => {
  const world = await startWorld(t);
  const { app, ada, agent, resource, time } = world;
  const { page } = await open(t, browser, world, '/approvals');
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
  const plain = await open(t, browser, world, '/approvals', { javaScriptEnabled: false });
  time.pass(30_000);
  await plain.page.goto(`${app.issuer}${cardOf(asked)}`);
  await plain.page.getByText('Decide by').waitFor();
  t.is(await plain.page.locator('[data-left]:visible').count(), 0);
  await plain.page.locator('#code').fill(totpOf(ada.seed, app.now()));
  await plain.page.keyboard.press('Enter');
  await plain.page.getByText('You approved this').waitFor();
});
