/** A real Chromium, driven by playwright-core: one that is named or installed, or the one that comes with the tests from npm. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import chromium from '@sparticuz/chromium';
import axe from 'axe-core';
import { type Browser, type Locator, type Page, chromium as playwright } from 'playwright-core';

const SCREENSHOTS = resolve(import.meta.dirname, '../../.screenshots');
const KEEPS_PICTURES = process.env['COUNTERSIGN_TEST_PICTURES'] === 'on';
const INSTALLED = '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
];

/** How long something may take that has to happen: only a broken test waits for it. */
export const PATIENCE_MS = 900_000;

/** Sizes and themes that every page is looked at in. */
export const LOOKS = [320, 390, 1280].flatMap(width =>
  (['light', 'dark'] as const).map(theme => ({ width, theme })),
);

/** Colours follow the theme alone, and what is where follows the width: each of both is judged once. */
const JUDGED = [
  { width: 320, theme: 'light' },
  { width: 390, theme: 'dark' },
  { width: 1280, theme: 'light' },
];

export async function startBrowser(): Promise<Browser> {
  const executablePath =
    process.env['CHROMIUM'] ?? (existsSync(INSTALLED) ? INSTALLED : await chromium.executablePath());
  return playwright.launch({ executablePath, args: ARGUMENTS, timeout: PATIENCE_MS });
}

/** Presses what leads to another page, and resolves when that has been loaded: what is looked at is not the one before. */
export async function follow(page: Page, goal: Locator): Promise<void> {
  const loaded = page.waitForEvent('load');
  await goal.click();
  await loaded;
}

/** What is wrong with a page for people who cannot see, hear or point (WCAG 2.2 AA), one line each. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  // As a debugger would: the policy of the page lets nothing else run.
  await page.evaluate(axe.source);
  const result = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return result.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help} at ${target.join(' ')} (${failureSummary})`),
  );
}

/**
 * Looks at a page in every size and theme, and finds what is wrong. With `COUNTERSIGN_TEST_PICTURES=on` it judges all of them, and
 * keeps a picture of most, which takes three times as long.
 *
 * @returns one line for each problem
 */
export async function lookAt(page: Page, name: string): Promise<readonly string[]> {
  const problems: string[] = [];
  if (KEEPS_PICTURES) await mkdir(SCREENSHOTS, { recursive: true });
  for (const { width, theme } of LOOKS) {
    await page.setViewportSize({ width, height: 900 });
    // A colour that is on its way from one theme to the other has no contrast of its own.
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    const where = `${name} ${width} ${theme}`;
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    if (overflow > 0) problems.push(`${where}: ${overflow} px too wide`);
    if (KEEPS_PICTURES || JUDGED.some(look => look.width === width && look.theme === theme)) {
      for (const problem of await accessibilityProblems(page)) problems.push(`${where}: ${problem}`);
    }
    if (KEEPS_PICTURES && width !== 320) {
      await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}-${theme}.png`), fullPage: true });
    }
  }
  return problems;
}
