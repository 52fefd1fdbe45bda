/** Rows of the outbox: what must still happen after a commit. */

import type { Queryable } from './database.ts';
import { onePlan } from './one-plan.ts';
import { RELAXED } from './relaxed.ts';

/** Refresh a key of the cache role. */
export type ProjectEffect = { readonly kind: 'project'; readonly target: string };
/** Run a job. The target is the job's identity; the row lives until the job has finished. */
export type EnqueueEffect = {
  readonly kind: 'enqueue';
  readonly target: string;
  readonly payload: {
    readonly job: string;
    readonly data: object;
    /** A job of this identity may have ended before and must not stand in the way. */
    readonly again?: boolean;
    /** The start is spread; the slot is not. */
    readonly delayMs?: number;
    /** The clock of a replay does not wait for it. */
    readonly aside?: boolean;
  };
};
/** Append to the trade stream. */
export type StreamEffect = {
  readonly kind: 'stream';
  readonly target: string;
  readonly version: number;
  readonly ordinal: number;
  readonly payload: object;
};

/** Write the journal file of a finished cycle. */
export type JournalEffect = { readonly kind: 'journal'; readonly target: string };

/** Send a message about something that is wrong through a channel. */
export type AlertEffect = { readonly kind: 'alert'; readonly target: string; readonly payload: object };

export type NewEffect = ProjectEffect | EnqueueEffect | StreamEffect | JournalEffect | AlertEffect;

export type EffectRow = {
  readonly id: number;
  readonly kind: NewEffect['kind'];
  readonly target: string;
  readonly payload: Record<string, unknown>;
  readonly attempts: number;
  readonly createdAt: Date;
};

const COLUMNS = 'id, kind, target, payload, attempts, created_at AS "createdAt"';

/**
 * How long the process that wrote the effects may take before the relay takes over. Long enough for a slow Redis, short
 * enough that a dead process is not noticed by people.
 */
export const EFFECT_LEASE_MS = 5000;

/**
 * Inserts effects, as a statement or a part of a WITH, and returns their rows. They are born leased: whoever commits them drains them right
 * after.
 *
 * @param rows what follows FROM: each of its rows has one as `effect`, JSONB
 * @param order in which they get their ids, as SQL
 * @param leaseMs as SQL
 */
export function insertEffects(rows: string, order: string, leaseMs: string): string {
  return `INSERT INTO effects (kind, target, payload, version, ordinal, lease_until)
    SELECT effect->>'kind', effect->>'target', coalesce(effect->'payload', '{}'::jsonb), coalesce((effect->>'version')::bigint, 0),
      coalesce((effect->>'ordinal')::int, 0), clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    FROM ${rows} ORDER BY ${order}
    RETURNING ${COLUMNS}`;
}

/** The effects in a JSONB list, as rows with their place. */
export function effectsIn(list: string): string {
  return `jsonb_array_elements(${list}) WITH ORDINALITY AS listed(effect, place)`;
}

/** Those of a parameter, as rows of `insertEffects`. */
export function insertListed(parameter: `$${number}`, leaseMs: `$${number}`): string {
  return insertEffects(effectsIn(`${parameter}::jsonb`), 'place', `${leaseMs}::int`);
}

/** Adds effects in the caller's transaction; the caller drains them right after its commit. */
export async function addEffects(
  tx: Queryable,
  effects: readonly NewEffect[],
  leaseMs = EFFECT_LEASE_MS,
): Promise<EffectRow[]> {
  if (effects.length === 0) return [];
  const rows = await tx.query<Omit<EffectRow, 'payload'>>(
    // In the order given; a payload may be long, and the caller has it.
    `WITH added AS (${insertListed('$1', '$2')}) SELECT id, kind, target, attempts, "createdAt" FROM added ORDER BY id`,
    [JSON.stringify(effects), leaseMs],
  );
  return rows.map((row, index) => {
    const effect = effects[index];
    return { ...row, payload: effect !== undefined && 'payload' in effect ? { ...effect.payload } : {} };
  });
}

/**
 * Takes rows nobody holds: their process died, or their try failed. Only rows a little old, so that the relay does not run into
 * the inline drain of a healthy process.
 */
export function claimAbandoned(db: Queryable, limit: number, leaseMs: number): Promise<EffectRow[]> {
  return db.query<EffectRow>(
    `UPDATE effects SET lease_until = clock_timestamp() + $2 * interval '1 millisecond', attempts = attempts + 1
     WHERE id IN (
       SELECT id FROM effects
       WHERE (lease_until IS NULL OR lease_until < clock_timestamp()) AND created_at < clock_timestamp() - interval '2 seconds'
       ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
     )
     RETURNING ${COLUMNS}`,
    [limit, leaseMs],
  );
}

/** Leaves rows in the outbox that were applied: the relay applies them once more after the delay. */
export async function keepEffects(db: Queryable, ids: readonly number[], delayMs: number): Promise<void> {
  if (ids.length === 0) return;
  await db.query(
    `UPDATE effects SET lease_until = clock_timestamp() + $2 * interval '1 millisecond', last_error = NULL WHERE id = ANY($1::bigint[])`,
    [ids, delayMs],
  );
}

