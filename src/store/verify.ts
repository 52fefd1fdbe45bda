/** Queries of the consistency check. */

import type { Queryable } from './database.ts';

export type Check = { readonly family: string; readonly compared: number; readonly differences: string[] };

/** Tables that name a model or a symbol, and the table where it must stand (there are no foreign keys; writers keep them). */
const REFERENCES = [
  ['accounts', 'model_id', 'models', 'id'],
  ['trader_state', 'trader_id', 'models', 'id'],
  ['fills', 'model_id', 'models', 'id'],
  ['positions', 'model_id', 'models', 'id'],
  ['trades', 'model_id', 'models', 'id'],
  ['account_equity_snapshots', 'model_id', 'models', 'id'],
  ['decision_cycles', 'model_id', 'models', 'id'],
  ['model_analytics', 'model_id', 'models', 'id'],
  ['conversations', 'model_id', 'models', 'id'],
  ['conversation_messages', 'conversation_id', 'conversations', 'id'],
  ['price_latest', 'symbol', 'symbols', 'symbol'],
  ['price_ticks', 'symbol', 'symbols', 'symbol'],
  ['price_candles', 'symbol', 'symbols', 'symbol'],
  ['market_assets', 'symbol', 'symbols', 'symbol'],
] as const;

/** Rows that point nowhere. */
export async function references(db: Queryable): Promise<Check[]> {
  return Promise.all(
    REFERENCES.map(async ([table, column, other, key]) => {
      const rows = await db.query<{ total: number; orphans: number }>(
        `SELECT count(*) AS total, count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM ${other} o WHERE o.${key} = t.${column})) AS orphans FROM ${table} t`,
      );
      const { total, orphans } = rows[0] ?? { total: 0, orphans: 0 };
      return {
        family: table,
        compared: total,
        differences: orphans > 0 ? [`${table}: ${orphans} rows name a ${column} that ${other} does not have`] : [],
      };
    }),
  );
}

/** Every cycle behind the newest slot of its model is finished, and cycle numbers count on without a gap or a double. */
export async function cycles(db: Queryable): Promise<Check> {
  const rows = await db.query<{
    modelId: string;
    cycles: number;
    unfinished: number;
    numbers: number;
    highest: number;
  }>(
    `SELECT model_id AS "modelId", count(*) AS cycles, count(DISTINCT cycle_number) AS numbers, max(cycle_number)::bigint AS highest,
            count(*) FILTER (WHERE step <> 'done' AND slot_ms < (SELECT max(slot_ms) FROM decision_cycles l WHERE l.model_id = d.model_id)) AS unfinished
     FROM every_cycle d GROUP BY model_id ORDER BY model_id`,
  );
  return {
    family: 'cycles',
    compared: rows.reduce((sum, row) => sum + row.cycles, 0),
    differences: rows.flatMap((row) => [
      ...(row.unfinished > 0 ? [`${row.modelId}: ${row.unfinished} cycles never finished`] : []),
      ...(row.numbers !== row.cycles || row.highest !== row.cycles
        ? [`${row.modelId}: ${row.cycles} cycles, but ${row.numbers} numbers up to ${row.highest}`]
        : []),
    ]),
  };
}

/** Every trade that stands is counted with its revision, and no other; or a note says that it is not yet. */
export async function countedTrades(db: Queryable): Promise<Check> {
  const rows = await db.query<{ compared: number; wrong: number; example: string | null }>(
    `SELECT count(*) AS compared, count(*) FILTER (WHERE wrong) AS wrong, min(id) FILTER (WHERE wrong) AS example FROM (
       SELECT coalesce(t.id, c.trade_id) AS id, t.revision IS DISTINCT FROM c.revision AS wrong
       FROM (SELECT id, revision FROM trades WHERE voided_at IS NULL) t FULL JOIN analytics_trades c ON c.trade_id = t.id
     ) both_sides WHERE NOT EXISTS (SELECT 1 FROM analytics_pending WHERE kind = 'trade' AND item = both_sides.id)`,
  );
  const { compared = 0, wrong = 0, example = null } = rows[0] ?? {};
  return {
    family: 'analytics: counted trades',
    compared,
    differences:
      wrong > 0 ? [`${wrong} trades are not counted as they are, for instance ${example}: nof0 recompute`] : [],
  };
}

