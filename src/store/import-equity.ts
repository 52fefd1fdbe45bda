/** Imported equity: account totals, the leaderboard's equity, and where models began. */

import type { Queryable } from './database.ts';
import { type Merged, mergedOf } from './import-staging.ts';

const TRADES_HERE = 'from after the model began to trade here';

type Counted = { readonly modelId: string; readonly added: number; readonly changed: number };

const COUNT = `SELECT model_id AS "modelId", count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed
     FROM written GROUP BY model_id ORDER BY model_id`;

/** Snapshots of the staged moments. From its first fill on a model's equity is recorded here and not imported. */
const OWN = `EXISTS (SELECT 1 FROM fills WHERE model_id = s.model_id AND ts_ms <= s.ts_ms)`;

async function keptBack(tx: Queryable): Promise<number> {
  const rows = await tx.query<{ count: number }>(
    `SELECT count(*) AS count FROM import_rows, json_populate_record(NULL::account_equity_snapshots, row) AS s WHERE ${OWN}`,
  );
  return rows[0]?.count ?? 0;
}

const SNAPSHOT_FIGURES = [
  'equity_usd',
  'realized_pnl',
  'unrealized_pnl',
  'cum_pnl_pct',
  'sharpe_ratio',
  'positions',
  'since_inception_hourly_marker',
  'since_inception_minute_marker',
];
const figures = (of: (name: string) => string): string => SNAPSHOT_FIGURES.map(of).join(', ');

/** Merges staged account totals. Markers and percentages that a file leaves out follow from the account. */
export async function mergeAccountTotals(tx: Queryable): Promise<Merged> {
  const kept = await keptBack(tx);
  const rows = await tx.query<Counted>(
    `WITH written AS (
       INSERT INTO account_equity_snapshots (model_id, ts_ms, ${figures((name) => name)})
       SELECT s.model_id, s.ts_ms, s.equity_usd, coalesce(s.realized_pnl, 0), coalesce(s.unrealized_pnl, 0),
              coalesce(s.cum_pnl_pct, (s.equity_usd / a.initial_equity_usd - 1) * 100), coalesce(s.sharpe_ratio, 0), coalesce(s.positions, '{}'),
              coalesce(s.since_inception_hourly_marker, greatest(0, (s.ts_ms - a.inception_ts_ms) / 3600000)),
              coalesce(s.since_inception_minute_marker, greatest(0, (s.ts_ms - a.inception_ts_ms) / 60000))
       FROM import_rows, json_populate_record(NULL::account_equity_snapshots, row) AS s JOIN accounts a ON a.model_id = s.model_id
       WHERE NOT ${OWN}
       ON CONFLICT (model_id, ts_ms) DO UPDATE SET ${figures((name) => `${name} = excluded.${name}`)}
       WHERE (${figures((name) => `account_equity_snapshots.${name}`)}) IS DISTINCT FROM (${figures((name) => `excluded.${name}`)})
       RETURNING model_id, xmax = 0 AS added
     ) ${COUNT}`,
  );
  return mergedOf(rows, { [TRADES_HERE]: kept });
}

/**
 * Makes snapshots of the staged leaderboard. It tells equity alone: realised is what the trades of that time add up to, and the rest of
 * the gain is open.
 */
export async function mergeLeaderboard(tx: Queryable): Promise<Merged> {
  const kept = await keptBack(tx);
  const rows = await tx.query<Counted>(
    `WITH written AS (
       INSERT INTO account_equity_snapshots AS known (model_id, ts_ms, equity_usd, realized_pnl, unrealized_pnl, cum_pnl_pct, sharpe_ratio,
         since_inception_hourly_marker, since_inception_minute_marker)
       SELECT s.model_id, s.ts_ms, s.equity_usd, t.net, s.equity_usd - a.initial_equity_usd - t.net, (s.equity_usd / a.initial_equity_usd - 1) * 100,
              coalesce(s.sharpe_ratio, 0), greatest(0, (s.ts_ms - a.inception_ts_ms) / 3600000), greatest(0, (s.ts_ms - a.inception_ts_ms) / 60000)
       FROM import_rows, json_populate_record(NULL::account_equity_snapshots, row) AS s JOIN accounts a ON a.model_id = s.model_id
       CROSS JOIN LATERAL (
         SELECT coalesce(sum(realized_net_pnl), 0) AS net FROM trades WHERE model_id = s.model_id AND voided_at IS NULL AND exit_ts_ms <= s.ts_ms
       ) t
       WHERE NOT ${OWN}
       ON CONFLICT (model_id, ts_ms) DO UPDATE SET equity_usd = excluded.equity_usd, sharpe_ratio = excluded.sharpe_ratio, cum_pnl_pct = excluded.cum_pnl_pct
       WHERE (known.equity_usd, known.sharpe_ratio) IS DISTINCT FROM (excluded.equity_usd, excluded.sharpe_ratio)
       RETURNING model_id, xmax = 0 AS added
     ) ${COUNT}`,
  );
  return mergedOf(rows, { [TRADES_HERE]: kept });
}

/** Corrects where imported models began, and with what. A model that takes part here keeps what the arena file says. */
export async function mergeInceptions(tx: Queryable, tsMs: number): Promise<Merged> {
  const rows = await tx.query<Counted>(
    `WITH listed AS (
       SELECT r.* FROM import_rows, json_to_record(row) AS r(model_id text, nav float8, inception bigint, payload jsonb)
     ), moved AS (
       UPDATE accounts a SET initial_equity_usd = l.nav, inception_ts_ms = l.inception, updated_at = now()
       FROM listed l JOIN models m ON m.id = l.model_id AND m.exchange_provider = 'import'
       WHERE a.model_id = l.model_id AND (a.initial_equity_usd, a.inception_ts_ms) IS DISTINCT FROM (l.nav, l.inception)
       RETURNING a.model_id
     ), remembered AS (
       INSERT INTO imports (model_id, kind, payload, ts_ms) SELECT model_id, 'since-inception', payload, $1::bigint FROM listed
       ON CONFLICT (model_id, kind) DO UPDATE SET payload = excluded.payload, ts_ms = excluded.ts_ms, updated_at = now()
       WHERE imports.payload IS DISTINCT FROM excluded.payload AND imports.ts_ms <= excluded.ts_ms
       RETURNING model_id, xmax = 0 AS added
     ), written AS (
       SELECT model_id, bool_or(added) AS added FROM (SELECT model_id, FALSE AS added FROM moved UNION ALL SELECT model_id, added FROM remembered) each
       GROUP BY model_id
     ) ${COUNT}`,
    [tsMs],
  );
  return mergedOf(rows);
}
