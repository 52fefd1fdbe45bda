/** What the running session has brought for each stock. The work of a look does not grow with the session. */

import { CANDLE_INTERVAL, CANDLE_INTERVAL_MS } from '../../domain/market.ts';
import type { Queryable } from '../database.ts';

export type SessionPrice = {
  readonly symbol: string;
  readonly last: number;
  readonly tsMs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly volume: number;
};

type Span = { readonly openMs: number; readonly closeMs: number };
type Sum = Pick<SessionPrice, 'open' | 'high' | 'low' | 'volume'>;
/** The bars that open before `untilMs`, put together; null: there were none. */
type Settled = { readonly untilMs: number; readonly sum: Sum | null };
type Row = { symbol: string; last: number; tsMs: number } & Partial<
  Record<'t' | 'o' | 'h' | 'l' | 'v', number[] | null>
>;

/** A stock's bars this much older than its newest one are all there: nobody asks for them again. */
const SETTLED_MS = 10 * CANDLE_INTERVAL_MS;

/**
 * Remembers of each stock what its older bars of the session come to, and reads only those behind them. A session that is new is read
 * from its open, and so is one that this process has not looked at: what comes out is the same.
 */
export class SessionPrices {
  #openMs = -1;
  #settled = new Map<string, Settled>();

  /** Newest prices with what the session has brought so far; before its first bar the last price is all of it. */
  async read(db: Queryable, provider: string, symbols: readonly string[], session: Span): Promise<SessionPrice[]> {
    if (session.openMs !== this.#openMs) [this.#openMs, this.#settled] = [session.openMs, new Map()];
    const known = this.#settled;
    const nothing: Settled = { untilMs: session.openMs, sum: null };
    const before = new Map(symbols.map((symbol) => [symbol, known.get(symbol) ?? nothing]));
    const rows = await db.query<Row>(
      `SELECT s.symbol, l.price AS last, l.ts_ms AS "tsMs", b.* FROM unnest($2::text[], $3::bigint[]) AS s(symbol, from_ms)
       JOIN price_latest l ON l.provider = $1 AND l.symbol = s.symbol
       CROSS JOIN LATERAL (
         SELECT array_agg(c.open_ts_ms::float8 ORDER BY c.open_ts_ms) AS t, array_agg(c.o ORDER BY c.open_ts_ms) AS o, array_agg(c.h ORDER BY c.open_ts_ms) AS h,
                array_agg(c.l ORDER BY c.open_ts_ms) AS l, array_agg(c.volume ORDER BY c.open_ts_ms) AS v
         FROM price_candles c WHERE c.provider = $1 AND c.symbol = s.symbol AND c.interval = '${CANDLE_INTERVAL}' AND c.open_ts_ms >= s.from_ms AND c.open_ts_ms < $4
       ) b`,
      [provider, symbols, symbols.map((symbol) => (before.get(symbol) ?? nothing).untilMs), session.closeMs],
    );
    return rows.map((row) => {
      const { settled, sum } = addBars(before.get(row.symbol) ?? nothing, row);
      // Somebody who began earlier may end later: what is known of a stock only grows.
      if (settled.untilMs >= (known.get(row.symbol)?.untilMs ?? 0)) known.set(row.symbol, settled);
      const { symbol, last, tsMs } = row;
      if (sum === null) return { symbol, last, tsMs, open: last, high: last, low: last, volume: 0 };
      return { symbol, last, tsMs, ...sum, high: Math.max(sum.high, last), low: Math.min(sum.low, last) };
    });
  }
}

/** One bar after the other, oldest first, so that the sum does not depend on how often somebody has looked. */
function addBars(before: Settled, { t, o, h, l, v }: Row): { readonly settled: Settled; readonly sum: Sum | null } {
  const times = t ?? [];
  const untilMs = Math.max(before.untilMs, (times.at(-1) ?? 0) - SETTLED_MS);
  let { sum } = before;
  let settled = sum;
  times.forEach((openTsMs, i) => {
    const bar = { open: o?.[i] ?? 0, high: h?.[i] ?? 0, low: l?.[i] ?? 0, volume: v?.[i] ?? 0 };
    sum = sum === null ? bar : added(sum, bar);
    if (openTsMs < untilMs) settled = sum;
  });
  return { settled: { untilMs, sum: settled }, sum };
}

function added(sum: Sum, bar: Sum): Sum {
  return {
    open: sum.open,
    high: Math.max(sum.high, bar.high),
    low: Math.min(sum.low, bar.low),
    volume: sum.volume + bar.volume,
  };
}
