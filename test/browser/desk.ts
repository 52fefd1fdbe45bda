/** A desk in the middle of a session for the browser tests: seeded rows, real API, a scan that a test adds. */

import { sessionOf } from '../../src/domain/desk/calendar.ts';
import { isoTime } from '../../src/domain/desk/published.ts';
import type { Resources } from '../../src/resources.ts';
import { registerModels } from '../../src/store/models.ts';

const MINUTE_MS = 60_000;
const DAY = '2025-05-09';
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };
/** An hour and a half after the bell. */
const NOW_MS = session.openMs + 90 * MINUTE_MS;
/** Sectors come from a file that somebody wrote. */
export const HOSTILE_SECTOR = '<img src=x onerror="document.title=1">';

/** The desk before its first session: registered, nothing seen. */
export async function registerDesk({ db }: Resources): Promise<void> {
  const common = { exchangeProvider: 'paper', marketProvider: 'equities', config: {}, configDigest: 'd' };
  const trader = { ...common, id: 'equities', displayName: 'equities', initialEquityUsd: 100_000 };
  await registerModels(db, [trader], session.openMs - 30 * MINUTE_MS, 'test');
}

export async function seedDesk(resources: Resources): Promise<void> {
  const { db } = resources;
  await registerDesk(resources);
  await db.query(`INSERT INTO symbols (symbol) VALUES ('AAPL'), ('MSFT') ON CONFLICT DO NOTHING`);
  await db.query(
    `INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ('equities', 'AAPL', 152.5, $1), ('equities', 'MSFT', 290.1, $1)`,
    [NOW_MS],
  );
  await db.query(`INSERT INTO ingest_cursors (provider, watermark_ms) VALUES ('equities', $1)`, [NOW_MS]);
  await db.query(
    `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd) SELECT 'equities', $1::bigint + n * 300000, 100000 + 5 * n FROM generate_series(1, 18) n`,
    [session.openMs],
  );
  await db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, entry_oid, stop_loss, take_profit)
     VALUES ('p1', 'equities', 'AAPL', 'long', 150, 10, 1, $1, 7, 145, 160)`,
    [NOW_MS - 27 * MINUTE_MS],
  );
  const look = {
    technical_signals: {
      rsi_1m: { value: 78.5, signal: 'overbought' },
      macd_5m: { value: 0.15, signal: 'weakening' },
      support_resistance: { next_level: 153.25, type: 'resistance' },
    },
    profit_target: { value: 160, distance: '4.9%' },
    stop_loss: { value: 145, distance: '4.9%' },
    time_in_trade: '00:27:15',
    timestamp: isoTime(NOW_MS),
  };
  await db.query(
    `INSERT INTO desk_monitoring (position_id, symbol, ts_ms, high_price, payload) VALUES ('p1', 'AAPL', $1, 152.5, $2)`,
    [NOW_MS, JSON.stringify(look)],
  );
  await db.query(
    `INSERT INTO desk_signals (type, symbol, ts_ms, reason, price, indicators, confidence) VALUES
     ('entry', 'AAPL', $1, 'breakout', 150, '{"macd":0.5,"rsi":65}', 0.85), ('exit', 'MSFT', $2, 'target_reached', 292.5, '{"macd":null,"rsi":null}', 1)`,
    [NOW_MS - 28 * MINUTE_MS, NOW_MS - MINUTE_MS],
  );
  const brought = {
    ...{ daily_pnl: 125.5, daily_pnl_pct: 0.13, win_count: 3, loss_count: 1, win_rate: 0.75 },
    ...{ avg_win: 50, avg_loss: -24.5, largest_win: 75, largest_loss: -24.5, timestamp: isoTime(NOW_MS) },
  };
  await db.query(`INSERT INTO desk_performance (model_id, day, ts_ms, payload) VALUES ('equities', $1, $2, $3)`, [
    DAY,
    NOW_MS,
    JSON.stringify(brought),
  ]);
  const context = {
    sector_performance: { technology: 0.5, [HOSTILE_SECTOR]: -0.2 },
    market_breadth: { advancing: 12, declining: 7, unchanged: 1 },
    ...{ vix: 18.5, market_regime: 'bullish_consolidation', timestamp: isoTime(NOW_MS) },
  };
  await db.query('INSERT INTO desk_contexts (ts_ms, payload) VALUES ($1, $2)', [NOW_MS, JSON.stringify(context)]);
  await scan(resources, 0, [['AAPL', 0.95, 152.5, ['breakout', 'volume_surge']]]);
}

type Candidate = readonly [symbol: string, score: number, price: number, signals: readonly string[]];

/** What a scan so many minutes later came to, written and published as the platform does. */
export async function scan(
  { db, publisher }: Resources,
  minutes: number,
  candidates: readonly Candidate[],
): Promise<void> {
  const tsMs = NOW_MS + minutes * MINUTE_MS;
  await db.query('INSERT INTO desk_watchlists (ts_ms, symbols) VALUES ($1, $2)', [tsMs, ['AAPL', 'MSFT']]);
  for (const [index, [symbol, score, price, signals]] of candidates.entries())
    await db.query(
      'INSERT INTO desk_candidates (ts_ms, symbol, rank, score, price, signals) VALUES ($1, $2, $3, $4, $5, $6)',
      [tsMs, symbol, index + 1, score, price, signals],
    );
  await db.query(`UPDATE ingest_cursors SET watermark_ms = $1 WHERE provider = 'equities'`, [tsMs]);
  const families = ['watchlist', 'candidates', 'systemState'] as const;
  await publisher.refresh(families.map((family) => ({ family, ids: [] })));
}
