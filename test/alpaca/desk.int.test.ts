/** The equities desk on the data API: from its answers to rows, keys and signals, in the sessions of the exchange and not outside. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import type { Stories } from '../../src/engine/context.ts';
import { ingestStocks } from '../../src/engine/desk/ingest.ts';
import { describeMarket } from '../../src/engine/desk/market-context.ts';
import { readNews } from '../../src/engine/desk/news.ts';
import { screenStocks } from '../../src/engine/desk/screen.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { assertTrading } from '../../src/resources.ts';
import { count, never } from '../engine/arena.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';
import {
  BARS,
  bar,
  KEY,
  MINUTE_MS,
  NEWS,
  QUOTES,
  quote,
  Special,
  type StandIn,
  startStandIn,
  story,
} from './stand-in.ts';

const session = sessionOf('2025-05-09') ?? { openMs: 0, closeMs: 0 };
const NOW = session.openMs + 90 * MINUTE_MS;

let standIn: StandIn;
let run: TestRun;
let stories: Stories;

beforeAll(async () => {
  standIn = await startStandIn();
  const config = testConfig({
    APCA_API_DATA_URL: standIn.url,
    APCA_API_KEY_ID: KEY.id,
    APCA_API_SECRET_KEY: KEY.secret,
  });
  prepare();
  run = await createRun({ kind: 'equities', settings: { feed: 'api', trading: 'paper' }, config });
  const opened = await run.stories();
  // Market time is what the test says; otherwise everything is as in a run that follows the clock of the world.
  stories = { ...opened.stories, clock: { now: (asOfMs) => asOfMs, repeats: false } };
  await registerArena(stories, run.resources.run, NOW);
});
afterAll(async () => {
  await run.close();
  await standIn.close();
});
beforeEach(prepare);

const perSymbol = <T>(symbols = '', of: (symbol: string) => T) =>
  Object.fromEntries(symbols.split(',').map((symbol) => [symbol, of(symbol)]));

function prepare(): void {
  standIn.answer(QUOTES, ({ query }) => ({ quotes: perSymbol(query.symbols, () => quote(NOW - 500)) }));
  standIn.answer(BARS, ({ query: { symbols, start = '', end = '' } }) => {
    const [from, until] = [Date.parse(start), Date.parse(end)];
    const minutes = Array.from({ length: (until - from) / MINUTE_MS + 1 }, (_, i) =>
      bar(from + i * MINUTE_MS, 100 + (i % 3)),
    );
    return { bars: perSymbol(symbols, () => minutes), next_page_token: null };
  });
  standIn.answer(NEWS, () => ({ news: [story(1, NOW - MINUTE_MS, ['AAPL'])], next_page_token: null }));
}

const db = () => run.resources.db;

describe('a desk on the data API', () => {
  it('waits with its screen until the market has told everything, and gives a slot up when that takes too long', async () => {
    expect(await screenStocks(stories, NOW)).toMatchObject({ kind: 'snoozed' });
    expect(
      await describeMarket({ ...stories, clock: { now: () => NOW + 2 * MINUTE_MS, repeats: false } }, NOW),
    ).toMatchObject({
      kind: 'skipped',
    });
    expect(await count(db(), 'desk_watchlists')).toBe(0);
  });

  it('stores bars and quotes, publishes them, and screens them', async () => {
    expect(await ingestStocks(stories, NOW, never)).toMatchObject({ kind: 'done' });
    // Three sessions before and ninety minutes, of twenty stocks.
    expect(await count(db(), 'price_candles')).toBe(20 * (3 * 390 + 90));
    standIn.answer(QUOTES, ({ query }) => ({ quotes: perSymbol(query.symbols, () => quote(NOW + 500)) }));
    expect(await ingestStocks(stories, NOW + 1000, never)).toMatchObject({ kind: 'done' });
    expect(await count(db(), `price_ticks WHERE source = 'quote' AND ts_ms = $1`, [NOW + 500])).toBe(20);
    expect(await screenStocks(stories, NOW)).toMatchObject({ kind: 'done', note: { watched: 10 } });
    expect(await describeMarket(stories, NOW)).toMatchObject({ kind: 'done', note: { stocks: 20 } });
    const { publisher } = run.resources;
    const [price = ''] = (await publisher.read({ family: 'stockPrice', ids: ['AAPL'] })) ?? [];
    expect(JSON.parse(price).price).toEqual({ last: 100, open: 100, high: 103, low: 99, volume: 90_000 });
    const [context = ''] = (await publisher.read({ family: 'marketContext', ids: [] })) ?? [];
    expect(Object.keys(JSON.parse(context).sector_performance).sort()).toEqual([
      'consumer',
      'energy',
      'financials',
      'healthcare',
      'technology',
    ]);
  });

  it('reads headlines, each once', async () => {
    expect(await readNews(stories, NOW, never)).toMatchObject({ kind: 'done' });
    await readNews(stories, NOW + 5 * MINUTE_MS, never);
    expect(await count(db(), 'desk_news')).toBe(1);
    expect(await count(db(), `desk_sentiment WHERE symbol = 'AAPL' AND score > 0`)).toBe(1);
  });

  it('is idle outside the sessions: nobody is asked, and no row is written but once a minute', async () => {
    const night = session.closeMs + 5 * 60 * MINUTE_MS;
    const asked = standIn.asked.length;
    expect(await ingestStocks(stories, night + 7000, never)).toEqual({ kind: 'skipped', reason: 'no session runs' });
    expect(await screenStocks(stories, night)).toMatchObject({ kind: 'skipped' });
    expect(standIn.asked).toHaveLength(asked);
  });

  it('stops every process for as long as a 429 says, and stores nothing of an answer that is none', async () => {
    const candles = await count(db(), 'price_candles');
    const later = NOW + 2 * MINUTE_MS;
    standIn.answer(BARS, () => ({ bars: { AAPL: 'all of them' }, next_page_token: null }));
    await expect(ingestStocks(stories, later, never)).rejects.toMatchObject({ code: 'NOF0_MARKET_DATA' });
    standIn.answer(BARS, () => new Special({ status: 429, text: '{}', headers: { 'retry-after': '30' } }));
    await expect(ingestStocks(stories, later, never)).rejects.toMatchObject({
      code: 'NOF0_RATE_LIMITED',
      details: { retryAfterMs: 30_000 },
    });
    expect(await count(db(), 'price_candles')).toBe(candles);
    // Another process of the run, with a client of its own.
    const other = (await run.stories()).stories.market;
    const asked = standIn.asked.length;
    await expect(other.assets(AbortSignal.timeout(200))).rejects.toThrow();
    expect(standIn.asked).toHaveLength(asked);
  });

  it('has no key in anything that it stores or logs', async () => {
    const [row] = await db().query<{ text: string }>(
      `SELECT (SELECT jsonb_agg(r) FROM runs r)::text || coalesce((SELECT jsonb_agg(m) FROM models m)::text, '') AS text`,
    );
    expect(row?.text).not.toContain(KEY.secret);
    expect(run.config.secrets).toEqual(expect.arrayContaining([KEY.id, KEY.secret]));
  });
});

describe('a desk on the data API that cannot begin', () => {
  it('says which keys are missing', async () => {
    const bare = await createRun({ kind: 'equities', settings: { feed: 'api' }, config: testConfig() });
    try {
      await expect(bare.stories()).rejects.toMatchObject({
        code: 'NOF0_CONFIG_INVALID',
        faults: [{ path: 'environment: APCA_API_KEY_ID' }, { path: 'environment: APCA_API_SECRET_KEY' }],
      });
    } finally {
      await bare.close();
    }
  });

  it('trades on paper, whatever TRADING_MODE says', () => {
    const live = { ...run.config, trading: { mode: 'live' as const, accounts: {} } };
    expect(() => assertTrading(run.resources.run, live)).toThrow('Live trading needs --market hyperliquid');
  });
});
