/** Prices of the session, read on from where the last look ended: the same as if all of it were read, at a cost that does not grow. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import type { Candle } from '../../src/domain/market.ts';
import { uniform } from '../../src/domain/random.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import type { Queryable } from '../../src/store/database.ts';
import { SessionPrices } from '../../src/store/desk/session-prices.ts';
import { ANY_WATERMARK, storeBatch } from '../../src/store/market-batch.ts';
import { ensurePartitions } from '../../src/store/tick-partitions.ts';
import { createRun, type TestRun } from '../harness.ts';

const session = sessionOf('2025-05-09') ?? { openMs: 0, closeMs: 0 };
const MINUTE_MS = 60_000;
const SYMBOLS = ['AAPL', 'KO', 'MSFT'];

let run: TestRun;
beforeAll(async () => {
  run = await createRun({ kind: 'equities', settings: { feed: 'synthetic', day: '2025-05-09' } });
  const { stories } = await run.stories();
  await registerArena(stories, run.resources.run, session.openMs);
});
afterAll(() => run.close());

function bar(symbol: string, minute: number): Candle {
  const of = (what: string) => 100 + 5 * uniform('session', symbol, minute, what);
  const [open, close] = [of('open'), of('close')];
  const volume = Math.round(1e6 * uniform(symbol, minute)) / 7;
  const shape = { open, close, high: Math.max(open, close) + 1, low: Math.min(open, close) - 1, volume };
  return { symbol, openTsMs: session.openMs + minute * MINUTE_MS, ...shape };
}

async function tell(candles: readonly Candle[], minute: number): Promise<void> {
  const { db } = run.resources;
  const tsMs = session.openMs + minute * MINUTE_MS;
  const ticks = SYMBOLS.map((symbol) => ({ symbol, tsMs, price: 90 + (minute % 40), source: 'test' }));
  await ensurePartitions(db, ticks);
  await storeBatch(
    db,
    'equities',
    ANY_WATERMARK,
    { ticks, candles, contexts: [], fundings: [], watermarkMs: tsMs },
    [],
  );
}

describe('prices of the session', () => {
  it('are those of a whole reading after every bar, also of late ones, and cost as much at the end as at the beginning', async () => {
    const { db } = run.resources;
    let bars = 0;
    const counting: Queryable = {
      async query<T extends object>(text: string, values?: unknown[]) {
        const rows = await db.query<T>(text, values);
        for (const row of rows as { t?: unknown[] | null }[]) bars += row.t?.length ?? 0;
        return rows;
      },
    };
    const prices = new SessionPrices();
    const read: number[] = [];
    // Before the open, and with the bars of the day before.
    await tell([{ ...bar('AAPL', 0), openTsMs: session.openMs - 18 * 60 * MINUTE_MS }], -1);
    for (let minute = 0; minute <= 390; minute += 3) {
      // KO is told three minutes late, MSFT has a bar every twelve minutes.
      const three = [minute - 3, minute - 2, minute - 1].filter((at) => at >= 0);
      const own = three.flatMap((at) => [bar('AAPL', at), ...(at % 12 === 0 ? [bar('MSFT', at)] : [])]);
      const late = three.map((at) => at - 3).filter((at) => at >= 0);
      await tell([...own, ...late.map((at) => bar('KO', at))], minute);
      bars = 0;
      const looked = await prices.read(counting, 'equities', SYMBOLS, session);
      read.push(bars);
      expect(looked, String(minute)).toEqual(await new SessionPrices().read(db, 'equities', SYMBOLS, session));
      const [whole] = await db.query(
        `SELECT max(h) AS high, min(l) AS low, sum(volume) AS volume, (array_agg(o ORDER BY open_ts_ms))[1] AS open FROM price_candles
         WHERE provider = 'equities' AND symbol = 'AAPL' AND open_ts_ms >= $1 AND open_ts_ms < $2 HAVING count(*) > 0`,
        [session.openMs, session.closeMs],
      );
      const apple = looked.find(({ symbol }) => symbol === 'AAPL');
      const last = 90 + (minute % 40);
      const { high = last, low = last, volume = 0, open = last } = (whole ?? {}) as Partial<Record<string, number>>;
      expect(apple).toEqual({
        ...{ symbol: 'AAPL', last, tsMs: session.openMs + minute * MINUTE_MS, open },
        ...{ high: Math.max(high, last), low: Math.min(low, last), volume: expect.closeTo(volume, 4) },
      });
    }
    expect(Math.max(...read)).toBeLessThanOrEqual(3 * 14);
    expect(read.at(-1)).toBeLessThanOrEqual(Math.max(...read.slice(5, 15)));
  }, 60_000);

  it('begin anew with a new session', async () => {
    const { db } = run.resources;
    const prices = new SessionPrices();
    await prices.read(db, 'equities', SYMBOLS, session);
    const next = sessionOf('2025-05-12') ?? session;
    const [row] = await prices.read(db, 'equities', ['AAPL'], next);
    expect(row).toMatchObject({ volume: 0, open: row?.last, high: row?.last, low: row?.last });
  });
});
