/** What the analytics count: trades, decision cycles and the time positions were held. Whole histories, and what changed of them. */

import type { AnalyticsCycle, AnalyticsTrade } from '../domain/analytics-input.ts';
import type { Invocation } from '../domain/analytics-running.ts';
import type { Queryable } from './database.ts';

/**
 * A trade's figures, as the trade has them (`t`, with its account `a` and the snapshot before its entry `e`), and as they were counted.
 * Before its first snapshot a model has what it began with, but nobody knows what an imported one had made of it by then.
 */
const FIGURES: readonly (readonly [keyof Omit<AnalyticsTrade, 'id'>, now: string, counted: string])[] = [
  ['side', 't.side', 'side'],
  ['quantity', 'coalesce(t.quantity, 0)', 'quantity'],
  ['entryPrice', 'coalesce(t.entry_price, 0)', 'entry_price'],
  ['entryTsMs', 'coalesce(t.entry_ts_ms, t.exit_ts_ms, 0)', 'entry_ts_ms'],
  ['exitTsMs', 'coalesce(t.exit_ts_ms, t.entry_ts_ms, 0)', 'exit_ts_ms'],
  ['netPnl', 'coalesce(t.realized_net_pnl, 0)', 'net_pnl'],
  ['grossPnl', 'coalesce(t.realized_gross_pnl, 0)', 'gross_pnl'],
  ['feeUsd', 'coalesce(t.total_commission_dollars, 0)', 'fee_usd'],
  ['leverage', 't.leverage', 'leverage'],
  [
    'entryEquityUsd',
    "coalesce(e.equity_usd, CASE WHEN t.exit_reason IS DISTINCT FROM 'import' THEN a.initial_equity_usd END)",
    'entry_equity_usd',
  ],
  ['stopLoss', "(t.exit_plan->>'stop_loss')::float8", 'stop_loss'],
  ['takeProfit', "(t.exit_plan->>'profit_target')::float8", 'take_profit'],
];
const NOW = FIGURES.map(([name, now]) => `${now} AS "${name}"`).join(', ');
const COUNTED = FIGURES.map(([name, , column]) => `c.${column} AS "counted_${name}"`).join(', ');
const EQUITY_AT_ENTRY = `LEFT JOIN accounts a ON a.model_id = t.model_id
     LEFT JOIN LATERAL (
       SELECT equity_usd FROM account_equity_snapshots WHERE model_id = t.model_id AND ts_ms <= t.entry_ts_ms ORDER BY ts_ms DESC LIMIT 1
     ) e ON TRUE`;

/** Every trade of a model that stands, with the equity it was entered at, oldest first. */
export function allTrades(db: Queryable, modelId: string): Promise<AnalyticsTrade[]> {
  return db.query<AnalyticsTrade>(
    `SELECT t.id, ${NOW} FROM trades t ${EQUITY_AT_ENTRY} WHERE t.model_id = $1 AND t.voided_at IS NULL ORDER BY t.exit_ts_ms, t.id`,
    [modelId],
  );
}

type Revised = { readonly revision: number; readonly trade: AnalyticsTrade };
/** A trade that changed: as it is (null: it does not stand any more), and as it is counted (null: it is not). */
export type ChangedTrade = { readonly id: string; readonly now: Revised | null; readonly counted: Revised | null };

/** A range of notes rather than a list of them: its cost is the same whatever the planner believes about the table. */
const TAKEN = `DELETE FROM analytics_pending WHERE model_id = $1 AND kind = $2 AND id <= (
         SELECT max(id) FROM (SELECT id FROM analytics_pending WHERE model_id = $1 AND kind = $2 ORDER BY id LIMIT $3) oldest) RETURNING item`;

/**
 * Takes notes of changed trades away, remembers the trades as counted with the figures that they have now, and returns them with those
 * they were counted with before. One statement, hence one snapshot: a note that is seen comes with its change, and a change that is not
 * seen keeps its note.
 */
