/** How large the tables are. */

import type { Queryable } from './database.ts';

export type TableSize = { readonly table: string; readonly bytes: number; readonly rows: number };

/**
 * Size on disk with indexes, and rows, of every table and materialized view; partitions count for their parent. Rows are Postgres' own
 * estimate: what its statistics have counted, or after a crash, which forgets them, what the last analyze found.
 */
export function tableSizes(db: Queryable): Promise<TableSize[]> {
  return db.query<TableSize>(
    `SELECT coalesce(parent.relname, c.relname)::text AS "table", sum(pg_total_relation_size(c.oid))::bigint AS bytes,
       sum(CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE greatest(c.reltuples, 0) END)::bigint AS rows
     FROM pg_class c
     LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     LEFT JOIN pg_class parent ON parent.oid = i.inhparent
     LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'm', 'p')
     GROUP BY 1 ORDER BY 1`,
  );
}
