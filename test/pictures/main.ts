/**
 * `npm run pictures`: takes the pictures that README.md shows, into docs/pictures/. The server, its world and the browser are real; the
 * time is always the same, so that what has not changed looks as it did.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import chromium from '@sparticuz/chromium';
import { exportJWK, generateKeyPair } from 'jose';
import type { Page } from 'playwright-core';
import {
  demoWorld,
  ORDERS_ID,
  OWNER_ID,
  REPORTER_ID,
  SHOPKEEPER_ID,
  seedDemoWorld,
} from '../../seed/demo-world.ts';
import { getPerson, issueEnrolment } from '../../src/people/index.ts';
import { startBrowser } from '../support/browser.ts';
import { type Asked, askForMore } from '../support/elevations.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import { type App, heldClock, startAppIn } from '../support/start-app.ts';
import { packPng } from './pack-png.ts';

const PICTURES = resolve(import.meta.dirname, '../../docs/pictures');
const ORDERS_URL = 'https://orders.example/mcp';
const LEDGER_URL = 'https://ledger.example/api';
const MORNING = Date.parse('2026-12-01T08:30:00Z');
const MINUTE_MS = 60_000;
/** As wide as README.md is shown, at most. */
const WIDTH = 896;
/** The card has its two parts beside each other where there is room. */
const WIDTH_OF_CARD = 1_056;
const SCALE = 1.5;
const HEIGHT = 900;
const MARGIN = 32;
/** What is on the card and drawn by lot, by where it stands. */
const DRAWN: Readonly<Record<string, string>> = {
  '.binding code': 'K7QF-3MNP',
  '.digest code': 'PLcVq0m1bT7yXk3nWd9sRa5fGh2jUe8oZi4pCx6vB0M',
  '.may code:text("dlg_")': 'dlg_01a2f6c03b5e4d17a980000000000d1e',
};

await using ended = new AsyncDisposableStack();
const directory = await mkdtemp(join(tmpdir(), 'countersign-pictures-'));
ended.defer(() => rm(directory, { recursive: true, force: true }));
const clock = heldClock(MORNING);
const app = await startAppIn(directory, { clock });
ended.defer(() => app.stop());
await takeFontOfTests(directory);
const browser = await startBrowser();
ended.defer(() => browser.close());
const context = await browser.newContext({
  locale: 'en-GB',
  viewport: { width: WIDTH, height: HEIGHT },
  deviceScaleFactor: SCALE,
  reducedMotion: 'reduce',
});
const page = await context.newPage();

await putWorldIn(app);
const seed = await enrol(page, app);
clock.pass(MINUTE_MS);
await signIn(page, codeOf(seed, clock()));
await letAct(page, SHOPKEEPER_ID, {
  resource: ORDERS_URL,
  may: ['See orders and their state', 'Change the address of an order'],
  until: '7 days',
});
await letAct(page, REPORTER_ID, {
  resource: LEDGER_URL,
  may: ['See what was booked'],
  until: '30 days',
});
await mkdir(PICTURES, { recursive: true });
// Without the notice of what was just done.
await page.goto(`${app.issuer}/me`);
for (const theme of ['light', 'dark'] as const) await takeActing(page, theme);
const asked = await askRefund(app);
// What counts down stands still.
await page.clock.setFixedTime(clock());
await page.setViewportSize({ width: WIDTH_OF_CARD, height: HEIGHT });
await page.goto(`${app.issuer}/approvals/${asked.elevation.id}`);
await setDrawn(page);
for (const theme of ['light', 'dark'] as const) await takeCard(page, theme);

/** The agent that answers customers may see orders for Alice, and asks to give money back for one. */
async function askRefund(app: App): Promise<Asked> {
  const { items: delegations } = await app.store.listDelegations({
    limit: 1,
    facets: [`agent ${SHOPKEEPER_ID}`],
  });
  const [delegation] = delegations;
  const resource = await app.store.findResource(ORDERS_ID);
  if (!delegation || !resource) throw new Error('nobody lets the agent act');
  clock.pass(9 * MINUTE_MS);
  const asked = await askForMore(app, { id: SHOPKEEPER_ID }, resource, {
    delegation,
    scope: 'orders:read orders:refund',
    duration: '300',
    reason: 'Order 1042 came broken. The customer sent photos and asks for the 34.90 euros back.',
  });
  clock.pass(48_000);
  return asked;
}

