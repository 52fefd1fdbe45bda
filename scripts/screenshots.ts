/**
 * Takes the pictures of the documentation from a running arena, or those of the equities desk where that runs.
 *
 *   npm run screenshots                             of the one that `npm start` runs
 *   npm run screenshots -- http://127.0.0.1:4281    of another
 */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { startChromium } from './chromium.ts';

const IMAGES = fileURLToPath(new URL('../docs/images', import.meta.url));
const DEFAULT_URL = 'http://127.0.0.1:4280';
/** Curves, names and numbers are all there then; they do not move by themselves. */
const SETTLED_MS = 1500;

type Shot = { readonly name: string; readonly path: string; readonly options: BrowserContextOptions };

const DESKTOP = { width: 1280, height: 960 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, isMobile: true, hasTouch: true };
const ARENA_SHOTS: readonly Shot[] = [
  { name: 'arena-light', path: '/', options: { viewport: DESKTOP, colorScheme: 'light' } },
  { name: 'arena-dark', path: '/', options: { viewport: DESKTOP, colorScheme: 'dark' } },
  { name: 'arena-phone', path: '/', options: PHONE },
];
const DESK_SHOTS: readonly Shot[] = [
  { name: 'desk-light', path: '/', options: { viewport: DESKTOP, colorScheme: 'light' } },
  { name: 'desk-phone', path: '/', options: PHONE },
];

async function shotsOf(base: string): Promise<readonly Shot[]> {
  const { desk } = (await (await fetch(new URL('/api/desk', base))).json()) as { desk: object | null };
  return desk === null ? ARENA_SHOTS : DESK_SHOTS;
}

async function take(browser: Browser, base: string, { name, path: address, options }: Shot): Promise<void> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  await page.goto(new URL(address, base).href);
  await page.getByText('Streaming').waitFor();
  await page.locator('.end-labels li').first().waitFor();
  await page.waitForTimeout(SETTLED_MS);
  const file = path.join(IMAGES, `${name}.png`);
  await page.screenshot({ path: file });
  process.stdout.write(`wrote ${path.relative(process.cwd(), file)}\n`);
  await context.close();
}

mkdirSync(IMAGES, { recursive: true });
const browser = await startChromium();
const base = process.argv[2] ?? DEFAULT_URL;
try {
  for (const shot of await shotsOf(base)) await take(browser, base, shot);
} finally {
  await browser.close();
}