/** Snapshots agree with themselves: equity and its percentage. What was imported says what its source said. */
export async function snapshots(db: Queryable): Promise<Check> {
  const rows = await db.query<{ modelId: string; total: number; wrong: number }>(
    `SELECT a.model_id AS "modelId", count(s.*) AS total,
            count(*) FILTER (WHERE abs(s.cum_pnl_pct - (s.equity_usd / a.initial_equity_usd - 1) * 100) > 1e-6) AS wrong
     FROM accounts a LEFT JOIN account_equity_snapshots s ON s.model_id = a.model_id
       AND (NOT EXISTS (SELECT 1 FROM imports WHERE model_id = a.model_id) OR EXISTS (SELECT 1 FROM fills WHERE model_id = a.model_id AND ts_ms <= s.ts_ms))
     GROUP BY a.model_id ORDER BY a.model_id`,
  );
  return {
    family: 'snapshots',
    compared: rows.reduce((sum, row) => sum + row.total, 0),
    differences: rows
      .filter((row) => row.wrong > 0)
      .map((row) => `${row.modelId}: ${row.wrong} snapshots whose percentage does not follow from their equity`),
  };
}

/** A row by its id, and the figures of it that are compared. */
export type Figures = { readonly id: string; readonly figures: readonly (number | string | null)[] };

export async function positionRows(db: Queryable, modelId: string): Promise<Figures[]> {
  const rows = await db.query<{
    id: string;
    status: string;
    quantity: number;
    entryPrice: number;
    closedPnl: number;
    commission: number;
    exitPrice: number | null;
  }>(
    `SELECT id, status, quantity, entry_price AS "entryPrice", closed_pnl AS "closedPnl", commission, exit_price AS "exitPrice" FROM positions WHERE model_id = $1`,
    [modelId],
  );
  return rows.map((row) => ({
    id: row.id,
    figures: [row.status, row.quantity, row.entryPrice, row.closedPnl, row.commission, row.exitPrice],
  }));
}

export async function tradeRows(db: Queryable, modelId: string): Promise<(Figures & { imported: boolean })[]> {
  const rows = await db.query<{
    id: string;
    imported: boolean;
    quantity: number;
    entryPrice: number;
    exitPrice: number;
    gross: number;
    net: number;
    fees: number;
  }>(
    `SELECT id, exit_reason = 'import' AS imported, quantity, entry_price AS "entryPrice", exit_price AS "exitPrice", realized_gross_pnl AS gross, realized_net_pnl AS net,
            total_commission_dollars AS fees FROM trades WHERE model_id = $1 AND voided_at IS NULL`,
    [modelId],
  );
  return rows.map((row) => ({
    id: row.id,
    imported: row.imported,
    figures: [row.quantity, row.entryPrice, row.exitPrice, row.gross, row.net, row.fees],
  }));
}

/**
 * What holds in every trade that the ledger writes: net = entry + exit profit, entry profit = −entry fee, exit profit = gross − exit
 * fee, the fees add up, gross = quantity × (exit − entry). Imported trades keep the figures of their source, whose net has another rule.
 */
export async function tradeIdentities(db: Queryable): Promise<Check> {
  const rows = await db.query<{ id: string; compared: number; wrong: boolean }>(
    `SELECT id, count(*) OVER () AS compared, wrong FROM (
       SELECT id, NOT (abs(realized_net_pnl - (entry_closed_pnl + exit_closed_pnl)) <= cent AND abs(entry_closed_pnl + entry_commission_dollars) <= cent
         AND abs(exit_closed_pnl - (realized_gross_pnl - exit_commission_dollars)) <= cent
         AND abs(total_commission_dollars - (entry_commission_dollars + exit_commission_dollars)) <= cent
         AND abs(realized_gross_pnl - quantity * (exit_price - entry_price)) <= cent) AS wrong
       FROM (SELECT *, 1e-9 * greatest(1, abs(quantity) * (entry_price + exit_price)) AS cent FROM trades WHERE voided_at IS NULL AND exit_reason <> 'import') t
     ) judged ORDER BY wrong DESC, id LIMIT 100`,
  );
  const wrong = rows.filter((row) => row.wrong);
  return {
    family: 'ledger: trade identities',
    compared: rows[0]?.compared ?? 0,
    differences: wrong.map(({ id }) => `trade ${id}: its profits and fees do not add up`),
  };
}

