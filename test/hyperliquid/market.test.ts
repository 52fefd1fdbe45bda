import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HyperliquidMarket } from '../../src/market/hyperliquid/hyperliquid-market.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** On the hour. */
const T0 = Date.UTC(2026, 8, 1, 12);

const UNIVERSE = [
  { name: 'BTC', szDecimals: 5, maxLeverage: 40 },
  { name: 'MATIC', szDecimals: 1, maxLeverage: 20, isDelisted: true },
  { name: 'ETH', szDecimals: 4, maxLeverage: 25, onlyIsolated: true },
];
const ctx = (mid: string | null, mark = '100.0') => ({
  funding: '0.0000125',
  openInterest: '10.5',
  prevDayPx: '99.0',
  dayNtlVlm: '123456.5',
  premium: null,
  oraclePx: '100.2',
  markPx: mark,
  midPx: mid,
  impactPxs: null,
  dayBaseVlm: '1.0',
});
const bar = (coin: string, t: number, c = 100) => ({
  t,
  T: t + MINUTE - 1,
  s: coin,
  i: '1m',
  o: '100.0',
  c: c.toFixed(1),
  h: '101.0',
  l: '99.0',
  v: '2.5',
  n: 3,
});

let standIn: StandIn;
let client: ReturnType<typeof openClient>;
beforeAll(async () => {
  standIn = await startStandIn();
});
afterAll(() => standIn.close());
beforeEach(() => {
  standIn.asked.length = 0;
  client = openClient(standIn);
  standIn.answer('meta', () => ({ universe: UNIVERSE, marginTables: [] }));
  standIn.answer('metaAndAssetCtxs', () => [{ universe: UNIVERSE }, [ctx('100.5'), ctx(null, '0.37'), ctx('20.5')]]);
  standIn.answer('l2Book', ({ coin }) => ({ coin, time: T0, levels: [[], []] }));
  standIn.answer('fundingHistory', () => []);
  // Answers every bar whose stretch it is asked for, the open one too.
  standIn.answer('candleSnapshot', ({ req }) => {
    const { coin, startTime, endTime } = req as { coin: string; startTime: number; endTime: number };
    const first = Math.ceil(startTime / MINUTE) * MINUTE;
    const count = Math.min(500, Math.floor((endTime - first) / MINUTE) + 1);
    return Array.from({ length: Math.max(0, count) }, (_, i) => bar(coin, first + i * MINUTE));
  });
});

const market = (symbols = ['BTC', 'ETH'], historyMs = HOUR, onUnknown?: (symbols: readonly string[]) => void) =>
  new HyperliquidMarket(client.client, { symbols, historyMs, settleMs: 0, ...(onUnknown ? { onUnknown } : {}) });
const types = () => standIn.asked.map(({ type }) => type);

describe('instruments', () => {
  it('are the configured ones, with their grids; a delisted one is not active', async () => {
    const assets = await market(['BTC', 'MATIC', 'ETH']).assets();
    expect(
      assets.map((a) => [a.symbol, a.sizeDecimals, a.precision, a.maxLeverage, a.onlyIsolated, a.isActive]),
    ).toEqual([
      ['BTC', 5, 1, 40, false, true],
      ['MATIC', 1, 5, 20, false, false],
      ['ETH', 4, 2, 25, true, true],
    ]);
  });

  it('that nobody lists are told and left out; the others go on', async () => {
    const told: string[] = [];
    const one = market(['BTC', 'BTCC'], HOUR, (symbols) => told.push(...symbols));
    expect((await one.assets()).map((asset) => asset.symbol)).toEqual(['BTC']);
    expect(told).toEqual(['BTCC']);
    const batch = await one.fetch(T0, T0 + 1000);
    expect(batch.ticks.map((tick) => tick.symbol)).toEqual(['BTC']);
    await expect(market(['BTCC']).assets()).rejects.toMatchObject({ code: 'NOF0_SYMBOL_UNKNOWN' });
  });
});

