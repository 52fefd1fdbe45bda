/** The page of a run of the equities desk: what it shows, that it moves, survives and fits. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from '../../scripts/build-page.mjs';
import { skipsBrowser, startChromium } from '../../scripts/chromium.ts';
import { startHttp } from '../../src/http/server.ts';
import { createRun, type TestRun } from '../harness.ts';
import { HOSTILE_SECTOR, registerDesk, scan, seedDesk } from './desk.ts';

const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 360, height: 740 };
const WAIT_MS = 20_000;
const MAX_LAYOUT_SHIFT = 0.05;
const SETTINGS = { kind: 'equities', settings: { feed: 'synthetic', day: '2025-05-09' } } as const;
const LOCAL = { host: '127.0.0.1', port: 0 };

type Server = Awaited<ReturnType<typeof startHttp>>;

let desk: TestRun;
let server: Server;
let browser: Browser;
let faults: string[] = [];

describe.skipIf(skipsBrowser)('the page of the equities desk', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    [desk, browser] = await Promise.all([createRun(SETTINGS), startChromium(), buildPage()]);
    await seedDesk(desk.resources);
    server = await startHttp(desk.resources, LOCAL);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await desk?.close();
  });

  const pages: Page[] = [];
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
    const seen = faults;
    faults = [];
    expect(seen, 'what the browser complained of').toEqual([]);
  });

  async function open(options: BrowserContextOptions = {}, base = server.url): Promise<Page> {
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on(
      'console',
      (message) =>
        message.type() === 'error' && !/ERR_CONN|ERR_INCOMPLETE/.test(message.text()) && faults.push(message.text()),
    );
    await page.addInitScript(
      'globalThis.shifted = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifted += entry.value; }).observe({ type: "layout-shift", buffered: true });',
    );
    await page.goto(base);
    await page.getByText('Streaming').waitFor();
    return page;
  }

  it('shows session, positions with the monitor’s look, candidates, signals and sectors', async () => {
    const page = await open();
    await page
      .getByRole('heading', { level: 1, name: 'The market is open: +$125.50 from 4 trades, 1 position open' })
      .waitFor();
    const session = await page.locator('#session').textContent();
    for (const part of ['Open', '3, 1', 'Bullish consolidation', '18.50', '12, 7']) expect(session).toContain(part);
    expect(await page.locator('#positions tbody tr').textContent()).toMatch(
      /Long AAPL 10.*150\.00.*152\.50.*145\.00.*160\.00.*4\.9%, 4\.9%.*00:27:15.*RSI 79 overbought.*MACD weakening.*resistance 153\.25.*\+\$25\.00 \+1\.67 %/,
    );
    expect(await page.locator('#candidates tbody tr').textContent()).toMatch(
      /AAPL.*breakout.*volume surge.*152\.50.*0\.95/,
    );
    expect(await page.locator('#candidates .watchlist li').allTextContents()).toEqual(['AAPL', 'MSFT']);
    const signals = await page.locator('#signals li').allTextContents();
    expect(signals.map((text) => text.replace(/\d\d:\d\d:\d\d/, ''))).toEqual([
      'exit MSFT target reachedat 292.50, confidence 100 %',
      'entry AAPL breakoutat 150.00, confidence 85 %, RSI 65, MACD 0.500',
    ]);
    const sectors = await page.locator('#sectors').textContent();
    expect(sectors).toContain('Technology');
    expect(sectors?.toLowerCase()).toContain(HOSTILE_SECTOR.toLowerCase());
    expect(await page.locator('#page img').count()).toBe(0);
    expect(await page.title()).toBe('+$125.50 · nof0 desk');
  });

  it('moves by itself, and nothing jumps while it does', async () => {
    const page = await open();
    await page.locator('#candidates tbody tr').waitFor();
    await page.locator('.end-labels li').first().waitFor();
    await page.evaluate('globalThis.stayed = true');
    await scan(desk.resources, 1, [['MSFT', 0.91, 290.1, ['support_bounce']]]);
    await page.locator('#candidates').getByText('support bounce').waitFor();
    expect(await page.locator('#candidates tbody tr').count()).toBe(1);
    expect(await page.evaluate('globalThis.stayed')).toBe(true);
    expect(await page.evaluate<number>('shifted')).toBeLessThan(MAX_LAYOUT_SHIFT);
  });

  it('can be walked through with the keyboard, from its trader to the decisions and back', async () => {
    const page = await open();
    await page.locator('#candidates tbody tr').waitFor();
    await page.getByRole('link', { name: 'Skip to content' }).focus();
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    await page.goto(`${server.url}/models/equities`);
    await page.getByRole('heading', { level: 1, name: 'equities' }).waitFor();
    await page.getByRole('link', { name: 'nof0 arena, all models' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#candidates').waitFor();
  });

  it('says so where there is nothing yet', async () => {
    const empty = await createRun(SETTINGS);
    await registerDesk(empty.resources);
    const other = await startHttp(empty.resources, LOCAL);
    try {
      const page = await open({}, other.url);
      for (const text of [
        'Everything is flat: no position is open.',
        'Stocks are ranked once the session runs.',
        'No signal in this session yet.',
        'Sectors are compared once the session runs.',
        'No trade has been closed yet.',
      ])
        await page.getByText(text).waitFor();
    } finally {
      await other.close();
      await empty.close();
    }
  });

  it('keeps what it knows when the API is gone, and says so', async () => {
    const other = await startHttp(desk.resources, LOCAL);
    const page = await open({}, other.url);
    await page.locator('#candidates tbody tr').waitFor();
    await other.close();
    await page.getByRole('alert').getByText('No connection').waitFor();
    expect(await page.locator('#positions tbody tr').count()).toBe(1);
  });

  it('fits a phone without sideways scrolling', async () => {
    const page = await open({ viewport: PHONE, hasTouch: true, isMobile: true });
    await page.locator('#candidates tbody tr').waitFor();
    const root = 'document.documentElement';
    const [width = 0, room = 0] = await page.evaluate<number[]>(`[${root}.scrollWidth, ${root}.clientWidth]`);
    expect(width).toBeLessThanOrEqual(room);
  });

  it('has contrast, names and structure that everybody can use', async () => {
    const page = await open({ reducedMotion: 'reduce' });
    await page.locator('.end-labels li').first().waitFor();
    await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
    type Rule = { readonly id: string; readonly nodes: readonly { readonly html: string }[] };
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate<{ readonly violations: readonly Rule[] }>('axe.run()');
      const told = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 160))]);
      expect(told, colorScheme).toEqual([]);
    }
  });
});
