/** The adapter of the stock data API against a stand-in that answers in its documented shape, and in others. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sessionBefore, sessionOf } from '../../src/domain/desk/calendar.ts';
import { CodedError } from '../../src/errors.ts';
import { AlpacaMarket, type AlpacaOptions } from '../../src/market/alpaca/alpaca-market.ts';
import type { AlpacaClientOptions } from '../../src/market/alpaca/client.ts';
import {
  BARS,
  bar,
  iso,
  KEY,
  MINUTE_MS,
  NEWS,
  openClient,
  pages,
  QUOTES,
  quote,
  Special,
  type StandIn,
  startStandIn,
  story,
} from './stand-in.ts';

const session = sessionOf('2025-05-09') ?? { openMs: 0, closeMs: 0 };
const NOON = session.openMs + 150 * MINUTE_MS;
const STOCKS = [
  { symbol: 'AAPL', sector: 'technology' },
  { symbol: 'KO', sector: 'consumer' },
];

let standIn: StandIn;
beforeEach(async () => {
  standIn = await startStandIn();
  standIn.answer(QUOTES, ({ query }) => ({ quotes: quotesOf(query.symbols, NOON) }));
  standIn.answer(BARS, () => ({ bars: {}, next_page_token: null, currency: 'USD' }));
});
afterEach(() => standIn.close());

const quotesOf = (symbols = '', tsMs = NOON) =>
  Object.fromEntries(symbols.split(',').map((symbol) => [symbol, quote(tsMs)]));

function open(options: Partial<AlpacaOptions> = {}, client: Partial<AlpacaClientOptions> = {}) {
  const opened = openClient(standIn, client);
  const unknown: string[] = [];
  const market = new AlpacaMarket(opened.client, {
    ...{ stocks: STOCKS, feed: 'iex', sessionsBefore: 1, settleMs: 0 },
    onUnknown: (symbols) => unknown.push(...symbols),
    ...options,
  });
  return { market, unknown, ...opened };
}

const codeOf = async (promise: Promise<unknown>): Promise<CodedError> => {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CodedError) return error;
  throw error ?? new Error('it did not throw');
};

describe('the stock data API', () => {
  it('is asked with the key in headers and in no address, and with its feed', async () => {
    await open().market.fetch(NOON - 1000, NOON);
    expect(standIn.asked.length).toBeGreaterThan(1);
    for (const { query, headers } of standIn.asked) {
      expect([headers['apca-api-key-id'], headers['apca-api-secret-key']]).toEqual([KEY.id, KEY.secret]);
      expect(JSON.stringify(query)).not.toContain(KEY.secret);
      expect(query.feed).toBe('iex');
    }
  });

  it('lists stocks with sector, tick and whole shares; unknown ones are left out, and heard of once', async () => {
    standIn.answer(QUOTES, () => ({ quotes: quotesOf('AAPL,KO') }));
    const { market, unknown } = open({ stocks: [...STOCKS, { symbol: 'NOPE', sector: 'other' }] });
    const assets = await market.assets();
    expect(
      assets.map(({ symbol, sector, tickSize, sizeDecimals }) => [symbol, sector, tickSize, sizeDecimals]),
    ).toEqual([
      ['AAPL', 'technology', 0.01, 0],
      ['KO', 'consumer', 0.01, 0],
    ]);
    await market.assets();
    expect(unknown).toEqual(['NOPE']);
    standIn.answer(QUOTES, () => ({ quotes: {} }));
    expect((await codeOf(open().market.assets())).code).toBe('NOF0_SYMBOL_UNKNOWN');
  });

  it('finds a symbol that a whole list is refused for, and answers for the others', async () => {
    const refuse = (symbols = '') => symbols.split(',').includes('BAD!');
    standIn.answer(QUOTES, ({ query }) =>
      refuse(query.symbols)
        ? new Special({ status: 400, text: '{"message":"invalid symbol: BAD!"}' })
        : { quotes: quotesOf(query.symbols) },
    );
    const { market } = open({ stocks: [...STOCKS, { symbol: 'BAD!', sector: 'other' }] });
    expect((await market.assets()).map(({ symbol }) => symbol)).toEqual(['AAPL', 'KO']);
    const before = standIn.to(QUOTES).length;
    await market.fetch(NOON - 1000, NOON);
    expect(
      standIn
        .to(QUOTES)
        .slice(before)
        .map(({ query }) => query.symbols),
    ).toEqual(['AAPL,KO']);
  });

  it('brings the closed bars of the sessions, page by page, each once and in order, and of a first look only the last price', async () => {
    const before = sessionBefore('2025-05-09');
    const minutes = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => bar(from + i * MINUTE_MS, 100 + i));
    // Out of order, twice, before the open, and one that has not ended.
    const rows = [
      bar(NOON, 7),
      ...minutes(NOON - 5 * MINUTE_MS, 5).reverse(),
      ...minutes(NOON - 5 * MINUTE_MS, 2),
      bar(session.openMs - MINUTE_MS),
    ];
    const byDay = (start = '') => (Date.parse(start) < session.openMs ? minutes(before.openMs, 3) : rows);
    standIn.answer(BARS, ({ query }) => {
      const { rows: some, next } = pages(byDay(query.start), 3, query.page_token);
      return { bars: { KO: some }, next_page_token: next };
    });
    const { market } = open();
    const { candles, ticks, watermarkMs } = await market.fetch(null, NOON);
    expect(candles.map(({ openTsMs }) => openTsMs)).toEqual([
      ...[0, 1, 2].map((i) => before.openMs + i * MINUTE_MS),
      ...[-5, -4, -3, -2, -1].map((i) => NOON + i * MINUTE_MS),
    ]);
    expect(candles.at(-1)).toEqual({
      symbol: 'KO',
      openTsMs: NOON - MINUTE_MS,
      open: 100,
      high: 105,
      low: 99,
      close: 104,
      volume: 1000,
    });
    expect(watermarkMs).toBe(NOON);
    expect(ticks).toContainEqual({ symbol: 'KO', tsMs: NOON - 1, price: 104, source: 'bar' });
    expect(ticks.filter(({ source }) => source === 'bar')).toHaveLength(1);
    expect(standIn.to(BARS).map(({ query }) => query.page_token)).toEqual([undefined, undefined, '3', '6']);
    expect(standIn.to(BARS)[0]?.query).toMatchObject({
      timeframe: '1Min',
      adjustment: 'raw',
      start: iso(before.openMs),
      end: iso(before.closeMs - MINUTE_MS),
    });
  });

  it('asks for bars once a minute, and again for those that may have come late', async () => {
    const { market } = open();
    await market.fetch(NOON, NOON + 1000);
    expect(standIn.to(BARS)).toHaveLength(0);
    await market.fetch(NOON + 59_000, NOON + MINUTE_MS);
    expect(standIn.to(BARS).map(({ query }) => [query.start, query.end])).toEqual([
      [iso(NOON - 5 * MINUTE_MS), iso(NOON)],
    ]);
  });

  it('tells the middle of a sound quote once, within its stretch, and takes none that has no price', async () => {
    const { market } = open();
    const ask = (AAPL: object, from: number, to: number) => {
      standIn.answer(QUOTES, () => ({ quotes: { AAPL, KO: quote(NOON, 0, 100) } }));
      return market.fetch(from, to).then(({ ticks }) => ticks);
    };
    expect(await ask(quote(NOON - 500, 149.99, 150.02), NOON - 1000, NOON)).toEqual([
      { symbol: 'AAPL', tsMs: NOON - 500, price: 150.005, source: 'quote' },
    ]);
    // The same stretch again is told again: whoever asks could not store it.
    expect(await ask(quote(NOON - 500, 149.99, 150.02), NOON - 1000, NOON)).toHaveLength(1);
    expect(await ask(quote(NOON - 500, 149.99, 150.02), NOON, NOON + 1000)).toEqual([]);
    // Told late, and by a clock that is ahead.
    expect((await ask(quote(NOON - 100), NOON, NOON + 1000))[0]?.tsMs).toBe(NOON + 1);
    expect((await ask(quote(NOON + 9000), NOON + 1000, NOON + 2000))[0]?.tsMs).toBe(NOON + 2000);
    expect(await ask(quote(NOON + 9500, 100, 110), NOON + 2000, NOON + 3000)).toEqual([]);
    expect(await ask(quote(NOON + 9600, 100, 99), NOON + 3000, NOON + 4000)).toEqual([]);
  });

  it('fills in what nobody saw from bars, so that no stop is passed over', async () => {
    standIn.answer(BARS, () => ({
      bars: { AAPL: [bar(NOON - 2 * MINUTE_MS, 90), bar(NOON - MINUTE_MS, 95)] },
      next_page_token: null,
    }));
    const { ticks } = await open().market.fetch(NOON - 2 * MINUTE_MS, NOON);
    const path = ticks.filter(({ source }) => source === 'bar');
    expect(path.map(({ price }) => price)).toEqual([101, 89, 90, 100, 101, 94, 95]);
    expect(path.every(({ tsMs }) => tsMs > NOON - 2 * MINUTE_MS && tsMs <= NOON)).toBe(true);
  });

  it('asks nobody while the exchange sleeps, but for the last bars of the day', async () => {
    const { market } = open();
    const { closeMs } = session;
    await market.fetch(closeMs - 1000, closeMs);
    expect(standIn.to(BARS)).toHaveLength(1);
    const asked = standIn.asked.length;
    const empty = { ticks: [], candles: [], contexts: [], fundings: [] };
    const saturday = closeMs + 24 * 60 * MINUTE_MS;
    expect(await market.fetch(closeMs + 10 * MINUTE_MS, saturday)).toEqual({ ...empty, watermarkMs: saturday });
    expect(await market.news.fetch(null, saturday)).toEqual([]);
    expect(standIn.asked).toHaveLength(asked);
  });

  it('brings headlines of the stocks that they name, page by page, with links that are links', async () => {
    const rows = [
      story(1, NOON - 90_000, ['AAPL', 'KO', 'ELSE']),
      story(2, NOON - 60_000, ['AAPL'], { url: 'javascript:alert(1)', source: null }),
      { id: 3, symbols: ['KO'] },
      story(4, NOON + 60_000, ['KO']),
      story(1, NOON - 90_000, ['AAPL']),
    ];
    standIn.answer(NEWS, ({ query }) => {
      const { rows: news, next } = pages(rows, 2, query.page_token);
      return { news, next_page_token: next };
    });
    const { market, refused } = open();
    const items = await market.news.fetch(NOON - 120_000, NOON);
    expect(items.map(({ id, symbol, url, source }) => [id, symbol, url, source])).toEqual([
      ['1', 'AAPL', 'https://example.com/1', 'benzinga'],
      ['1', 'KO', 'https://example.com/1', 'benzinga'],
      ['2', 'AAPL', '', 'unknown'],
    ]);
    expect(await refused()).toEqual({ news: 1 });
  });
});

describe('an answer that is none', () => {
  it('names the path of what is wrong; a symbol at fault does not take the others with it', async () => {
    const rows = {
      AAPL: [bar(NOON - MINUTE_MS)],
      KO: [bar(NOON - MINUTE_MS), { ...bar(NOON - 2 * MINUTE_MS), o: '100' }],
    };
    standIn.answer(BARS, () => ({ bars: rows, next_page_token: null }));
    const { market, refused } = open();
    const { candles } = await market.fetch(NOON - MINUTE_MS, NOON);
    expect(candles.map(({ symbol }) => symbol)).toEqual(['AAPL']);
    expect(await refused()).toEqual({ bars: 1 });
    standIn.answer(BARS, () => ({ bars: { KO: rows.KO }, next_page_token: null }));
    const error = await codeOf(open().market.fetch(NOON - MINUTE_MS, NOON));
    expect(error.code).toBe('NOF0_MARKET_DATA');
    expect(error.faults[0]?.path).toBe('/v2/stocks/bars: bars.KO[1].o');
  });

  it.each([
    ['low above close', { l: 101 }],
    ['no price', { c: 0 }],
    ['a volume below nothing', { v: -1 }],
    ['no time', { t: 'yesterday' }],
  ])('refuses a bar with %s', async (_name, odd) => {
    standIn.answer(
      BARS,
      () =>
        new Special({
          text: JSON.stringify({ bars: { KO: [{ ...bar(NOON - MINUTE_MS), ...odd }] }, next_page_token: null }),
        }),
    );
    expect((await codeOf(open().market.fetch(NOON - MINUTE_MS, NOON))).code).toBe('NOF0_MARKET_DATA');
  });

  it.each([
    ['half of one', {}],
    ['a list', []],
    ['a page that leads to itself', { bars: {}, next_page_token: 'again' }],
  ])('is refused when it is %s', async (_name, body) => {
    standIn.answer(BARS, () => body);
    expect((await codeOf(open().market.fetch(NOON - MINUTE_MS, NOON))).code).toBe('NOF0_MARKET_DATA');
  });

  it.each([
    ['says 500', { status: 500, text: 'oops' }],
    ['is garbage', { text: '<html>gateway</html>' }],
    ['is cut off', { text: '{"bars": {', cut: true }],
    ['never comes', { hang: true }],
  ] as const)('is asked for again when it %s', async (_name, odd) => {
    let left = 2;
    standIn.answer(BARS, () =>
      left-- > 0 ? new Special(odd) : { bars: { KO: [bar(NOON - MINUTE_MS)] }, next_page_token: null },
    );
    expect((await open({}, { timeoutMs: 200 }).market.fetch(NOON - MINUTE_MS, NOON)).candles).toHaveLength(1);
    standIn.answer(BARS, () => new Special(odd));
    const asked = standIn.to(BARS).length;
    expect((await codeOf(open({}, { timeoutMs: 100 }).market.fetch(NOON - MINUTE_MS, NOON))).code).toBe(
      'NOF0_MARKET_UNAVAILABLE',
    );
    expect(standIn.to(BARS)).toHaveLength(asked + 4);
  });

  it.each([
    ['Retry-After', { 'retry-after': '7' }, 7000],
    [
      'the end of its minute',
      { 'x-ratelimit-reset': String(Math.floor(NOON / 1000) + 20), 'x-ratelimit-remaining': '0' },
      20_000,
    ],
    ['nothing', {}, 15_000],
    ['nonsense', { 'x-ratelimit-reset': '99999999999' }, 120_000],
  ])('says after a 429 with %s how long to wait, and makes everybody wait', async (_name, headers, waitMs) => {
    standIn.answer(QUOTES, () => new Special({ status: 429, text: '{"message":"too many requests."}', headers }));
    const { market, spent } = open({}, { now: () => NOON });
    const error = await codeOf(market.assets());
    expect([error.code, error.details.retryAfterMs]).toEqual(['NOF0_RATE_LIMITED', waitMs]);
    expect(spent).toEqual({ taken: 1, blockedMs: [waitMs] });
  });

  it('says of a key that is refused what to look at, and not the key', async () => {
    standIn.answer(
      QUOTES,
      ({ headers }) =>
        new Special({
          status: 403,
          text: `forbidden for ${headers['apca-api-secret-key']} ${headers['apca-api-key-id']}`,
        }),
    );
    const error = await codeOf(open().market.assets());
    expect(error.code).toBe('NOF0_MARKET_REFUSED');
    expect(error.message).toContain('is the key right');
    expect(error.message).not.toContain(KEY.secret);
    expect(error.message).not.toContain(KEY.id);
  });

  it('is not followed to where it points with the key', async () => {
    standIn.answer(QUOTES, () => new Special({ status: 302, headers: { location: `${standIn.url}/elsewhere` } }));
    expect((await codeOf(open().market.assets())).code).toBe('NOF0_MARKET_REFUSED');
    expect(standIn.to('/elsewhere')).toEqual([]);
  });

  it('ends at once when its job does', async () => {
    standIn.answer(QUOTES, () => new Special({ hang: true }));
    const aborted = AbortSignal.timeout(30);
    await expect(open({}, { timeoutMs: 60_000 }).market.assets(aborted)).rejects.toThrow();
    expect(standIn.asked).toHaveLength(1);
  });
});
