/** The arena page in a real browser: what it shows, that it moves, survives, fits and lets nothing run. */

import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from '../../scripts/build-page.mjs';
import { skipsBrowser, startChromium } from '../../scripts/chromium.ts';
import { startHttp } from '../../src/http/server.ts';
import { createRun, type TestRun } from '../harness.ts';
import { tempDir } from '../temp-dir.ts';
import { Api, HOSTILE, MODELS, moveEquity, movePrice, seedArena } from './arena.ts';

const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 360, height: 740 };
const WAIT_MS = 20_000;
/** "Good" for a page is below 0.1; nothing here has a reason to move. */
const MAX_LAYOUT_SHIFT = 0.05;

let arena: TestRun;
let api: Api;
let browser: Browser;
let dir = '';
let faults: string[] = [];

describe.skipIf(skipsBrowser)('the arena page', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    [arena, browser, dir] = await Promise.all([createRun(), startChromium(), tempDir('nof0-page-'), buildPage()]);
    await seedArena(arena.resources);
    api = new Api(arena, dir);
    await api.start();
  });

  afterAll(async () => {
    await browser?.close();
    await api?.kill();
    await arena?.close();
    await rm(dir, { recursive: true, force: true });
  });

  const pages: Page[] = [];
  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
    const seen = faults;
    faults = [];
    expect(seen, 'what the browser complained of').toEqual([]);
  });

  async function open(path = '/', options: BrowserContextOptions = {}, base = api.url): Promise<Page> {
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', (error) => faults.push(error.message));
    // A server that is away is an error of the console, too; the page tells of it by itself.
    page.on(
      'console',
      (message) =>
        message.type() === 'error' &&
        !/ERR_CONN|ERR_INCOMPLETE|404/.test(message.text()) &&
        faults.push(message.text()),
    );
    await page.goto(`${base}${path}`);
    await page.getByText('Streaming').waitFor();
    return page;
  }

  const unfold = async (page: Page, path: string) => {
    const folded = { '/models/alpha': '#cycle-20 summary', '/seasons': '#earlier summary' }[path];
    if (folded !== undefined) await page.locator(folded).click();
  };
  const points = (page: Page) => page.locator('.plot').getAttribute('data-points').then(Number);

  it('shows six models, their curves beside Bitcoin, positions, decisions and trades', async () => {
    const page = await open();
    await page.locator('.u-wrap canvas').waitFor();
    const names = await page.locator('#leaderboard tbody .who').allTextContents();
    expect(names).toHaveLength(MODELS.length);
    expect([...names].sort()).toEqual(['Alpha', 'Bravo', 'Charlie', 'Delta <b>bold</b>', 'Echo', 'Foxtrot']);
    expect(await page.locator('.end-labels li').count()).toBe(MODELS.length + 1);
    expect(await page.locator('.end-labels').textContent()).toContain('BTC held');
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toMatch(
      /^Foxtrot leads with \+2\.\d\d %, [\d.]+ points ahead of Bitcoin$/,
    );
    expect(await page.locator('#positions tbody tr').count()).toBe(2);
    expect(await page.locator('#positions tbody tr').first().textContent()).toMatch(
      /Alpha.*Long BTC.*97,000.*104,000.*\+\$50\.00/,
    );
    expect(await page.locator('#decisions .feed li').first().textContent()).toContain(
      'Open long BTC $5,000, open short ETH $900 (refused)',
    );
    expect(await page.locator('#trades tbody tr').count()).toBe(5);
    expect(await page.locator('.mode').textContent()).toBe('Paper');
  });

  it('moves by itself: curves grow, the ranking and positions follow', async () => {
    const page = await open();
    const before = await points(page);
    await page.evaluate('globalThis.stayed = true');
    await moveEquity(arena.resources, 12_345);
    await expect.poll(() => points(page), { timeout: WAIT_MS }).toBe(before + 1);
    await page.locator('#leaderboard').getByText('$12,345.00').first().waitFor();
    await movePrice(arena.resources, 'BTC', 101_000);
    await page.locator('#positions tbody tr').first().getByText('+$100.00').waitFor();
    await page.locator('.ticker').getByText('101,000').waitFor();
    expect(await page.evaluate('globalThis.stayed')).toBe(true);
  });

  it('opens the reasoning of a decision, and shows a script in it as the text that it is', async () => {
    const page = await open('/');
    await page.locator('#leaderboard').getByRole('link', { name: 'Alpha' }).click();
    await page.getByRole('heading', { level: 1, name: 'Alpha' }).waitFor();
    const decision = page.locator('#cycle-20');
    await decision.locator('summary').click();
    const body = decision.locator('.decision-body');
    expect(await body.locator('.reasoning').textContent()).toBe(`First I thought.\n${HOSTILE}`);
    const text = await body.textContent();
    for (const part of [
      'accepted',
      'LOW_CONFIDENCE',
      'confidence 0.4 is below 0.5',
      'abc123',
      '4,321 in, 210 out',
      '$0.0123',
      '1.9 s',
      'fee $2.20',
    ])
      expect(text).toContain(part);
    expect(await page.locator('#page script, #page img').count()).toBe(0);
    expect(await page.title()).toBe('Alpha · nof0 arena');
    expect(await page.locator('details.holds').count()).toBe(2);
  });

  it('can be used with the keyboard alone', async () => {
    const page = await open('/models/alpha');
    const decision = page.locator('#cycle-20');
    await decision.locator('summary').focus();
    await page.keyboard.press('Enter');
    await decision.locator('.reasoning').waitFor();
    const chart = page.getByRole('slider', { name: 'Equity over time' });
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.reading .card').waitFor();
    expect(await chart.getAttribute('aria-valuetext')).toMatch(/\d\d:\d\d:\d\d: .*Alpha [\d,]+\.\d\d/);
  });

  it('says when the API was killed, keeps what it knows, and is itself again when it is back', async () => {
    const page = await open();
    await page.locator('#leaderboard tbody tr').first().waitFor();
    await api.kill();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/No connection.*as it was at \d\d:\d\d:\d\d/);
    expect(await page.locator('#leaderboard tbody tr').count()).toBe(MODELS.length);
    await moveEquity(arena.resources, 12_500);
    await api.start();
    await alert.waitFor({ state: 'detached' });
    await page.locator('#leaderboard').getByText('$12,500.00').first().waitFor();
  });

  it('leads from what was decided to the decision itself', async () => {
    const page = await open();
    await page
      .locator('#decisions')
      .getByRole('link', { name: /^Open long BTC/ })
      .click();
    await page.locator('#cycle-20 .reasoning').waitFor();
    expect(new URL(page.url()).pathname).toBe('/models/alpha');
  });

  it('says so where there is nothing yet', async () => {
    const empty = await createRun();
    const server = await startHttp(empty.resources, { host: '127.0.0.1', port: 0 });
    try {
      const page = await open('/', {}, server.url);
      await page.getByRole('heading', { level: 1, name: 'No model takes part yet' }).waitFor();
      await page.goto(`${server.url}/seasons`);
      await page.getByText('No season has been started').waitFor();
      await page.goBack();
      for (const text of [
        'No model takes part yet. The arena file',
        'Every model is flat',
        'Nobody has decided',
        'No trade has been closed',
        'Waiting for prices',
      ])
        await page.getByText(text).waitFor();
    } finally {
      await server.close();
      await empty.close();
    }
  });

  it('names the season, and shows the ranking of now beside those that are frozen', async () => {
    const page = await open();
    const link = page.locator('#leaderboard').getByRole('link', { name: /^Season “Summer” since / });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Seasons' }).waitFor();
    expect(new URL(page.url()).pathname).toBe('/seasons');
    const running = page.locator('#season');
    expect(await running.locator('.section-head').textContent()).toMatch(/^Summer.+ – no end setrunning$/);
    expect(await running.locator('tbody tr').count()).toBe(MODELS.length);
    const spring = page.locator('#earlier details');
    expect(await spring.locator('summary').textContent()).toMatch(/^Spring.*Bravo \+4\.20 %$/);
    await spring.locator('summary').focus();
    await page.keyboard.press('Enter');
    const rows = await spring.locator('tbody tr').allTextContents();
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatch(/^1Bravo\+4\.20 %\$10,000\.00\$10,420\.00/);
    expect(rows[1]).toContain('long-gone');
  });

  it('tells of a model that does not take part', async () => {
    const page = await open('/models/nobody');
    await page.getByRole('heading', { name: 'No model “nobody”' }).waitFor();
    await page.locator('main').getByRole('link', { name: 'Back to the arena' }).click();
    await page.locator('#leaderboard').waitFor();
  });

  it.each(['/', '/models/alpha', '/seasons'])('fits a phone without sideways scrolling: %s', async (path) => {
    const page = await open(path, { viewport: PHONE, hasTouch: true, isMobile: true });
    await page.locator('.rows').first().waitFor();
    await unfold(page, path);
    const root = 'document.documentElement';
    const [width = 0, room = 0] = await page.evaluate<number[]>(`[${root}.scrollWidth, ${root}.clientWidth]`);
    expect(width).toBeLessThanOrEqual(room);
  });

  it.each(['/', '/models/alpha', '/seasons'])(
    'has contrast, names and structure that everybody can use: %s',
    async (path) => {
      const page = await open(path, { reducedMotion: 'reduce' });
      await page.locator('.rows tbody tr').first().waitFor();
      if (path !== '/seasons') await page.locator('.end-labels li').first().waitFor();
      await unfold(page, path);
      await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
      type Rule = { readonly id: string; readonly nodes: readonly { readonly html: string }[] };
      type Judged = { readonly violations: readonly Rule[]; readonly passes: readonly Rule[] };
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        const { violations, passes } = await page.evaluate<Judged>('axe.run()');
        const told = violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 160))]);
        expect(told, colorScheme).toEqual([]);
        const seen = passes.find(({ id }) => id === 'color-contrast')?.nodes.length ?? 0;
        expect(seen, 'texts whose contrast was measured').toBeGreaterThan(50);
      }
    },
  );

  it('does not jump while it loads and while it lives', async () => {
    const context = await browser.newContext({ viewport: DESKTOP });
    const page = await context.newPage();
    pages.push(page);
    await page.addInitScript(
      'globalThis.shifted = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifted += entry.value; }).observe({ type: "layout-shift", buffered: true });',
    );
    await page.goto(api.url);
    await page.locator('.end-labels li').first().waitFor();
    const before = await points(page);
    // Market time goes on, or the new value would take the last one's place.
    await movePrice(arena.resources, 'BTC', 102_000);
    await page.locator('.ticker').getByText('102,000').waitFor();
    await moveEquity(arena.resources, 12_700);
    await expect.poll(() => points(page), { timeout: WAIT_MS }).toBeGreaterThan(before);
    const total = await page.evaluate<number>('shifted');
    expect(total).toBeLessThan(MAX_LAYOUT_SHIFT);
  });
});
