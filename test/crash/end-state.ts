/** What a run has come to, in a form that two runs can be compared in: serial ids, wall times and counters of attempts are left out. */

import type pg from 'pg';
import { verify } from '../../src/cli/verify.ts';
import { recomputeModel } from '../../src/engine/recompute-analytics.ts';
import type { Resources } from '../../src/resources.ts';
import { modelIds } from '../../src/store/models.ts';

/** A row of Postgres or an entry of Redis as text. `model`: whose it is; null when it is everybody's. */
export type Fact = { readonly family: string; readonly model: string | null; readonly text: string };

export type Cycle = {
  readonly slotMs: number;
  readonly errorMessage: string | null;
  readonly decisions: string;
  readonly reservedTokens: number;
};

export type EndState = {
  readonly facts: readonly Fact[];
  /** Cycles of each model. */
  readonly cycles: ReadonlyMap<string, readonly Cycle[]>;
  readonly usage: { readonly requests: number; readonly reservedTokens: number };
  /** Leases and locks that are still held. */
  readonly held: readonly string[];
  /** What `nof0 verify` says is wrong. */
  readonly disagreements: readonly string[];
};

/** Tables with the column that says whose a row is, and the columns (or a field in one) that differ between two equal runs. */
const TABLES: readonly { table: string; owner?: string; without?: readonly string[] }[] = [
  { table: 'accounts', owner: 'model_id', without: ['created_at', 'updated_at', 'version'] },
  { table: 'fills', owner: 'model_id', without: ['created_at'] },
  { table: 'positions', owner: 'model_id', without: ['updated_at'] },
  { table: 'trades', owner: 'model_id', without: ['created_at', 'voided_at'] },
  // The positions in it name their stop orders or not yet, as the snapshot comes after or before the end of the cycle that opened them.
  { table: 'account_equity_snapshots', owner: 'model_id', without: ['id', 'run_id', 'positions', 'created_at'] },
  {
    table: 'decision_cycles',
    owner: 'model_id',
    without: ['id', 'lease_epoch', 'attempts', 'latency_ms', 'config_digest', 'created_at'],
  },
  { table: 'trader_state', owner: 'trader_id', without: ['updated_at', 'lease_epoch'] },
  { table: 'model_analytics', owner: 'model_id', without: ['updated_at', 'version', 'payload.last_convo_doc_id'] },
  { table: 'llm_usage', owner: 'model_id' },
  { table: 'price_ticks', without: ['id', 'ingested_at'] },
  { table: 'price_candles' },
  { table: 'price_latest', without: ['updated_at'] },
  { table: 'market_asset_ctx' },
  { table: 'funding_rates' },
  { table: 'ingest_cursors', without: ['updated_at'] },
  { table: 'market_frames', without: ['payload', 'created_at'] },
  { table: 'schedules', without: ['updated_at'] },
  { table: 'dead_letters', without: ['id', 'job_id', 'failed_at', 'attempts', 'stalls'] },
  { table: 'effects', without: ['id', 'lease_until', 'created_at'] },
  { table: 'paper_accounts', owner: 'account', without: ['updated_at'] },
  { table: 'paper_orders', owner: 'account' },
  { table: 'paper_fills', owner: 'account' },
  { table: 'paper_positions', owner: 'account' },
  { table: 'paper_cursor', without: ['updated_at'] },
  { table: 'paper_marks' },
  { table: 'desk_news', without: ['created_at'] },
  { table: 'desk_sentiment' },
  { table: 'desk_watchlists' },
  { table: 'desk_candidates' },
  { table: 'desk_signals' },
  { table: 'desk_monitoring' },
  { table: 'desk_performance' },
  { table: 'desk_contexts' },
];

const CONVERSATIONS = `SELECT c.model_id AS model, d.slot_ms || ': ' || coalesce(string_agg(m.role, ', ' ORDER BY m.id), 'nothing said') AS text
  FROM conversations c JOIN decision_cycles d ON d.id = c.decision_cycle_id LEFT JOIN conversation_messages m ON m.conversation_id = c.id GROUP BY c.id, d.slot_ms`;