export async function takeTrades(tx: Queryable, modelId: string, limit: number): Promise<ChangedTrade[]> {
  const rows = await tx.query<
    Record<string, unknown> & { id: string; revision: number | null; countedRevision: number | null }
  >(TAKE_TRADES, [modelId, 'trade', limit]);
  const figures = (row: Record<string, unknown>, prefix: string) =>
    ({ id: row.id, ...Object.fromEntries(FIGURES.map(([name]) => [name, row[`${prefix}${name}`]])) }) as AnalyticsTrade;
  return rows.map((row) => ({
    id: row.id,
    now: row.revision === null ? null : { revision: row.revision, trade: figures(row, '') },
    counted: row.countedRevision === null ? null : { revision: row.countedRevision, trade: figures(row, 'counted_') },
  }));
}

const COLUMNS = FIGURES.map(([, , column]) => column);
const TAKE_TRADES = `WITH taken AS (${TAKEN}),
  found AS (
    SELECT n.item AS id, t.revision, ${NOW}, c.revision AS "countedRevision", ${COUNTED}
    FROM (SELECT DISTINCT item FROM taken) n
    LEFT JOIN trades t ON t.id = n.item AND t.voided_at IS NULL
    ${EQUITY_AT_ENTRY}
    LEFT JOIN analytics_trades c ON c.trade_id = n.item
  ), kept AS (
    INSERT INTO analytics_trades (trade_id, model_id, revision, ${COLUMNS.join(', ')})
    SELECT id, $1, revision, ${FIGURES.map(([name]) => `"${name}"`).join(', ')} FROM found WHERE revision IS NOT NULL
    ON CONFLICT (trade_id) DO UPDATE SET revision = excluded.revision, ${COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')}
  ), gone AS (
    DELETE FROM analytics_trades a USING found WHERE a.trade_id = found.id AND found.revision IS NULL
  )
  SELECT * FROM found ORDER BY id`;

const CYCLE_COLUMNS = `(extract(epoch FROM d.executed_at) * 1000)::bigint AS "executedAtMs", coalesce((
         SELECT json_agg(json_build_object('confidence', j->'confidence', 'leverage', j->'leverage', 'signal',
           CASE j->>'action' WHEN 'open_long' THEN 'long' WHEN 'open_short' THEN 'short' WHEN 'hold' THEN 'hold' ELSE 'close' END))
         FROM jsonb_array_elements(coalesce(d.decisions, '[]'::jsonb)) AS j), '[]'::json) AS decisions`;

/** Every cycle of a model that is done. */
export function allCycles(db: Queryable, modelId: string): Promise<AnalyticsCycle[]> {
  return db.query<AnalyticsCycle>(
    `SELECT ${CYCLE_COLUMNS} FROM every_cycle d WHERE d.model_id = $1 AND d.step = 'done' AND d.executed_at IS NOT NULL ORDER BY d.slot_ms`,
    [modelId],
  );
}

export type FinishedCycle = AnalyticsCycle & Pick<Invocation, 'previousMs' | 'nextMs'>;

/** Takes notes of finished cycles away and returns the cycles, each with the counted moments next to it. A cycle is done once. */
export function takeCycles(tx: Queryable, modelId: string, limit: number): Promise<FinishedCycle[]> {
  return tx.query<FinishedCycle>(
    `WITH taken AS (${TAKEN})
     SELECT ${CYCLE_COLUMNS}, near."previousMs", near."nextMs"
     FROM taken JOIN every_cycle d ON d.id = taken.item::bigint AND d.executed_at IS NOT NULL
     CROSS JOIN LATERAL (SELECT
       (SELECT value FROM analytics_values WHERE model_id = $1 AND measure = 'invocation' AND value <= extract(epoch FROM d.executed_at)::float8 * 1000 ORDER BY value DESC LIMIT 1) AS "previousMs",
       (SELECT value FROM analytics_values WHERE model_id = $1 AND measure = 'invocation' AND value > extract(epoch FROM d.executed_at)::float8 * 1000 ORDER BY value LIMIT 1) AS "nextMs"
     ) near`,
    [modelId, 'cycle', limit],
  );
}