describe('a poll', () => {
  it('brings mids as ticks, contexts by their place, and no tick without a book', async () => {
    const { ticks, contexts, candles, watermarkMs } = await market(['BTC', 'MATIC', 'ETH']).fetch(T0 + 1000, T0 + 6000);
    expect(ticks).toEqual([
      { symbol: 'BTC', tsMs: T0 + 6000, price: 100.5, source: 'mid' },
      { symbol: 'ETH', tsMs: T0 + 6000, price: 20.5, source: 'mid' },
    ]);
    expect(contexts[1]).toEqual({
      symbol: 'MATIC',
      tsMs: T0 + 6000,
      markPrice: 0.37,
      midPrice: null,
      oraclePrice: 100.2,
      fundingRate: 0.0000125,
      openInterest: 10.5,
      volume24h: 123456.5,
    });
    expect([candles.length, watermarkMs]).toEqual([0, T0 + 6000]);
  });

  it('brings the bars that ended since, never the open one', async () => {
    const { candles } = await market(['BTC']).fetch(T0 + 59_000, T0 + 3 * MINUTE + 500);
    expect(candles.map((candle) => candle.openTsMs - T0)).toEqual([0, MINUTE, 2 * MINUTE]);
    expect(candles[0]).toEqual({ symbol: 'BTC', openTsMs: T0, open: 100, high: 101, low: 99, close: 100, volume: 2.5 });
  });

  it('leaves a bar out that an answer holds though it is still open', async () => {
    standIn.answer('candleSnapshot', () => [bar('BTC', T0), bar('BTC', T0 + MINUTE)]);
    const { candles } = await market(['BTC']).fetch(T0 + 1, T0 + MINUTE + 10);
    expect(candles.map((candle) => candle.openTsMs)).toEqual([T0]);
  });

  it('for the first time reaches back as far as the history, over pages of an answer that is capped', async () => {
    const { candles, fundings, ticks } = await market(['BTC'], 20 * HOUR).fetch(null, T0);
    expect(candles).toHaveLength(1200);
    expect(candles[0]?.openTsMs).toBe(T0 - 20 * HOUR);
    expect(types().filter((type) => type === 'candleSnapshot')).toHaveLength(3);
    expect([fundings.length, ticks.length]).toEqual([0, 1]);
  });

  it('after a silence fills the path from the bars of the silence, all of it within the stretch', async () => {
    const from = T0 + 30_000;
    const { ticks } = await market(['BTC']).fetch(from, T0 + 10 * MINUTE);
    const filled = ticks.filter((tick) => tick.source === 'candle');
    expect(filled.length).toBeGreaterThan(9 * 4);
    expect(filled.every((tick) => tick.tsMs > from && tick.tsMs < T0 + 10 * MINUTE)).toBe(true);
    expect(ticks.at(-1)).toMatchObject({ source: 'mid', tsMs: T0 + 10 * MINUTE });
  });
});

describe('the order book', () => {
  it('is both sides, best price first, and null where nobody lists the name', async () => {
    const level = (px: string, sz: string) => ({ px, sz, n: 1 });
    const levels = [[level('99.5', '2.0'), level('99.0', '1.0')], [level('100.5', '3.0')]];
    standIn.answer('l2Book', ({ coin }) => (coin === 'BTC' ? { coin, time: T0, levels } : null));
    expect(await market().book('BTC')).toEqual({
      tsMs: T0,
      bids: [
        { price: 99.5, size: 2 },
        { price: 99, size: 1 },
      ],
      asks: [{ price: 100.5, size: 3 }],
    });
    expect(await market().book('NOPE')).toBeNull();
  });

  it("says how the provider's clock stands, unless it is a dead one's", async () => {
    standIn.answer('l2Book', ({ coin }) => ({ coin, time: Date.now() + 3000, levels: [[], []] }));
    await market().book('BTC');
    expect(client.client.skewMs).toBeGreaterThan(2500);
    standIn.answer('l2Book', ({ coin }) => ({ coin, time: T0, levels: [[], []] }));
    await market().book('BTC');
    expect(client.client.skewMs).toBeGreaterThan(2500);
  });
});

describe('funding prints', () => {
  it('are brought once each by stretches that follow each other, though they are stamped after the hour and answered later', async () => {
    const prints = [{ coin: 'BTC', fundingRate: '0.0001', premium: '0', time: T0 + HOUR + 46 }];
    standIn.answer('fundingHistory', ({ startTime, endTime }) =>
      prints.filter(({ time }) => time >= Number(startTime) && time <= Number(endTime)),
    );
    const one = market(['BTC'], 2 * HOUR);
    const seen = [];
    let from = T0 + HOUR - 20_000;
    for (let to = from + 5000; to <= T0 + HOUR + 60_000; from = to, to += 5000)
      seen.push(...(await one.fetch(from, to)).fundings);
    expect(seen).toEqual([{ symbol: 'BTC', tsMs: T0 + HOUR + 46, rate: 0.0001 }]);
    expect(types().filter((type) => type === 'fundingHistory').length).toBeLessThan(6);
  });
});