export async function readEndState(db: pg.Pool, resources: Resources): Promise<EndState> {
  const facts: Fact[] = [];
  const analytics = await recounted(resources);
  for (const { table, owner, without = [] } of TABLES) {
    const row = without.reduce((text, column) => `${text} #- '{${column.replace('.', ',')}}'`, 'to_jsonb(t)');
    const { rows } = await db.query<{ model: string | null; text: string }>(
      `SELECT ${owner ?? 'NULL'}::text AS model, (${row})::text AS text FROM ${table} t`,
    );
    facts.push(...rows.map(({ model, text }) => ({ family: table, model, text })));
  }
  const conversations = await db.query<{ model: string; text: string }>(CONVERSATIONS);
  facts.push(...conversations.rows.map(({ model, text }) => ({ family: 'conversations', model, text })));
  facts.push(...(await streamEntries(resources)));
  return {
    facts,
    cycles: await cyclesOf(db),
    usage: await usageOf(db),
    held: await heldOf(db, resources),
    disagreements: [...analytics, ...(await verify(resources)).flatMap(({ differences }) => differences)],
  };
}

/**
 * Analytics count what has ended by the time they run, so the last ones of two runs may have seen one cycle more or less. Counted to the
 * end they must be equal, and what was counted on the way must be what the whole history says. Returns where it is not.
 */
async function recounted({ db, outbox, run }: Resources): Promise<string[]> {
  const differences: string[] = [];
  for (const id of await modelIds(db)) {
    const result = await recomputeModel(db, run.kind, id, run.endMs ?? 0);
    await outbox.drain(result?.effects ?? []);
    differences.push(...(result?.differences ?? []).map((difference) => `analytics of ${id}: ${difference}`));
  }
  await outbox.close();
  return differences;
}

/** The trade stream, each entry with its place among those of its model: that order is promised, the one between models is not. */
async function streamEntries({ queueRedis, keys }: Resources): Promise<Fact[]> {
  const entries = await queueRedis.xrange(keys.tradeStream(), '-', '+');
  const places = new Map<string, number>();
  return entries.map(([, pairs]) => {
    const fields: Record<string, string> = {};
    for (let i = 0; i + 1 < pairs.length; i += 2) fields[pairs[i] ?? ''] = pairs[i + 1] ?? '';
    const model = fields.model_id ?? '';
    const place = (places.get(model) ?? 0) + 1;
    places.set(model, place);
    return { family: 'trade stream', model, text: `${place}. ${JSON.stringify(fields)}` };
  });
}

async function cyclesOf(db: pg.Pool): Promise<Map<string, Cycle[]>> {
  const { rows } = await db.query<{
    model: string;
    slot: string;
    error: string | null;
    decisions: string;
    reserved: string;
  }>(
    `SELECT model_id AS model, slot_ms AS slot, error_message AS error, coalesce(decisions::text, '') AS decisions, reserved_tokens AS reserved
     FROM decision_cycles ORDER BY model_id, slot_ms`,
  );
  const cycles = new Map<string, Cycle[]>();
  for (const { model, slot, error, decisions, reserved } of rows) {
    const own = cycles.get(model) ?? [];
    cycles.set(model, own);
    own.push({ slotMs: Number(slot), errorMessage: error, decisions, reservedTokens: Number(reserved) });
  }
  return cycles;
}

async function usageOf(db: pg.Pool): Promise<EndState['usage']> {
  const { rows } = await db.query<{ requests: string; reserved: string }>(
    'SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(reserved_tokens), 0) AS reserved FROM llm_usage',
  );
  return { requests: Number(rows[0]?.requests), reservedTokens: Number(rows[0]?.reserved) };
}

async function heldOf(db: pg.Pool, { queueRedis, keys }: Resources): Promise<string[]> {
  const leases = await db.query<{ model: string }>(
    'SELECT trader_id AS model FROM trader_state WHERE lease_until IS NOT NULL',
  );
  const locks = await queueRedis.keys(`${keys.jobLock('')}*`);
  return [
    ...leases.rows.map(({ model }) => `the decision lease of ${model}`),
    ...locks.map((key) => `the lock ${key}`),
  ];
}
