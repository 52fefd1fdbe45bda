/** What the platform remembers about a model when its cycle begins: one statement, whatever it is asked. */

import type { EntryPause } from '../domain/pause.ts';
import type { Queryable } from './database.ts';

export type CycleMemory = {
  readonly initialEquityUsd: number;
  readonly inceptionTsMs: number;
  /** Equity at the end of the day before; null when the account was not there yet. */
  readonly dayBeforeEquityUsd: number | null;
  /** Deposits less withdrawals since the day began. */
  readonly dayTransfersUsd: number;
  readonly sharpeRatio: number | null;
  readonly pause: EntryPause | null;
  /** When the newest position of each symbol was closed, of those closed since `cooledSinceMs`. */
  readonly closed: readonly { readonly symbol: string; readonly exitTsMs: number }[];
  readonly positions: readonly {
    readonly symbol: string;
    readonly entryTsMs: number;
    readonly stopLoss: number | null;
    readonly takeProfit: number | null;
  }[];
};

/**
 * The memory as of a slot: snapshots of the slot itself are not asked, since they may or may not be there yet. Null when there is no
 * such account.
 */
export async function cycleMemory(
  db: Queryable,
  modelId: string,
  at: { readonly slotMs: number; readonly dayStartMs: number; readonly cooledSinceMs: number },
): Promise<CycleMemory | null> {
  const rows = await db.query<CycleMemory>(
    `SELECT a.initial_equity_usd AS "initialEquityUsd", a.inception_ts_ms AS "inceptionTsMs",
            (SELECT equity_usd FROM account_equity_snapshots WHERE model_id = $1 AND ts_ms <= least($3::bigint, $2::bigint - 1) ORDER BY ts_ms DESC LIMIT 1) AS "dayBeforeEquityUsd",
            CASE WHEN a.transfers_usd = 0 THEN 0 ELSE
              (SELECT coalesce(sum(closed_pnl), 0) FROM fills WHERE model_id = $1 AND kind = 'transfer' AND ts_ms >= $3 AND ts_ms <= $2) END AS "dayTransfersUsd",
            (SELECT sharpe_ratio FROM account_equity_snapshots WHERE model_id = $1 AND ts_ms < $2 ORDER BY ts_ms DESC LIMIT 1) AS "sharpeRatio",
            t.metadata->'entryPause' AS pause,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('symbol', symbol, 'exitTsMs', exit) ORDER BY symbol), '[]')
             FROM (SELECT symbol, max(exit_ts_ms) AS exit FROM positions WHERE model_id = $1 AND status = 'closed' AND exit_ts_ms > $4 GROUP BY symbol) c) AS closed,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('symbol', symbol, 'entryTsMs', entry_ts_ms, 'stopLoss', stop_loss, 'takeProfit', take_profit)), '[]')
             FROM positions WHERE model_id = $1 AND status = 'open') AS positions
     FROM accounts a JOIN trader_state t ON t.trader_id = a.model_id WHERE a.model_id = $1`,
    [modelId, at.slotMs, at.dayStartMs, at.cooledSinceMs],
  );
  return rows[0] ?? null;
}