describe('a strange answer', () => {
  it('for one instrument is counted and does not stop the others', async () => {
    const strange = { ...ctx('100.5'), markPx: 100 };
    standIn.answer('metaAndAssetCtxs', () => [{ universe: UNIVERSE }, [strange, ctx(null), ctx('20.5')]]);
    const { ticks } = await market().fetch(T0 + 1000, T0 + 6000);
    expect(ticks.map((tick) => tick.symbol)).toEqual(['ETH']);
    expect(await client.counted('providerRefused')).toContainEqual(
      expect.objectContaining({ what: 'metaAndAssetCtxs', value: 1 }),
    );
    expect(client.refused).toEqual([expect.stringContaining('metaAndAssetCtxs[1][0].markPx: ')]);
  });

  it('of candles or funding prints of one symbol is counted, told with its path, and does not stop the others', async () => {
    const rowsOf = standIn.answerTo('candleSnapshot');
    standIn.answer('candleSnapshot', (request) =>
      (request.req as { coin: string }).coin === 'BTC' ? [{ ...bar('BTC', T0), o: 100 }] : rowsOf?.(request),
    );
    const print = { coin: 'ETH', fundingRate: '0.0001', premium: '0.0', time: T0 + HOUR + 5 };
    standIn.answer('fundingHistory', ({ coin }) => (coin === 'ETH' ? [print] : [{ ...print, coin, time: 'soon' }]));
    const { candles, fundings, contexts } = await market().fetch(T0 + HOUR - 3 * MINUTE, T0 + HOUR + MINUTE);
    expect(new Set(candles.map(({ symbol }) => symbol))).toEqual(new Set(['ETH']));
    expect(candles).toHaveLength(4);
    expect(fundings).toMatchObject([{ symbol: 'ETH', rate: 0.0001 }]);
    expect(contexts.map(({ symbol }) => symbol)).toEqual(['BTC', 'ETH']);
    expect(client.refused).toEqual([
      expect.stringContaining('candleSnapshot[0].o: '),
      expect.stringContaining('fundingHistory[0].time: '),
    ]);
  });

  it('to somebody who wants the past is refused with its path', async () => {
    standIn.answer('candleSnapshot', () => [{ ...bar('BTC', T0), o: 100 }]);
    await expect(market(['BTC']).history('BTC', { fromMs: T0, toMs: T0 + 3 * MINUTE })).rejects.toMatchObject({
      code: 'NOF0_MARKET_DATA',
      faults: [{ path: 'candleSnapshot[0].o' }],
    });
    expect(await client.counted('providerRefused')).toContainEqual(
      expect.objectContaining({ what: 'candleSnapshot', value: 1 }),
    );
  });
});

describe('a provider in trouble', () => {
  const flaky = (times: number, answer: unknown) => {
    let left = times;
    standIn.answer('meta', () => (left-- > 0 ? answer : { universe: UNIVERSE }));
  };

  it('that answers 502 or hangs up is asked again', async () => {
    flaky(2, { http: { status: 502, body: '<html>Bad Gateway</html>', contentType: 'text/html' } });
    expect(await market(['BTC']).assets()).toHaveLength(1);
    flaky(1, undefined);
    expect(await market(['BTC']).assets()).toHaveLength(1);
    flaky(1, { http: { status: 200, body: '{"universe":[' } });
    expect(await market(['BTC']).assets()).toHaveLength(1);
  });

  it('that stays away is reported as that', async () => {
    flaky(99, { http: { status: 502, body: '' } });
    await expect(market(['BTC']).assets()).rejects.toMatchObject({ code: 'NOF0_MARKET_UNAVAILABLE' });
  });

  it('that asks for less makes everybody wait', async () => {
    flaky(1, { http: { status: 429, body: 'null' } });
    expect(await market(['BTC']).assets()).toHaveLength(1);
    expect(client.spent.blockedMs.length).toBe(1);
    flaky(99, { http: { status: 429, body: 'null' } });
    await expect(market(['BTC']).assets()).rejects.toMatchObject({ code: 'NOF0_RATE_LIMITED' });
  });

  it('that cannot read the request is not asked again', async () => {
    flaky(99, { http: { status: 422, body: 'Failed to deserialize', contentType: 'text/plain' } });
    await expect(market(['BTC']).assets()).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_REJECTED' });
    expect(types()).toEqual(['meta']);
  });
});

describe('what requests cost', () => {
  it('is taken before and, by rows, charged after', async () => {
    await market(['BTC'], 5 * HOUR).fetch(null, T0);
    // One book, one context answer, one page of 300 candles.
    expect(client.spent).toMatchObject({ taken: 2 + 20 + 20, charged: 5 });
  });
});
