/** The end of decision cycles: what was decided, what becomes of the trader, and what must follow. */

import type { DecisionContext } from '../domain/decision.ts';
import type { Queryable } from './database.ts';
import { type CyclePatch, type Message, PATCH_COLUMNS, PATCH_SQL } from './decisions.ts';
import { EFFECT_LEASE_MS, type EffectRow, effectsIn, insertEffects, type NewEffect } from './effects.ts';
import { toJsonb } from './jsonb.ts';
import type { Lease } from './leases.ts';

export type CycleEnd = {
  readonly lease: Lease;
  readonly slotMs: number;
  readonly patch: CyclePatch;
  readonly decidedAtMs: number;
  readonly messages: readonly Message[];
  /** For the positions that these entries opened or added to: one that somebody else has opened since is not theirs. */
  readonly attached: readonly {
    readonly symbol: string;
    readonly entryOid: number | null;
    readonly slOid: number | null;
    readonly tpOid: number | null;
  }[];
  readonly effects: readonly NewEffect[];
  /** What the next cycle shall remember; null: what it would remember anyway. */
  readonly history: Pick<DecisionContext['history'], 'pause' | 'cooldowns'> | null;
};

/** Whoever else holds a trader does so for one statement or a short transaction, so it is waited for; in order, so that nobody waits in a circle. */
const FINISH = `WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS g("modelId" text, epoch bigint, "slotMs" bigint, "decidedAtMs" bigint, patch jsonb, memory jsonb,
      messages jsonb, attached jsonb, effects jsonb)
  ),
  held AS (
    SELECT t.trader_id FROM trader_state t JOIN given g ON g."modelId" = t.trader_id AND g.epoch = t.lease_epoch ORDER BY t.trader_id FOR NO KEY UPDATE OF t
  ),
  trader AS (
    UPDATE trader_state t SET lease_until = NULL, last_decision_at = to_timestamp(g."decidedAtMs" / 1000.0), updated_at = now(),
      metadata = t.metadata || coalesce(g.memory, '{}')
    FROM held JOIN given g ON g."modelId" = held.trader_id WHERE t.trader_id = held.trader_id AND t.lease_epoch = g.epoch
    RETURNING g."modelId", g.epoch
  ),
  record AS (
    UPDATE decision_cycles d SET ${PATCH_SQL}, executed_at = to_timestamp(g."decidedAtMs" / 1000.0)
    FROM trader JOIN given g USING ("modelId", epoch) CROSS JOIN LATERAL jsonb_to_record(g.patch) AS ${PATCH_COLUMNS}
    WHERE d.model_id = g."modelId" AND d.slot_ms = g."slotMs" AND d.lease_epoch = g.epoch AND d.step <> 'done'
    RETURNING d.id, g.*
  ),
  talk AS (
    INSERT INTO conversations (model_id, decision_cycle_id, started_at) SELECT "modelId", id, to_timestamp("decidedAtMs" / 1000.0) FROM record
    RETURNING id, decision_cycle_id
  ),
  messages AS (
    INSERT INTO conversation_messages (conversation_id, role, content, ts_ms, tokens, metadata)
    SELECT talk.id, m.role, m.content, r."decidedAtMs", m.tokens, coalesce(m.metadata, '{}') FROM talk JOIN record r ON r.id = talk.decision_cycle_id
    CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(r.messages) AS (role text, content text, tokens int, metadata jsonb)) WITH ORDINALITY AS m(role, content, tokens, metadata, place)
    ORDER BY talk.id, m.place
  ),
  attached AS (
    UPDATE positions p SET sl_oid = coalesce(a."slOid", p.sl_oid), tp_oid = coalesce(a."tpOid", p.tp_oid), updated_at = now()
    FROM record r CROSS JOIN LATERAL jsonb_to_recordset(r.attached) AS a(symbol text, "entryOid" bigint, "slOid" bigint, "tpOid" bigint)
    WHERE p.model_id = r."modelId" AND p.symbol = a.symbol AND p.status = 'open' AND (p.entry_oid = a."entryOid" OR p.entry_ts_ms < r."slotMs")
  ),
  promised AS (${insertEffects(`record, ${effectsIn('record.effects')}`, '"modelId", place', '$2::int')})
  SELECT f.finished, e.* FROM (SELECT coalesce(array_agg(epoch || ' ' || "modelId"), '{}') AS finished FROM record) f LEFT JOIN promised e ON TRUE`;

/**
 * The last step of cycles of different models: their records, the states of their traders, the conversations, stop and target orders on the
 * positions, and the effects, in one statement. The leases end with it. Of a cycle whose lease had passed to somebody else nothing is written;
 * `finished` holds the leases of the others.
 */
export async function finishCycles(
  db: Queryable,
  ends: readonly CycleEnd[],
): Promise<{ readonly finished: ReadonlySet<Lease>; readonly effects: EffectRow[] }> {
  const given = ends.map(({ lease, history, ...end }) => ({ ...lease, ...end, memory: memoryOf(history) }));
  const rows = await db.query<EffectRow & { finished: string[] }>(FINISH, [toJsonb(given), EFFECT_LEASE_MS]);
  const names = new Set(rows[0]?.finished ?? []);
  const leases = ends.map(({ lease }) => lease).filter(({ modelId, epoch }) => names.has(`${epoch} ${modelId}`));
  return { finished: new Set(leases), effects: rows.filter((row) => row.id !== null) };
}

function memoryOf(history: CycleEnd['history']): object | null {
  if (history === null) return null;
  const cooldowns = history.cooldowns.map(({ symbol, untilMs }) => [symbol, untilMs]);
  return { entryPause: history.pause, cooldowns: Object.fromEntries(cooldowns) };
}
