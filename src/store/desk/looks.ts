/** The monitor's looks at open positions. */

import type { Monitoring } from '../../domain/desk/published.ts';
import type { Queryable } from '../database.ts';

export type LookRow = {
  readonly positionId: string;
  readonly symbol: string;
  readonly tsMs: number;
  /** Highest (of a short position: lowest) price since the entry. */
  readonly bestPrice: number;
  readonly monitoring: Monitoring;
};

/** The newest look at each open position of a trader. */
export function latestLooks(db: Queryable, modelId: string): Promise<LookRow[]> {
  return db.query<LookRow>(
    `SELECT m.position_id AS "positionId", m.symbol, m.ts_ms AS "tsMs", m.high_price AS "bestPrice", m.payload AS monitoring
     FROM positions p JOIN desk_monitoring m ON m.position_id = p.id WHERE p.model_id = $1 AND p.status = 'open' ORDER BY m.symbol`,
    [modelId],
  );
}

/** Stores looks, each over the one before; an older one changes nothing. */
export async function saveLooks(tx: Queryable, looks: readonly LookRow[]): Promise<void> {
  if (looks.length === 0) return;
  await tx.query(
    `INSERT INTO desk_monitoring (position_id, symbol, ts_ms, high_price, payload)
     SELECT l."positionId", l.symbol, l."tsMs", l."bestPrice", l.monitoring
     FROM jsonb_to_recordset($1::jsonb) AS l("positionId" text, symbol text, "tsMs" bigint, "bestPrice" float8, monitoring jsonb)
     ON CONFLICT (position_id) DO UPDATE SET ts_ms = excluded.ts_ms, high_price = excluded.high_price, payload = excluded.payload
     WHERE desk_monitoring.ts_ms <= excluded.ts_ms`,
    [JSON.stringify(looks)],
  );
}

/** Positions that the exchange closed by itself since the last look: at their stop or their target. */
export function closedByExchange(
  db: Queryable,
  modelId: string,
  sinceMs: number,
  untilMs: number,
): Promise<{ positionId: string; symbol: string; reason: 'stop_loss' | 'take_profit'; price: number }[]> {
  return db.query(
    `SELECT p.id AS "positionId", t.symbol, t.exit_reason AS reason, t.exit_price AS price
     FROM trades t JOIN positions p ON p.model_id = t.model_id AND p.symbol = t.symbol AND p.exit_ts_ms = t.exit_ts_ms AND p.status = 'closed'
     WHERE t.model_id = $1 AND t.exit_ts_ms >= $2 AND t.exit_ts_ms < $3 AND t.voided_at IS NULL AND t.exit_reason IN ('stop_loss', 'take_profit')
       AND NOT EXISTS (SELECT 1 FROM desk_signals d WHERE d.position_id = p.id AND d.reason IN ('stop_loss', 'target_reached'))
     ORDER BY t.exit_ts_ms, t.symbol`,
    [modelId, sinceMs, untilMs],
  );
}