export type Surroundings = {
  readonly symbols: number;
  readonly tradeId: string | null;
  readonly exitTsMs: number | null;
  readonly conversationId: string | null;
  readonly conversationTsMs: number | null;
  readonly longMins: number;
  readonly shortMins: number;
};

/**
 * Everything beside the samples. The time in positions between two moments is what closed positions were held altogether, without
 * what lies outside of the two (only positions at the edges are looked at), and with the open ones.
 */
export async function surroundings(
  tx: Queryable,
  modelId: string,
  provider: string,
  fromMs: number,
  toMs: number,
): Promise<Surroundings> {
  const rows = await tx.query<Surroundings>(
    `WITH edges AS (
       SELECT side, sum(greatest(0, exit_ts_ms - greatest(entry_ts_ms, $4::bigint)) * -1)::float8 AS ms FROM positions
       WHERE model_id = $1 AND status = 'closed' AND exit_ts_ms > $4::bigint GROUP BY side
       UNION ALL SELECT side, sum(greatest(0, least(exit_ts_ms, $3::bigint) - entry_ts_ms) * -1)::float8 FROM positions
       WHERE model_id = $1 AND status = 'closed' AND entry_ts_ms < $3::bigint GROUP BY side
       UNION ALL SELECT side, sum($4::bigint - greatest(entry_ts_ms, $3::bigint))::float8 FROM positions
       WHERE model_id = $1 AND status = 'open' AND entry_ts_ms < $4::bigint GROUP BY side
       UNION ALL SELECT 'long', long_ms::float8 FROM analytics_held WHERE model_id = $1
       UNION ALL SELECT 'short', short_ms::float8 FROM analytics_held WHERE model_id = $1
     )
     SELECT (SELECT count(*) FROM market_assets WHERE provider = $2) AS symbols, t.trade_id AS "tradeId", t.exit_ts_ms AS "exitTsMs",
       v.id::text AS "conversationId", (extract(epoch FROM v.started_at) * 1000)::bigint AS "conversationTsMs",
       coalesce((SELECT sum(ms) FROM edges WHERE side = 'long'), 0) / 60000 AS "longMins", coalesce((SELECT sum(ms) FROM edges WHERE side = 'short'), 0) / 60000 AS "shortMins"
     FROM (SELECT) one
     LEFT JOIN LATERAL (SELECT trade_id, exit_ts_ms FROM analytics_trades WHERE model_id = $1 ORDER BY exit_ts_ms DESC, trade_id COLLATE "C" DESC LIMIT 1) t ON TRUE
     LEFT JOIN LATERAL (SELECT id, started_at FROM conversations WHERE model_id = $1 ORDER BY id DESC LIMIT 1) v ON TRUE`,
    [modelId, provider, fromMs, toMs],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the surroundings of a model are one row');
  return row;
}

/** Minutes a model held longs and shorts between two moments, over all symbols: added up from all its positions. */
export async function positionMinutes(
  db: Queryable,
  modelId: string,
  fromMs: number,
  toMs: number,
): Promise<{ long: number; short: number }> {
  const rows = await db.query<{ side: string; minutes: number }>(
    `SELECT side, sum(least(coalesce(exit_ts_ms, $3::bigint), $3::bigint) - greatest(entry_ts_ms, $2::bigint))::float8 / 60000 AS minutes
     FROM positions WHERE model_id = $1 AND entry_ts_ms < $3::bigint AND coalesce(exit_ts_ms, $3::bigint) > $2::bigint GROUP BY side`,
    [modelId, fromMs, toMs],
  );
  return {
    long: rows.find((row) => row.side === 'long')?.minutes ?? 0,
    short: rows.find((row) => row.side === 'short')?.minutes ?? 0,
  };
}