/** An account's sums and the rows they add up: to the last digit, for they are exact decimals. */
export async function accountSums(db: Queryable): Promise<Check> {
  const rows = await db.query<{ modelId: string; name: string; kept: string; added: string; same: boolean }>(
    `SELECT a.model_id AS "modelId", s.name, s.kept, s.added, s.kept = s.added AS same FROM accounts a
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(fee_usd::numeric) FILTER (WHERE kind <> 'opening'), 0) AS fees, coalesce(sum(closed_pnl::numeric) FILTER (WHERE kind = 'funding'), 0) AS funding,
              coalesce(sum(closed_pnl::numeric) FILTER (WHERE kind = 'transfer'), 0) AS transfers,
              coalesce(sum((price * size)::numeric) FILTER (WHERE kind = 'trade'), 0) AS turnover
       FROM fills WHERE model_id = a.model_id
     ) f CROSS JOIN LATERAL (
       SELECT coalesce(sum(realized_gross_pnl::numeric), 0) AS gross FROM trades WHERE model_id = a.model_id AND voided_at IS NULL AND exit_reason <> 'import'
     ) t CROSS JOIN LATERAL (
       VALUES ('realised', a.realized_usd, t.gross), ('fees', a.fees_usd, f.fees), ('funding', a.funding_usd, f.funding),
              ('transfers', a.transfers_usd, f.transfers), ('turnover', a.turnover_usd, f.turnover)
     ) s(name, kept, added)
     WHERE NOT EXISTS (SELECT 1 FROM models m WHERE m.id = a.model_id AND m.exchange_provider = 'import')
     ORDER BY a.model_id, s.name`,
  );
  return {
    family: 'ledger: sums of accounts',
    compared: rows.length,
    differences: rows
      .filter((row) => !row.same)
      .map(
        ({ modelId, name, kept, added }) =>
          `${modelId} ${name}: the account says ${Number(kept)}, its rows add up to ${Number(added)}`,
      ),
  };
}

/** Id and revision of every trade that was ever published, standing or voided, but for those on their way to the stream. */
export function tradeRevisions(db: Queryable): Promise<{ id: string; revision: number }[]> {
  return db.query(
    `SELECT id, revision FROM trades t WHERE exit_reason <> 'import'
     AND NOT EXISTS (SELECT 1 FROM effects WHERE kind = 'stream' AND target = t.model_id AND payload->>'id' = t.id)`,
  );
}

/** Counts of a run for its closing lines. */
export async function runCounts(db: Queryable): Promise<{
  candles: number;
  ticks: number;
  slots: number;
  cycles: number;
  models: number;
  fills: number;
  trades: number;
  snapshots: number;
}> {
  const rows = await db.query<{
    candles: number;
    ticks: number;
    slots: number;
    cycles: number;
    models: number;
    fills: number;
    trades: number;
    snapshots: number;
  }>(
    `SELECT (SELECT count(*) FROM price_candles) AS candles, (SELECT count(*) FROM price_ticks) AS ticks, (SELECT count(DISTINCT slot_ms) FROM decision_cycles) AS slots,
            (SELECT count(*) FROM decision_cycles WHERE step = 'done') AS cycles, (SELECT count(*) FROM models) AS models, (SELECT count(*) FROM fills) AS fills,
            (SELECT count(*) FROM trades WHERE voided_at IS NULL) AS trades, (SELECT count(*) FROM account_equity_snapshots) AS snapshots`,
  );
  const [counts] = rows;
  if (counts === undefined) throw new Error('counting returned no row');
  return counts;
}