/** Gives rows back (the try failed): the relay tries again after the delay. */
export async function releaseEffects(
  db: Queryable,
  ids: readonly number[],
  error: string,
  delayMs: number,
): Promise<void> {
  if (ids.length === 0) return;
  await db.query(
    `UPDATE effects SET lease_until = clock_timestamp() + $3 * interval '1 millisecond', last_error = $2 WHERE id = ANY($1::bigint[])`,
    [ids, error.slice(0, 500), delayMs],
  );
}

/** All rows of the targets, in the order of their account's versions: what must happen in order is drained a target at a time. */
export function rowsOfTargets(
  db: Queryable,
  kind: EffectRow['kind'],
  targets: readonly string[],
): Promise<EffectRow[]> {
  return db.query<EffectRow>(
    `SELECT ${COLUMNS} FROM effects WHERE kind = $1 AND target = ANY($2::text[]) ORDER BY target, version, ordinal, id`,
    [kind, targets],
  );
}

/**
 * The promises of a job that are visible now: what a run that begins now will have covered when it finishes. Ids are drawn before
 * transactions commit, so "up to the newest" would take in one that is only just being made; the ids themselves do not.
 */
export async function promisesOf(db: Queryable, target: string): Promise<number[]> {
  return (await promisesOfAll(db, [target]))[0] ?? [];
}

/** The same for many jobs, in their order. */
export async function promisesOfAll(db: Queryable, targets: readonly string[]): Promise<number[][]> {
  const rows = await db.query<{ id: number; target: string }>(
    `SELECT id, target FROM effects WHERE kind = 'enqueue' AND target = ANY(${onePlan('$1::text[]')})`,
    [[...new Set(targets)]],
  );
  return targets.map((target) => rows.filter((row) => row.target === target).map((row) => row.id));
}

/** What is done with: these rows of a target, or (null) every promise of it, where the target is one piece of work. */
export type Covered = { readonly target: string; readonly ids: readonly number[] | null };

const IDS = onePlan('$1::bigint[]');
/**
 * Rows of applied effects, and promises of finished jobs: `$1` to `$3` are `ofCovered`. An id alone names no row: what was lost with a
 * crash of the database gave its ids back, and they may be those of other rows by now.
 */
export const COVERED = `((id = ANY(${IDS}) AND target = (${onePlan('$2::text[]')})[array_position(${IDS}, id)])
  OR (kind = 'enqueue' AND target = ANY(${onePlan('$3::text[]')})))`;
/**
 * The beginning of a statement that deletes them. The deletion need not reach the disk before it is acknowledged: a row that comes back
 * after a crash is applied once more, and every effect bears that.
 */
export const SETTLE = `WITH ${RELAXED},
  settled AS (DELETE FROM effects USING relaxed WHERE ${COVERED})`;

/** Effects were applied, jobs finished: everything they covered is deleted, and exactly that. */
export async function settleEffects(db: Queryable, covered: readonly Covered[]): Promise<void> {
  await db.query(`${SETTLE} SELECT`, ofCovered(covered));
}

/** The first three parameters of a statement with `COVERED`. */
export function ofCovered(covered: readonly Covered[]): [ids: number[], targetsOfIds: string[], whole: string[]] {
  const rows = covered.flatMap(({ target, ids }) => (ids ?? []).map((id) => ({ id, target })));
  return [
    rows.map(({ id }) => id),
    rows.map(({ target }) => target),
    covered.filter(({ ids }) => ids === null).map(({ target }) => target),
  ];
}

/** Condition of the promises that hold the clock of a replay. */
export const HOLDS_CLOCK = `kind = 'enqueue' AND payload->'aside' IS NULL`;

/** Whether any job of the outbox has not finished yet. */
export function hasUnfinishedJobs(db: Queryable): Promise<boolean> {
  return anyEffect(db, `kind = 'enqueue'`);
}

/** The same of the jobs that a replay's clock waits for. */
export function clockIsHeld(db: Queryable): Promise<boolean> {
  return anyEffect(db, HOLDS_CLOCK);
}

async function anyEffect(db: Queryable, condition: string): Promise<boolean> {
  const rows = await db.query<{ any: boolean }>(`SELECT EXISTS (SELECT 1 FROM effects WHERE ${condition}) AS any`);
  return rows[0]?.any ?? false;
}

/** Rows in the outbox by kind, with the age of the oldest in ms. */
export function pendingEffects(db: Queryable): Promise<{ kind: string; count: number; oldestMs: number }[]> {
  return db.query(
    `SELECT kind, count(*) AS count, (extract(epoch FROM clock_timestamp() - min(created_at)) * 1000)::bigint AS "oldestMs" FROM effects GROUP BY kind`,
  );
}

export type StuckEffect = {
  readonly id: number;
  readonly kind: string;
  readonly target: string;
  readonly attempts: number;
  readonly lastError: string;
  readonly createdAt: Date;
};

/** Effects whose last try failed, oldest first. */
export function stuckEffects(db: Queryable, limit: number): Promise<StuckEffect[]> {
  return db.query(
    `SELECT id, kind, target, attempts, last_error AS "lastError", created_at AS "createdAt" FROM effects WHERE last_error IS NOT NULL ORDER BY id LIMIT $1`,
    [limit],
  );
}

/** Keys that somebody still has to refresh. */
export async function promisedRefreshes(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ target: string }>(`SELECT DISTINCT target FROM effects WHERE kind = 'project'`);
  return rows.map(({ target }) => target);
}
