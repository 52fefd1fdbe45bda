/** The state of each trader: what it may do, why, and what breakers remember. Every change leaves an audit row. */

import type { EquityWatch } from '../domain/breakers.ts';
import { refresh } from '../domain/published-keys.ts';
import { isHeld, type TraderStanding } from '../domain/trader-state.ts';
import type { Database, Queryable } from './database.ts';
import { EFFECT_LEASE_MS, type EffectRow, insertEffects } from './effects.ts';
import { toJsonb } from './jsonb.ts';

export type TraderRow = TraderStanding & {
  readonly traderId: string;
  readonly lastDecisionAtMs: number | null;
};

const millis = (column: string) => `(extract(epoch FROM ${column}) * 1000)::bigint`;
export const TRADER_COLUMNS = `trader_id AS "traderId", state, ${millis('last_decision_at')} AS "lastDecisionAtMs", ${millis('pause_until')} AS "pauseUntilMs",
  coalesce(metadata->>'pausedFrom', CASE WHEN state = 'shadow' THEN 'shadow' ELSE 'running' END) AS "resumesAs", metadata->>'reason' AS reason,
  (metadata->>'heldSinceMs')::bigint AS "heldSinceMs"`;

export function traderStates(db: Queryable, ids: readonly string[]): Promise<TraderRow[]> {
  return db.query<TraderRow>(`SELECT ${TRADER_COLUMNS} FROM trader_state WHERE trader_id = ANY($1)`, [ids]);
}

/** Who changes states, and in which word the audit log says so. */
export type ChangeNote = {
  readonly who: string;
  readonly what: string;
  /** Whether a trader that a breaker has stopped is measured anew: or the loss that stopped it would stop it again. */
  readonly rearm?: boolean;
};

export type TraderChange = { readonly id: string; readonly before: TraderStanding; readonly after: TraderStanding };

/**
 * Applies a rule to traders, each under its row lock: nobody else changes one in between. Traders whose standing stays the same
 * object are left alone. The states, an audit row and an effect for each change are one commit. The effects have to be drained.
 */
export function changeTraders(
  db: Database,
  ids: readonly string[],
  rule: (before: TraderRow) => TraderStanding,
  note: ChangeNote,
): Promise<{ changes: TraderChange[]; effects: EffectRow[] }> {
  return db.transaction((tx) => changeWithin(tx, ids, rule, note));
}

/** The same as part of a commit of the caller's. */
export async function changeWithin(
  tx: Queryable,
  ids: readonly string[],
  rule: (before: TraderRow) => TraderStanding,
  note: ChangeNote,
): Promise<{ changes: TraderChange[]; effects: EffectRow[] }> {
  const rows = await tx.query<TraderRow>(
    `SELECT ${TRADER_COLUMNS} FROM trader_state WHERE trader_id = ANY($1) ORDER BY trader_id FOR UPDATE`,
    [ids],
  );
  const changes = rows.flatMap((before) => {
    const after = rule(before);
    return after === before ? [] : [{ id: before.traderId, before, after }];
  });
  return { changes, effects: await writeChanges(tx, changes, note) };
}

/** Writes changes of rows that the caller has locked. */
export async function writeChanges(
  tx: Queryable,
  changes: readonly TraderChange[],
  note: ChangeNote,
): Promise<EffectRow[]> {
  if (changes.length === 0) return [];
  const rows = changes.map(({ id, before, after }) => ({
    id,
    ...after,
    rearmed: note.rearm === true && before.heldSinceMs !== null && !isHeld(after.state),
    before: said(before),
    after: said(after),
    key: refresh('traderState', id).target,
  }));
  return tx.query<EffectRow>(
    `WITH wanted AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS w(id text, state text, "resumesAs" text, "pauseUntilMs" bigint, reason text, "heldSinceMs" bigint,
         rearmed boolean, before jsonb, after jsonb, key text)
     ), changed AS (
       UPDATE trader_state t SET state = w.state, pause_until = to_timestamp(w."pauseUntilMs" / 1000.0), updated_at = now(),
         metadata = (CASE WHEN w.rearmed THEN t.metadata - 'breakers' ELSE t.metadata END - ARRAY['pausedFrom', 'reason', 'heldSinceMs'])
           || CASE WHEN w.state IN ('running', 'shadow') THEN '{}'::jsonb
              ELSE jsonb_strip_nulls(jsonb_build_object('pausedFrom', w."resumesAs", 'reason', w.reason, 'heldSinceMs', w."heldSinceMs")) END
       FROM wanted w WHERE t.trader_id = w.id
     ), logged AS (
       INSERT INTO audit_log (who, what, target, before, after) SELECT $2, $3, 'model:' || id, before, after FROM wanted
     )
     ${insertEffects(`(SELECT id, jsonb_build_object('kind', 'project', 'target', key) AS effect FROM wanted) promised`, 'id', '$4::int')}`,
    [JSON.stringify(rows), note.who, note.what, EFFECT_LEASE_MS],
  );
}

/** A standing in the words of the audit log: what is as usual is left out. */
function said({ state, resumesAs, pauseUntilMs, reason, heldSinceMs }: TraderStanding): object {
  return {
    state,
    ...(isHeld(state) && resumesAs === 'shadow' ? { resumesAs } : {}),
    ...(pauseUntilMs === null ? {} : { pauseUntil: new Date(pauseUntilMs).toISOString() }),
    ...(heldSinceMs === null ? {} : { reason }),
  };
}

/** Locks a trader and reads what its breakers remember. Null when there is no such trader. */
export async function lockWatch(
  tx: Queryable,
  id: string,
): Promise<{ trader: TraderRow; watch: EquityWatch | null } | null> {
  const [row] = await tx.query<TraderRow & { watch: EquityWatch | null }>(
    `SELECT ${TRADER_COLUMNS}, metadata->'breakers' AS watch FROM trader_state WHERE trader_id = $1 FOR UPDATE`,
    [id],
  );
  return row === undefined ? null : { trader: row, watch: row.watch };
}

/** Stores what the breakers remember of a trader that the caller has locked. */
export async function saveWatch(tx: Queryable, id: string, watch: EquityWatch): Promise<void> {
  await tx.query(
    `UPDATE trader_state SET metadata = metadata || jsonb_build_object('breakers', $2::jsonb) WHERE trader_id = $1`,
    [id, toJsonb(watch)],
  );
}
