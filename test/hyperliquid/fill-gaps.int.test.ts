import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backfill } from '../../src/engine/backfill.ts';
import { realTime, replayTime, type Stories } from '../../src/engine/context.ts';
import { fillGaps, SETTLED_MS } from '../../src/engine/fill-gaps.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { TASKS } from '../../src/maintenance/tasks.ts';
import { HyperliquidMarket } from '../../src/market/hyperliquid/hyperliquid-market.ts';
import { arenaConfig, count, never, one } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';
import { MINUTE, Venue } from './venue.ts';

const FROM = Date.UTC(2026, 8, 1);
const CANDLES = 1300;
const UNTIL = FROM + CANDLES * MINUTE;
/** When the task runs: everything of the stretch is settled, and nothing behind it. */
const NOW = UNTIL + SETTLED_MS;
let run: TestRun;
let standIn: StandIn;
let stories: Stories;

beforeEach(async () => {
  standIn = await startStandIn();
  const venue = new Venue({ startMs: FROM + 2000 * MINUTE, speed: 1, symbols: ['BTC', 'ETH'], user: '0x0' });
  venue.serve(standIn, [], () => undefined);
  run = await createRun({ config: arenaConfig() });
  const market = new HyperliquidMarket(openClient(standIn).client, { symbols: ['BTC', 'ETH'], historyMs: MINUTE });
  stories = { ...(await run.stories()).stories, market, clock: replayTime };
  await registerArena(stories, run.resources.run, FROM);
  await backfill(stories, { symbols: ['BTC', 'ETH'], fromMs: FROM, toMs: UNTIL }, () => {});
});
afterEach(async () => {
  await run.close();
  await standIn.close();
});

const asked = () => standIn.asked.filter(({ type }) => type === 'candleSnapshot').length;
const minute = (n: number) => FROM + n * MINUTE;
const lose = (symbol: string, from: number, to: number) =>
  stories.db.query('DELETE FROM price_candles WHERE symbol = $1 AND open_ts_ms BETWEEN $2 AND $3', [
    symbol,
    minute(from),
    minute(to),
  ]);
const stored = () =>
  stories.db.query('SELECT * FROM price_candles ORDER BY symbol, open_ts_ms') as Promise<Record<string, unknown>[]>;

describe('gaps of stored candles', () => {
  it('are found and filled, and what was looked at is not looked at again', async () => {
    const before = await stored();
    await lose('BTC', 100, 109);
    await lose('ETH', 1299, 1299);
    const calls = asked();
    expect(await fillGaps(stories, NOW, never)).toEqual({
      kind: 'done',
      note: { missing: 11, stored: 11, complete: true },
    });
    expect(await stored()).toEqual(before);
    expect(asked() - calls).toBe(2);
    expect(await fillGaps(stories, NOW, never)).toMatchObject({ note: { missing: 0, stored: 0 } });
    expect(asked() - calls).toBe(2);
  });

  it('are filled a bounded piece a run, the next run going on where the last one ended', async () => {
    const before = await stored();
    await lose('BTC', 10, 29);
    await lose('BTC', 500, 504);
    await lose('ETH', 700, 704);
    const runs = [];
    for (let i = 0; i < 4; i++) runs.push(await fillGaps(stories, NOW, never, 12));
    expect(runs.map((outcome) => (outcome.kind === 'done' ? outcome.note : outcome))).toEqual([
      { missing: 12, stored: 12, complete: false },
      { missing: 12, stored: 12, complete: false },
      { missing: 6, stored: 6, complete: true },
      { missing: 0, stored: 0, complete: true },
    ]);
    expect(await stored()).toEqual(before);
  });

  it('of a run that dies in the middle are filled by the next one', async () => {
    const before = await stored();
    await lose('BTC', 0, 1299);
    await stories.db.query('INSERT INTO price_candles SELECT * FROM jsonb_populate_record(NULL::price_candles, $1)', [
      JSON.stringify(before[0]),
    ]);
    const dying = new AbortController();
    const market = stories.market;
    let pages = 0;
    const interrupted: Stories = {
      ...stories,
      market: Object.assign(Object.create(market) as typeof market, {
        history: (...[symbol, range, signal, onPage]: Parameters<NonNullable<typeof market.history>>) =>
          market.history?.(symbol, range, signal, async (candles) => {
            await onPage(candles);
            pages += 1;
            if (pages === 2) dying.abort(new Error('killed'));
            dying.signal.throwIfAborted();
          }),
      }),
    };
    await expect(fillGaps(interrupted, NOW, dying.signal)).rejects.toThrow('killed');
    expect(await count(stories.db, `price_candles WHERE symbol = 'BTC'`)).toBe(1001);
    expect(await fillGaps(stories, NOW, never)).toMatchObject({ note: { missing: 299, stored: 299 } });
    expect(await stored()).toEqual(before);
  });

  it('that the provider has no candles for are asked for once, and counted', async () => {
    await lose('BTC', 200, 209);
    const { market } = stories;
    const poorer: Stories = {
      ...stories,
      market: Object.assign(Object.create(market) as typeof market, { history: async () => [] }),
    };
    expect(await fillGaps(poorer, NOW, never)).toMatchObject({ note: { missing: 10, stored: 0, complete: true } });
    expect(await fillGaps(poorer, NOW, never)).toMatchObject({ note: { missing: 0, stored: 0, complete: true } });
    expect(await one(stories.db, `SELECT missing FROM candle_checks WHERE symbol = 'BTC'`)).toEqual({ missing: 10 });
    const metric = await stories.metrics.candlesMissing.get();
    expect(metric.values.map(({ value }) => value)).toEqual([10]);
  });

  it('newer than what has settled are left to those who ingest', async () => {
    await lose('BTC', 1295, 1299);
    expect(await fillGaps(stories, UNTIL, never)).toMatchObject({ note: { missing: 0 } });
    expect(await fillGaps(stories, NOW, never)).toMatchObject({ note: { missing: 5, stored: 5 } });
  });

  it('stay when the market does not answer, and are asked for by the next run', async () => {
    await lose('BTC', 200, 209);
    const { market } = stories;
    const away: Stories = {
      ...stories,
      market: Object.assign(Object.create(market) as typeof market, {
        history: () => Promise.reject(new Error('away')),
      }),
    };
    await expect(fillGaps(away, NOW, never)).rejects.toThrow('away');
    expect(await fillGaps(stories, NOW, never)).toMatchObject({ note: { missing: 10, stored: 10 } });
  });

  it('are left alone in a market that cannot be asked for its past', async () => {
    const synthetic = { ...(await run.stories()).stories, clock: realTime };
    expect(await TASKS['fill-gaps'](run.resources, never, synthetic, NOW)).toMatchObject({ kind: 'skipped' });
  });
});
