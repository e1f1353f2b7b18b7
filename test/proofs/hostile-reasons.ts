/**
 * Cards of requests whose agents say what they can to have a person see something else: in a browser, in both languages and at three
 * sizes each is complete and inert, and what is decided with is in view.
 */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { cardOf, isInView, open, startWorld } from '../pages/approvals-world.ts';
import { PATIENCE_MS } from '../support/browser.ts';
import { type Asked, askForMore, letAct } from '../support/elevations.ts';
import { hostileReason } from '../support/hostile-reasons.ts';
import type { ProofHost } from './proof.ts';

/** The words of the card, and how many of the reasons are looked at: German has the longer words, so there the longest of them. */
const LANGUAGES = {
  'en-GB': { approve: 'Approve', deny: 'Deny', title: 'Approvals', every: 1 },
  'de-DE': { approve: 'Genehmigen', deny: 'Ablehnen', title: 'Genehmigungen', every: 5 },
} as const;
type Language = keyof typeof LANGUAGES;

const SIZES = [
  [320, 640],
  [390, 844],
  [1280, 800],
] as const;

/** @returns how many cards were looked at, each at all sizes */
export async function showHostileReasons(
  host: Pick<ProofHost, 'teardown'>,
  browser: Browser,
  {
    reasons,
    seed,
    onCard,
    onLast,
  }: {
    readonly reasons: number;
    /** The seed of each reason is one more than that of the one before; this is before the first. */
    readonly seed: number;
    readonly onCard?: (cards: number) => void;
    /** The last card in a language is open. */
    readonly onLast?: (page: Page, language: Language) => Promise<void>;
  },
): Promise<number> {
  const world = await startWorld(host);
  const { app, ada, agent, resource, time } = world;
  const delegation = await letAct(app, ada.person, agent, resource, ['orders:read']);
  let cards = 0;
  for (const language of Object.keys(LANGUAGES) as Language[]) {
    const { context, page: first } = await open(host, browser, world, '/approvals', { locale: language });
    time.pass(30_000);
    // One window for each size, so that a card opens in all of them at once.
    const windows = [first, ...(await Promise.all(SIZES.slice(1).map(() => context.newPage())))];
    const elsewhere: string[] = [];
    for (const [index, page] of windows.entries()) {
      const [width, height] = SIZES[index] ?? SIZES[0];
      await page.setViewportSize({ width, height });
      page.setDefaultTimeout(PATIENCE_MS);
      page.on('request', request => {
        if (!request.url().startsWith(`${app.issuer}/`)) elsewhere.push(request.url());
      });
      page.on('dialog', dialog => {
        elsewhere.push(dialog.message());
        void dialog.dismiss();
      });
    }
    for (let number = 1; number <= reasons; number += 1) {
      if (number % LANGUAGES[language].every > 0) continue;
      const asked = await askForMore(app, agent, resource, {
        delegation,
        scope: 'orders:read orders:write orders:refund',
        duration: String(60 + (number % 600)),
        reason: hostileReason(seed + number),
      });
      await Promise.all(
        windows.map(async page => {
          await page.goto(`${app.issuer}${cardOf(asked)}`);
          const where = `${language}, seed ${seed + number}, ${page.viewportSize()?.width}`;
          await assertWhole(page, language, asked, where);
        }),
      );
      if (number === reasons) await onLast?.(first, language);
      await first.locator('.decide .wide').click();
      await first.locator('#became').waitFor();
      cards += 1;
      onCard?.(cards);
    }
    assert.deepEqual(elsewhere, []);
    await context.close();
  }
  return cards;
}

/** The card is all there as the page has opened, in the server's words, and the reason is text. */
async function assertWhole(page: Page, language: Language, asked: Asked, where: string): Promise<void> {
  const { approve, deny, title } = LANGUAGES[language];
  const buttons = page.locator('.decide button');
  assert.deepEqual(await buttons.allTextContents(), [approve, deny], where);
  for (const each of await page.locator('.decide button, #code').all()) {
    assert.ok(await isInView(each), where);
  }
  const tooWide = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
  assert.equal(await page.evaluate<number>(tooWide), 0, where);
  assert.equal(await page.evaluate<number>('scrollY'), 0, `${where}: it opens where it begins`);
  const isNarrow = page.viewportSize()?.width === SIZES[0][0];
  if (!isNarrow) assert.ok(await isInView(page.getByRole('heading', { level: 1 })), where);
  assert.equal(await page.locator('.claim').textContent(), asked.elevation.reason, where);
  assert.equal(await page.title(), `${title} · Countersign`, where);
  assert.equal(await page.locator('form').count(), 3, where);
}
