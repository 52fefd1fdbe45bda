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

/** The slot, the start of its day, and since when positions that were closed count. */
export type MemoryMoment = { readonly slotMs: number; readonly dayStartMs: number; readonly cooledSinceMs: number };

const rows = (sql: string) => `(SELECT coalesce(json_agg(r), '[]') FROM (${sql}) r)`;

/**
 * The memory of a model as one value; its name and its moment are given as SQL. Snapshots of the slot itself are not asked, since they may
 * or may not be there yet.
 */
export function memoryOf(model: string, at: Readonly<Record<keyof MemoryMoment, string>>): string {
  return `SELECT json_build_object(
    'initialEquityUsd', a.initial_equity_usd, 'inceptionTsMs', a.inception_ts_ms,
    'dayBeforeEquityUsd', (SELECT equity_usd FROM account_equity_snapshots WHERE model_id = ${model} AND ts_ms <= least(${at.dayStartMs}, ${at.slotMs} - 1) ORDER BY ts_ms DESC LIMIT 1),
    'dayTransfersUsd', CASE WHEN a.transfers_usd = 0 THEN 0 ELSE
      (SELECT coalesce(sum(closed_pnl), 0) FROM fills WHERE model_id = ${model} AND kind = 'transfer' AND ts_ms >= ${at.dayStartMs} AND ts_ms <= ${at.slotMs}) END,
    'sharpeRatio', (SELECT sharpe_ratio FROM account_equity_snapshots WHERE model_id = ${model} AND ts_ms < ${at.slotMs} ORDER BY ts_ms DESC LIMIT 1),
    'pause', t.metadata->'entryPause',
    'closed', ${rows(`SELECT symbol, max(exit_ts_ms) AS "exitTsMs" FROM positions WHERE model_id = ${model} AND status = 'closed' AND exit_ts_ms > ${at.cooledSinceMs} GROUP BY symbol ORDER BY symbol`)},
    'positions', ${rows(`SELECT symbol, entry_ts_ms AS "entryTsMs", stop_loss AS "stopLoss", take_profit AS "takeProfit" FROM positions WHERE model_id = ${model} AND status = 'open' ORDER BY symbol`)}
  ) AS memory FROM accounts a JOIN trader_state t ON t.trader_id = a.model_id WHERE a.model_id = ${model}`;
}

const MEMORY = memoryOf('$1', { slotMs: '$2::bigint', dayStartMs: '$3::bigint', cooledSinceMs: '$4::bigint' });

/** Reads the memory. Null when there is no such account. */
export async function cycleMemory(db: Queryable, modelId: string, at: MemoryMoment): Promise<CycleMemory | null> {
  const [row] = await db.query<{ memory: CycleMemory }>(MEMORY, [modelId, at.slotMs, at.dayStartMs, at.cooledSinceMs]);
  return row?.memory ?? null;
}
