import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Target } from '../../src/domain/published-keys.ts';
import { KEY_FAMILIES } from '../../src/domain/published-keys.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { checkKeys } from '../../src/projections/check.ts';
import { PROJECTIONS, projectionsOf } from '../../src/projections/families.ts';
import { Publisher } from '../../src/projections/publisher.ts';
import { CandleReader } from '../../src/store/candle-reader.ts';
import { type Arena, arenaConfig, cached, never, openTestArena, PROVIDER, T0 } from '../engine/arena.ts';
import { outboxTargets } from './support.ts';

const CTX: Target = { family: 'marketCtx', ids: [PROVIDER, 'BTC'] };
const STEP_MS = 10_000;

let arena: Arena;
beforeAll(async () => {
  arena = await openTestArena(arenaConfig({ history: '48h' }));
  await ingestPrices(arena.stories, T0, never);
});
afterAll(() => arena.run.close());

type Shown = { timestamp: number; indicators: Record<string, number | null>; [field: string]: unknown };

describe('keys of the market', () => {
  it('are projections like all others: only the prices, which carry their own time, are not', () => {
    const projected = new Set(projectionsOf('equities').map(({ family }) => family));
    expect(KEY_FAMILIES.filter((family) => !projected.has(family))).toEqual([
      'priceLatest',
      'priceLatestByProvider',
      'cryptoPrices',
    ]);
  });

  it('say the terms of an instrument as soon as it is registered', async () => {
    expect(await cached(arena.run, 'marketAsset', PROVIDER, 'BTC')).toMatchObject({
      ...{ symbol: 'BTC', quote: 'USD', is_active: true },
      ...{ size_decimals: expect.any(Number), max_leverage: expect.any(Number), only_isolated: false },
    });
  });

  it('say of each symbol what a model would see at that moment', async () => {
    const shown = (await cached(arena.run, 'marketCtx', PROVIDER, 'BTC')) as Shown;
    const frame = (await arena.frames.frame(T0, never))?.frame.assets.BTC;
    expect(shown).toMatchObject({
      ...{ timestamp: T0, price: frame?.price, funding_rate: frame?.fundingRate, open_interest: frame?.openInterest },
      ...{ change_1h: frame?.change1h, change_4h: frame?.change4h, volume_24h: frame?.volume24h },
    });
    const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    expect(Object.fromEntries(Object.entries(shown.indicators).map(([name, value]) => [camel(name), value]))).toEqual(
      frame?.indicators,
    );
    expect(Object.values(shown.indicators)).not.toContain(null);
  });

  it('hold the frames of the newest slots', async () => {
    const stored = await arena.frames.frame(T0, never);
    const [text] = await arena.run.resources.publisher.read({ family: 'marketFrame', ids: [String(T0)] });
    expect(JSON.parse(text ?? '')).toEqual(stored);
    expect(await arena.run.resources.publisher.allTargets(['marketFrame'])).toEqual([
      { family: 'marketFrame', ids: [String(T0)] },
    ]);
    expect(await arena.run.resources.publisher.read({ family: 'marketFrame', ids: ['0'] })).toEqual([]);
  });

  it('follow the market once a stretch and after every candle, not with every price', async () => {
    const { stories, run } = arena;
    const written: string[] = [];
    const counted = {
      ...stories,
      drain: (effects: Parameters<typeof stories.drain>[0]) => {
        written.push(...effects.map(({ target }) => target));
        return stories.drain(effects);
      },
    };
    for (let tsMs = T0 + 1000; tsMs <= T0 + 60_000; tsMs += 1000) await ingestPrices(counted, tsMs, never);
    expect(written.filter((target) => target.startsWith('cryptoPrices'))).toHaveLength(60);
    expect(written.filter((target) => target.startsWith('marketCtx'))).toHaveLength(60_000 / STEP_MS);
    expect(await outboxTargets(run.resources.db)).toEqual([]);
    expect(await cached(run, 'marketCtx', PROVIDER, 'BTC')).toMatchObject({ timestamp: T0 + 60_000 });
  });

  it('are carried on to what somebody says who reads everything anew', async () => {
    const { db, publisher } = arena.run.resources;
    const { provider, config } = publisher.context;
    const { cacheRedis, keys, metrics, logger } = arena.run.resources;
    const anew = { ...publisher.context, candles: new CandleReader(db, provider, config.arena.barInterval) };
    const other = new Publisher(anew, cacheRedis, keys, metrics, logger, PROJECTIONS);
    expect(await publisher.load([CTX])).toEqual(await other.load([CTX]));
  });

  it('notice a candle that comes late, among those that were read before', async () => {
    const { db, publisher } = arena.run.resources;
    const rsiOf = async () => {
      const [[text] = []] = await publisher.load([CTX]);
      return (JSON.parse(text ?? '') as Shown).indicators.rsi14;
    };
    const before = await rsiOf();
    const late = `provider = $1 AND symbol = 'BTC' AND open_ts_ms = $2`;
    const values = [PROVIDER, T0 - 60_000];
    await db.query(`DELETE FROM price_candles WHERE ${late}`, values);
    const without = await rsiOf();
    expect(without).not.toBe(before);
    await db.query(
      `INSERT INTO price_candles (provider, symbol, interval, open_ts_ms, o, h, l, c, volume) VALUES ($1, 'BTC', '1m', $2, 1, 1, 1, 1, 1)`,
      values,
    );
    expect(await rsiOf()).not.toBe(without);
  });

  it('agree with the rows, all of them', async () => {
    const checks = await checkKeys(arena.run.resources.publisher);
    const market = checks.filter(({ family }) => family.startsWith('market'));
    expect(market.map(({ family, compared, differences }) => ({ family, compared, differences }))).toEqual([
      { family: 'marketAsset', compared: 6, differences: [] },
      { family: 'marketCtx', compared: 6, differences: [] },
      { family: 'marketFrame', compared: 1, differences: [] },
    ]);
  });
});

describe('a thousand readers of a key that is missing', () => {
  it('make one load in a process, and get the same', async () => {
    const { publisher, cacheRedis, keys, metrics, logger } = arena.run.resources;
    let loads = 0;
    const counted = PROJECTIONS.map((projection) => ({
      ...projection,
      load: (...given: Parameters<typeof projection.load>) => {
        loads += 1;
        return projection.load(...given);
      },
    }));
    const process = new Publisher(publisher.context, cacheRedis, keys, metrics, logger, counted);
    const [name] = [keys.key(CTX.family, CTX.ids)];
    await cacheRedis.del(name, keys.sidecar(name));
    const values = await Promise.all(Array.from({ length: 1000 }, () => process.read(CTX)));
    expect(new Set(values.flat()).size).toBe(1);
    expect(loads).toBe(1);
  });
});

describe('a replay', () => {
  it('refreshes no contexts: whoever looks fills them', async () => {
    const { stories, run } = arena;
    const ended = { ...stories.market, provider: PROVIDER, extent: { startMs: 0, endMs: 1 } };
    ended.fetch = (...range) => stories.market.fetch(...range);
    const written: string[] = [];
    const drain = async (effects: Parameters<typeof stories.drain>[0]) => {
      written.push(...effects.map(({ target }) => target));
      await stories.drain(effects);
    };
    await ingestPrices({ ...stories, market: ended, drain }, T0 + 180_000, never);
    expect(written.some((target) => target.startsWith('cryptoPrices'))).toBe(true);
    expect(written.some((target) => target.startsWith('marketCtx'))).toBe(false);
    expect(await run.resources.publisher.allTargets(['marketCtx'])).toHaveLength(6);
  });
});
