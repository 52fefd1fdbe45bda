import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Stories } from '../../src/engine/context.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FRESH_MS, MarketSnapshots } from '../../src/engine/market-snapshots.ts';
import type { MarketData } from '../../src/market/market-data.ts';
import { contextSource, readTerms } from '../../src/projections/market-source.ts';
import { marketAssets } from '../../src/store/market.ts';
import { type Arena, never, openTestArena, PROVIDER, T0 } from './arena.ts';

const CROWD = 1000;

let arena: Arena;
let nowMs: number;
/** How often the market itself was asked. */
let asked: number;
let stories: Stories;
let snapshots: MarketSnapshots;
beforeEach(async () => {
  arena = await openTestArena();
  nowMs = T0;
  stories = onMarket({});
  snapshots = new MarketSnapshots(stories, contextSource(arena.run.resources.publisher));
  await ingestPrices(stories, T0, never);
  asked = 0;
});
afterEach(() => arena.run.close());

/** The stories by a clock that stands where the test puts it, on a market that counts. */
function onMarket(doors: Partial<MarketData>): Stories {
  const { market } = arena.stories;
  const counted: MarketData = {
    provider: market.provider,
    extent: market.extent,
    assets: () => market.assets(),
    fetch: (...range) => {
      asked += 1;
      return market.fetch(...range);
    },
    ...doors,
  };
  return {
    ...arena.stories,
    market: counted,
    clock: { ...arena.stories.clock, now: (asOfMs) => Math.max(asOfMs, nowMs) },
  };
}

async function forgetCache(): Promise<void> {
  const { cacheRedis, keys, publisher } = arena.run.resources;
  const names = (await publisher.allTargets()).map(({ family, ids }) => keys.key(family, ids));
  await cacheRedis.del(...names, ...names.map((name) => keys.sidecar(name)));
}

const crowd = () => Promise.all(Array.from({ length: CROWD }, () => snapshots.of('BTC')));

describe('the market now', () => {
  it('comes from the cache while that is fresh', async () => {
    await snapshots.all();
    await arena.db.query('DELETE FROM market_asset_ctx');
    expect(await snapshots.of('BTC')).toMatchObject({ symbol: 'BTC', timestamp: T0, context_timestamp: T0 });
    expect(asked).toBe(0);
  });

  it('comes from rows that are fresh where the cache has lost it, and is in the cache again', async () => {
    await forgetCache();
    nowMs = T0 + FRESH_MS;
    expect((await snapshots.all()).size).toBe(6);
    expect(asked).toBe(0);
    expect(await arena.run.resources.publisher.peek([{ family: 'marketCtx', ids: [PROVIDER, 'ETH'] }])).toEqual([
      [expect.stringContaining('"ETH"')],
    ]);
  });

  it('is asked for once by a thousand who want it when both are old', async () => {
    await forgetCache();
    nowMs = T0 + 60_000;
    const answers = await crowd();
    expect(asked).toBe(1);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ timestamp: T0 + 60_000, context_timestamp: T0 + 60_000 });
    await crowd();
    expect(asked).toBe(1);
  });

  it('is shown as it was, with its time, while the market does not answer', async () => {
    stories = onMarket({
      fetch: async () => {
        throw new Error('no answer');
      },
    });
    snapshots = new MarketSnapshots(stories, contextSource(arena.run.resources.publisher));
    nowMs = T0 + 60_000;
    expect(await snapshots.of('BTC')).toMatchObject({ timestamp: T0 });
  });

  it('of a recording is never old', async () => {
    stories = onMarket({ extent: { startMs: 0, endMs: T0 } });
    snapshots = new MarketSnapshots(stories, contextSource(arena.run.resources.publisher));
    nowMs = T0 + 3_600_000;
    expect(await snapshots.of('BTC')).toMatchObject({ timestamp: T0 });
    expect(asked).toBe(0);
  });

  it('knows only what is traded', async () => {
    await expect(snapshots.of('NONE')).rejects.toMatchObject({ code: 'NOF0_SYMBOL_UNKNOWN' });
  });

  it('is in the cache nine times out of ten under the load of the demo', async () => {
    const { metrics } = arena.run.resources;
    const [models, slotMs, lastMs] = [6, 15_000, 150_000];
    for (let atMs = 1000; atMs <= lastMs; atMs += 1000) {
      nowMs = T0 + atMs;
      await ingestPrices(stories, nowMs, never);
      if (atMs % slotMs === 0) await Promise.all(Array.from({ length: models }, () => snapshots.all()));
    }
    const { values } = await metrics.cacheReads.get();
    const reads = (result: string) =>
      values.find(({ labels }) => labels.family === 'marketCtx' && labels.result === result)?.value ?? 0;
    expect(reads('hit') + reads('miss')).toBeGreaterThanOrEqual((models * 6 * lastMs) / slotMs - models * 6);
    expect(reads('hit') / (reads('hit') + reads('miss'))).toBeGreaterThanOrEqual(0.9);
    // The slots were served without asking the market beyond what is ingested anyway.
    expect(asked).toBe(lastMs / 1000);
  }, 60_000);
});

describe('the terms of all instruments', () => {
  it('are read by one command', async () => {
    const { cacheRedis, publisher, db } = arena.run.resources;
    const symbols = (await marketAssets(db, PROVIDER)).map(({ symbol }) => symbol);
    const sent: string[] = [];
    const send = cacheRedis.sendCommand.bind(cacheRedis);
    cacheRedis.sendCommand = (command, ...rest) => {
      sent.push(command.name);
      return send(command, ...rest);
    };
    try {
      const terms = await readTerms(publisher, symbols);
      expect([...terms.keys()].sort()).toEqual([...symbols].sort());
      expect(sent).toEqual(['mget']);
    } finally {
      cacheRedis.sendCommand = send;
    }
  });
});
