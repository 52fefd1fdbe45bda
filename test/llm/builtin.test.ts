import { describe, expect, it } from 'vitest';
import { acts, ask, asset, frameOf, position, requestOf, SLOT_MS } from './fixtures.ts';

const HOUR_MS = 3_600_000;

const short = { quantity: -10, stopLoss: 101, takeProfit: 98 };

describe('trend-follower', () => {
  const rising = asset('BTC', {
    price: 101,
    closes: [101],
    indicators: { ema20: 100, ema50: 98, atr14: 1, macd: 0.5 },
  });
  const falling = asset('ETH', {
    price: 97,
    closes: [97],
    indicators: { ema20: 98, ema50: 100, atr14: 1, macd: -0.5 },
  });

  it('goes with the averages when price and MACD confirm', async () => {
    expect(await acts('trend-follower', [rising])).toEqual(['open_long BTC']);
    expect(await acts('trend-follower', [falling])).toEqual(['open_short ETH']);
  });

  it('waits while the averages are close, MACD disagrees or the history is short', async () => {
    const close = asset('BTC', { ...rising, indicators: { ...rising.indicators, ema50: 99.9 } });
    const disagreeing = asset('BTC', { ...rising, indicators: { ...rising.indicators, macd: -0.1 } });
    const young = asset('BTC', { ...rising, indicators: { ...rising.indicators, ema50: null } });
    for (const waiting of [close, disagreeing, young]) {
      expect(await acts('trend-follower', [waiting])).toEqual(['hold BTC']);
    }
  });

  it('leaves when the averages cross or a bar closes well beyond EMA 50, not on a pullback', async () => {
    expect(await acts('trend-follower', [falling], [position('ETH')])).toEqual(['close_long ETH']);
    const broken = asset('BTC', { ...rising, closes: [97] });
    expect(await acts('trend-follower', [broken], [position('BTC')])).toEqual(['close_long BTC']);
    const pullback = asset('BTC', { ...rising, closes: [97.8] });
    expect(await acts('trend-follower', [pullback], [position('BTC')])).toEqual(['hold BTC']);
    expect(await acts('trend-follower', [rising], [position('BTC', short)])).toEqual(['close_short BTC']);
  });
});

describe('mean-reverter', () => {
  const bands = { bollUpper: 102, bollMiddle: 100, bollLower: 98 };
  const low = asset('BTC', { price: 97.5, indicators: { ...bands, rsi7: 20 } });
  const high = asset('BTC', { price: 102.5, indicators: { ...bands, rsi7: 80 } });

  it('buys below the band and sells above it', async () => {
    expect(await acts('mean-reverter', [low])).toEqual(['open_long BTC']);
    expect(await acts('mean-reverter', [high])).toEqual(['open_short BTC']);
  });

  it('stays away inside the band, without RSI support, and from an hour that moved too far', async () => {
    const inside = asset('BTC', { ...low, price: 99 });
    const neutral = asset('BTC', { ...low, indicators: { ...low.indicators, rsi7: 45 } });
    const crash = asset('BTC', { ...low, change1h: -0.06 });
    for (const waiting of [inside, neutral, crash])
      expect(await acts('mean-reverter', [waiting])).toEqual(['hold BTC']);
  });

  it('leaves at the middle band', async () => {
    const middle = asset('BTC', { ...low, price: 100 });
    expect(await acts('mean-reverter', [middle], [position('BTC')])).toEqual(['close_long BTC']);
    expect(await acts('mean-reverter', [middle], [position('BTC', short)])).toEqual(['close_short BTC']);
    expect(await acts('mean-reverter', [low], [position('BTC')])).toEqual(['hold BTC']);
  });
});