/** Shows what is drawn by lot as if it had always been drawn like this. */
async function setDrawn(page: Page): Promise<void> {
  for (const [selector, text] of Object.entries(DRAWN)) {
    await page.locator(selector).evaluate((element, drawn) => {
      if (element.textContent?.length !== drawn.length)
        throw new Error(`${element.textContent}: otherwise long`);
      element.textContent = drawn;
    }, text);
  }
}

/** The pages have the system's face. Pictures have the one that comes with the Chromium of the tests, wherever they are taken. */
async function takeFontOfTests(directory: string): Promise<void> {
  // Lays them beside itself.
  await chromium.executablePath();
  const file = join(directory, 'fonts.conf');
  await writeFile(
    file,
    `<fontconfig>
      <dir>${join(tmpdir(), 'fonts')}</dir>
      <match target="font"><edit name="rgba"><const>none</const></edit></match>
    </fontconfig>`,
  );
  process.env['FONTCONFIG_FILE'] = file;
}

async function putWorldIn({ store, origin }: App): Promise<void> {
  const { publicKey } = await generateKeyPair('ES256');
  const world = demoWorld({ ordersUrl: ORDERS_URL, shopkeeperKey: await exportJWK(publicKey) });
  const deps = { agents: store, people: store, resources: store, freshness: store };
  await seedDemoWorld(deps, world, origin());
}

/** Alice opens her invitation. @returns the seed of her authenticator app */
async function enrol(page: Page, { store, issuer, origin, now }: App): Promise<string> {
  const deps = { credentials: store, store, freshness: store, epochs: store.epochs, issuer };
  const alice = await getPerson(store, OWNER_ID);
  const { link } = await issueEnrolment(deps, alice, 'invitation', [], origin());
  await page.goto(link);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Continue' }).click();
  const seed = ((await page.locator('.secret').textContent()) ?? '').replaceAll(/\s/g, '');
  await page.getByLabel('Code').fill(codeOf(seed, now()));
  await page.getByRole('button', { name: 'Finish' }).click();
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  return seed;
}

/** With password and code, as any day. */
async function signIn(page: Page, code: string): Promise<void> {
  await page.getByRole('link', { name: 'Sign in again' }).click();
  await page.getByLabel('E-mail address').fill('alice@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Code from your authenticator app').fill(code);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Who acts for you' }).waitFor();
}

/** She lets an agent act for her, by the link that its operator would send. */
async function letAct(
  page: Page,
  agent: string,
  choice: { readonly resource: string; readonly may: readonly string[]; readonly until: string },
): Promise<void> {
  const query = new URLSearchParams({ agent, resource: choice.resource });
  await page.goto(new URL(`/me/delegations/new?${query}`, page.url()).href);
  for (const sentence of choice.may) await page.getByLabel(sentence).check();
  await page.getByLabel(choice.until).check();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Let it act for me' }).click();
  await page.getByText('may now act for you').waitFor();
}

/** From the top of the page to the end of the part that says who acts for her. */
async function takeActing(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  const part = await page.locator('section', { has: page.locator('#acting') }).boundingBox();
  if (!part) throw new Error('the page does not say who acts for her');
  const picture = await page.screenshot({
    fullPage: true,
    clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(part.y + part.height) + MARGIN },
  });
  await writeFile(join(PICTURES, `me-${theme}.png`), packPng(picture));
}

/** From the top of the page to the end of the card. */
async function takeCard(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  const card = await page.locator('.slip').boundingBox();
  if (!card) throw new Error('the page has no card');
  const picture = await page.screenshot({
    fullPage: true,
    caret: 'hide',
    clip: { x: 0, y: 0, width: WIDTH_OF_CARD, height: Math.ceil(card.y + card.height) + MARGIN },
  });
  await writeFile(join(PICTURES, `approval-${theme}.png`), packPng(picture));
}
