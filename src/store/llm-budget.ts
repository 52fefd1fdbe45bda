/**
 * The durable budget of a model and market day: reserved before a call, settled after it. What is reserved and never settled, because a
 * process died over the call, stays spent.
 */

import type { Usage } from '../domain/decision.ts';
import type { Queryable } from './database.ts';
import type { Lease } from './leases.ts';
import type { Check } from './verify.ts';

/** Null: unlimited. */
export type BudgetLimit = { readonly tokens: number | null; readonly usd: number | null };

/**
 * Reserves budget before a model is asked, unless it would pass the limits. True when it is reserved. The check and the reservation
 * are one statement on one row, so concurrent reservations cannot pass the limit together.
 */
export async function reserveBudget(
  db: Queryable,
  modelId: string,
  day: string,
  want: Usage,
  limit: BudgetLimit,
): Promise<boolean> {
  await db.query('INSERT INTO llm_usage (model_id, day) VALUES ($1, $2::date) ON CONFLICT DO NOTHING', [modelId, day]);
  const rows = await db.query(
    `UPDATE llm_usage SET requests = requests + 1, reserved_tokens = reserved_tokens + $3, reserved_usd = reserved_usd + $4
     WHERE model_id = $1 AND day = $2::date
       AND ($5::bigint IS NULL OR used_tokens + reserved_tokens + $3 <= $5) AND ($6::float8 IS NULL OR cost_usd + reserved_usd + $4 <= $6)
     RETURNING 1`,
    [modelId, day, want.tokens, want.usd, limit.tokens, limit.usd],
  );
  return rows.length > 0;
}

/** Turns a reservation into what was really used. */
export async function settleBudget(
  db: Queryable,
  modelId: string,
  day: string,
  reserved: Usage,
  used: Usage,
): Promise<void> {
  // Sums of fractions leave crumbs behind; a reservation below nothing would be credit.
  await db.query(
    `UPDATE llm_usage SET reserved_tokens = greatest(0, reserved_tokens - $3), reserved_usd = greatest(0, reserved_usd - $4),
       used_tokens = used_tokens + $5, cost_usd = cost_usd + $6
     WHERE model_id = $1 AND day = $2::date`,
    [modelId, day, reserved.tokens, reserved.usd, used.tokens, used.usd],
  );
}

/** What the calls of a cycle have used so far. */
export type CycleSpending = {
  /** Calls reserved, with the one that is about to be made. */
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costUsd: number;
};

/** Counts a call of the cycle, under its lease. Nothing when the lease is lost: the step that follows says so. */
export async function countCall(tx: Queryable, lease: Lease, slotMs: number): Promise<CycleSpending> {
  const [row] = await tx.query<CycleSpending>(
    `UPDATE decision_cycles SET llm_calls = llm_calls + 1 WHERE model_id = $1 AND slot_ms = $2 AND lease_epoch = $3
     RETURNING llm_calls AS calls, coalesce(prompt_tokens, 0) AS "promptTokens", coalesce(completion_tokens, 0) AS "completionTokens",
       coalesce(cost_usd, 0) AS "costUsd"`,
    [lease.modelId, slotMs, lease.epoch],
  );
  return row ?? { calls: 1, promptTokens: 0, completionTokens: 0, costUsd: 0 };
}

/** What every model has used and reserved on a market day. */
export type DayUsage = {
  readonly modelId: string;
  readonly requests: number;
  readonly usedTokens: number;
  readonly reservedTokens: number;
  readonly costUsd: number;
  readonly reservedUsd: number;
};

export function usageOfDay(db: Queryable, day: string): Promise<DayUsage[]> {
  return db.query<DayUsage>(
    `SELECT model_id AS "modelId", requests, used_tokens AS "usedTokens", reserved_tokens AS "reservedTokens", cost_usd AS "costUsd", reserved_usd AS "reservedUsd"
     FROM llm_usage WHERE day = $1::date ORDER BY model_id`,
    [day],
  );
}

/**
 * What the cycles of a day have called, reserved and cost is what the budget of the day says. Days of which cycles have been archived are
 * left out.
 */
export async function budgetCheck(db: Queryable): Promise<Check> {
  const rows = await db.query<{ what: string; budget: number[]; cycles: number[] }>(
    `SELECT u.model_id || ' on ' || u.day AS what, ARRAY[u.requests, u.reserved_tokens, u.reserved_usd, u.cost_usd]::float8[] AS budget,
            ARRAY[c.calls, c.tokens, c.usd, c.cost]::float8[] AS cycles
     FROM llm_usage u CROSS JOIN LATERAL (SELECT (extract(epoch FROM u.day::timestamp) * 1000)::bigint AS from_ms) day
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(llm_calls), 0) AS calls, coalesce(sum(reserved_tokens), 0) AS tokens, coalesce(sum(reserved_usd), 0) AS usd, coalesce(sum(cost_usd), 0) AS cost
       FROM decision_cycles WHERE model_id = u.model_id AND slot_ms >= day.from_ms AND slot_ms < day.from_ms + 86400000
     ) c
     WHERE EXISTS (SELECT 1 FROM decision_cycles WHERE model_id = u.model_id AND (cycle_number = 1 OR slot_ms < day.from_ms))
     ORDER BY 1`,
  );
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a));
  const differing = rows.filter(({ budget, cycles }) => !budget.every((figure, i) => near(figure, cycles[i] ?? 0)));
  return {
    family: 'llm_usage',
    compared: rows.length,
    differences: differing.map(
      ({ what, budget, cycles }) =>
        `${what}: the budget has calls, reserved tokens, reserved USD, cost of ${budget.join(', ')}, its cycles ${cycles.join(', ')}`,
    ),
  };
}