describe('breakout', () => {
  const channel = { donchianHigh20: 102, donchianLow20: 98, atr14: 1 };
  const at = (price: number) => asset('BTC', { price, indicators: channel });

  it('follows a price out of the channel, in both directions', async () => {
    expect(await acts('breakout', [at(102.5)])).toEqual(['open_long BTC']);
    expect(await acts('breakout', [at(97.5)])).toEqual(['open_short BTC']);
  });

  it('does not act on a touch', async () => {
    expect(await acts('breakout', [at(102.1)])).toEqual(['hold BTC']);
  });

  it('gives up in the middle of the channel', async () => {
    expect(await acts('breakout', [at(99.9)], [position('BTC')])).toEqual(['close_long BTC']);
    expect(await acts('breakout', [at(100.1)], [position('BTC', short)])).toEqual(['close_short BTC']);
    expect(await acts('breakout', [at(101)], [position('BTC')])).toEqual(['hold BTC']);
  });
});

describe('carry', () => {
  const rates = (values: Record<string, number | null>) =>
    Object.entries(values).map(([symbol, fundingRate]) => asset(symbol, { fundingRate }));
  const market = { A: 0.00001, B: -0.00005, C: 0.00003, D: -0.00002, E: 0.000005 };

  it('takes the receiving side of the three largest rates', async () => {
    expect(await acts('carry', rates(market))).toEqual(['open_long B', 'open_short C', 'open_long D']);
  });

  it('leaves when the rate turns against it or falls out of the first four', async () => {
    expect(await acts('carry', rates(market), [position('C')])).toContain('close_long C');
    expect(await acts('carry', rates(market), [position('E', short)])).toContain('close_short E');
    expect(await acts('carry', rates(market), [position('A', short)])).not.toContain('close_short A');
  });

  it('holds without funding data, and does not call a rate of zero income', async () => {
    expect(await acts('carry', rates({ A: null }), [position('B')])).toEqual(['hold A']);
    expect(await acts('carry', rates({ A: null }), [position('A')])).toEqual(['hold A']);
    expect(await acts('carry', rates({ A: 0 }))).toEqual(['hold A']);
  });
});

describe('buy-and-hold', () => {
  it('buys every symbol once at leverage 1, in equal parts, and sells none', async () => {
    const assets = ['A', 'B', 'C'].map((symbol) => asset(symbol));
    const { decisions } = await ask('buy-and-hold', requestOf({ frame: frameOf(assets) }));
    expect(decisions.map(({ action, symbol }) => `${action} ${symbol}`)).toEqual([
      'open_long A',
      'open_long B',
      'open_long C',
    ]);
    expect(new Set(decisions.map((each) => `${each.leverage} ${each.position_size_usd}`))).toEqual(new Set(['1 2500']));
    const old = { entryTsMs: SLOT_MS - 9000 * HOUR_MS };
    const all = assets.map(({ symbol }) => position(symbol, old));
    expect(await acts('buy-and-hold', assets, all)).toEqual(['hold A']);
  });
});

describe('coin-flip', () => {
  const six = ['A', 'B', 'C', 'D', 'E', 'F'].map((symbol) => asset(symbol));

  it('acts within its first cycles, on both sides, for any seed', async () => {
    for (const seed of ['one', 'two', 'three', 'four']) {
      const seen = new Set<string>();
      for (let cycle = 0; cycle < 12; cycle++) {
        const slotMs = SLOT_MS + cycle * 15_000;
        const { decisions } = await ask('coin-flip', requestOf({ frame: frameOf(six), seed, slotMs }));
        for (const { action } of decisions) seen.add(action);
      }
      expect(seen).toContain('open_long');
      expect(seen).toContain('open_short');
    }
  });

  it('keeps a position for a time that depends on its entry only, between 20 and 150 minutes', async () => {
    const closedAfter = async (minutes: number) => {
      const held = position('A', { entryTsMs: SLOT_MS - minutes * 60_000 });
      return (await acts('coin-flip', [asset('A')], [held])).includes('close_long A');
    };
    expect(await closedAfter(19)).toBe(false);
    expect(await closedAfter(150)).toBe(true);
  });
});
