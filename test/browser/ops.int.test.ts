/** The operators' page and the dashboard in a real browser: what each role sees, what is asked before it is done, and what is text. */

import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { skipsBrowser, startChromium } from '../../scripts/chromium.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import { recentAudit } from '../../src/store/audit.ts';
import { buryJob, listDeadLetters } from '../../src/store/dead-letters.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';
import { MODELS, seed } from '../http/arena.ts';
import { HOSTILE } from './arena.ts';

const [MODEL] = MODELS;
const SECRETS = { carol: 'operator-secret-0123456789', dave: 'viewer-secret-0123456789' };
const TOKENS = `carol:operator:${SECRETS.carol}, dave:viewer:${SECRETS.dave}`;
const WAIT_MS = 15_000;

let arena: TestRun;
let server: HttpServer;
let browser: Browser;
const faults: string[] = [];
const pages: Page[] = [];

describe.skipIf(skipsBrowser)('operators', () => {
  beforeAll(async () => {
    [arena, browser] = await Promise.all([createRun(), startChromium()]);
    const { resources } = arena;
    await seed(resources);
    const letter = { job: 'snapshot', identity: 'one', jobId: 'one', modelId: MODEL, errorCode: 'NOF0_INTERNAL' };
    const payload = { v: 1, modelId: MODEL, asOfMs: 1_760_738_400_000 };
    await buryJob(resources.db, { ...letter, payload, errorMessage: HOSTILE, attempts: 3, stalls: 0 }, null);
    const config = testConfig({ NOF0_HTTP_TOKENS: TOKENS });
    server = await startHttp({ ...resources, config }, { host: '127.0.0.1', port: 0 });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await arena?.close();
  });

  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
    expect(faults.splice(0), 'what the browser complained of').toEqual([]);
  });

  async function open(who: keyof typeof SECRETS, path: string, width = 1280): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      httpCredentials: { username: who, password: SECRETS[who] },
    });
    const page = await context.newPage();
    pages.push(page);
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('requestfailed', (request) => faults.push(`${request.url()} ${request.failure()?.errorText}`));
    await page.goto(`${server.url}${path}`);
    return page;
  }

  const audited = async () => (await recentAudit(arena.resources.db, 10)).map(({ who, what }) => `${who} ${what}`);

  it('who only look are offered nothing to do', async () => {
    const page = await open('dave', '/ops');
    await page.locator('#traders tbody tr').first().waitFor();
    expect(await page.locator('#caller').textContent()).toBe('dave, viewer');
    for (const word of ['Pause', 'Flatten', 'Redrive', 'all'])
      expect(await page.locator('main button:visible', { hasText: word }).count(), word).toBe(0);
  });

  it('read what jobs wrote as text', async () => {
    const page = await open('carol', '/ops');
    await page.locator('#failed tbody tr').first().waitFor();
    expect(await page.locator('#failed').textContent()).toContain(HOSTILE);
    expect(await page.locator('#failed img, #failed script').count()).toBe(0);
    expect(await page.title()).toBe('NOF0 operations');
  });

  it('are asked before a trader is paused, and may think again', async () => {
    const page = await open('carol', '/ops');
    const row = page.locator('#traders tbody tr', { hasText: MODEL });
    await row.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await audited()).toEqual([]);
    await row.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Do it' }).click();
    await row.getByRole('button', { name: 'Resume' }).waitFor();
    expect((await traderStates(arena.resources.db, [MODEL]))[0]).toMatchObject({ state: 'paused', reason: 'by carol' });
    expect(await audited()).toEqual(['carol pause']);
  });

  it('type the name of what they flatten', async () => {
    const page = await open('carol', '/ops');
    await page.locator('#traders tbody tr', { hasText: MODEL }).getByRole('button', { name: 'Flatten' }).click();
    const yes = page.getByRole('button', { name: 'Do it' });
    expect(await yes.isDisabled()).toBe(true);
    await page.fill('#confirm-input', 'another');
    expect(await yes.isDisabled()).toBe(true);
    await page.fill('#confirm-input', MODEL);
    expect(await yes.isDisabled()).toBe(false);
    await page.getByRole('button', { name: 'Cancel' }).click();
  });

  it('redrive a failed job', async () => {
    const page = await open('carol', '/ops');
    await page.locator('#failed').getByRole('button', { name: 'Redrive' }).click();
    await page.getByRole('button', { name: 'Do it' }).click();
    await page.locator('#failed', { hasText: 'no failed jobs' }).waitFor();
    expect(await listDeadLetters(arena.resources.db, { limit: 5 })).toEqual([]);
    expect(await audited()).toContain('carol redrive');
  });

  it('have a page that fits a phone', async () => {
    const page = await open('carol', '/ops', 360);
    await page.locator('#traders tbody tr').first().waitFor();
    const { scrollWidth, clientWidth } = await page
      .locator('html')
      .evaluate((html) => ({ scrollWidth: html.scrollWidth, clientWidth: html.clientWidth }));
    expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
  });

  it('have a dashboard that comes up and asks nobody else for anything', async () => {
    const page = await open('carol', '/queues');
    await page.getByText('decision-cycle').first().waitFor();
  });
});
