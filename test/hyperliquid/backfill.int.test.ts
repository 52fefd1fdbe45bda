import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backfill } from '../../src/engine/backfill.ts';
import type { Stories } from '../../src/engine/context.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { HyperliquidMarket } from '../../src/market/hyperliquid/hyperliquid-market.ts';
import { arenaConfig, count } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';
import { MINUTE, Venue } from './venue.ts';

const FROM = Date.UTC(2026, 8, 1);
const CANDLES = 1300;
const wish = { symbols: ['BTC', 'ETH'], fromMs: FROM, toMs: FROM + CANDLES * MINUTE };
let run: TestRun;
let standIn: StandIn;
let stories: Stories;

beforeAll(async () => {
  standIn = await startStandIn();
  const venue = new Venue({ startMs: FROM + 2000 * MINUTE, speed: 1, symbols: ['BTC', 'ETH'], user: '0x0' });
  venue.serve(standIn, [], () => undefined);
  run = await createRun({ config: arenaConfig() });
  const market = new HyperliquidMarket(openClient(standIn).client, { symbols: ['BTC', 'ETH'], historyMs: MINUTE });
  stories = { ...(await run.stories()).stories, market };
  await registerArena(stories, run.resources.run, FROM);
});
afterAll(async () => {
  await run.close();
  await standIn.close();
});

const asked = () => standIn.asked.filter(({ type }) => type === 'candleSnapshot').length;

describe('a backfill', () => {
  it('ended in the middle goes on with what is missing', async () => {
    const stop = new AbortController();
    const first = backfill(stories, wish, ({ stored }) => stored >= 500 && stop.abort(), stop.signal);
    await expect(first).rejects.toThrow();
    expect(await count(stories.db, 'price_candles')).toBe(500);
    const { missing, stored } = await backfill(stories, wish, () => {});
    expect([missing, stored]).toEqual([2 * CANDLES - 500, 2 * CANDLES - 500]);
    expect(await count(stories.db, 'price_candles')).toBe(2 * CANDLES);
  });

  it('finds a hole and asks for nothing else; without one it asks for nothing', async () => {
    await stories.db.query(`DELETE FROM price_candles WHERE symbol = 'ETH' AND open_ts_ms BETWEEN $1 AND $2`, [
      FROM + 100 * MINUTE,
      FROM + 109 * MINUTE,
    ]);
    const before = asked();
    expect(await backfill(stories, wish, () => {})).toMatchObject({ missing: 10, stored: 10 });
    expect(asked() - before).toBe(1);
    expect(await backfill(stories, wish, () => {})).toMatchObject({ missing: 0, stored: 0 });
    expect(asked() - before).toBe(1);
  });

  it('is refused by a market that has no past to ask for', async () => {
    const { stories: synthetic } = await run.stories();
    await expect(backfill(synthetic, wish, () => {})).rejects.toMatchObject({ code: 'NOF0_INPUT_INVALID' });
  });
});
