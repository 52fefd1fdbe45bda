/** What this database is a run of, and a replay's clock. */

import type { Queryable } from './database.ts';

export type RunKind = 'synthetic' | 'replay' | 'hyperliquid' | 'equities';
export type RunRow = {
  readonly name: string;
  readonly kind: RunKind;
  readonly settings: {
    /** Folder of a replay. */
    readonly dir?: string;
    /** Of the equities desk: where its prices come from, and the session that is invented. */
    readonly feed?: 'synthetic' | 'csv' | 'api';
    readonly day?: string;
    /** Of a real market: whose, and where its orders go. */
    readonly network?: 'testnet' | 'mainnet';
    readonly trading?: 'paper' | 'live';
  };
  readonly seed: string;
  /** Market clock of a replay; null in real time. */
  readonly marketNowMs: number | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly state: 'running' | 'finished';
};

/** Whether the run has a market clock of its own, which ends. */
export function isReplay({ kind, endMs }: Pick<RunRow, 'kind' | 'endMs'>): boolean {
  return kind === 'replay' || endMs !== null;
}

const COLUMNS = `name, kind, settings, seed, market_now_ms AS "marketNowMs", start_ms AS "startMs", end_ms AS "endMs", state`;

export async function readRun(db: Queryable): Promise<RunRow | null> {
  const rows = await db.query<RunRow>(`SELECT ${COLUMNS} FROM runs`);
  return rows[0] ?? null;
}

/** Whether the clock of a replay has not come to a slot: a crash of the database took back that it has fired, and it fires again. */
export async function isUnfired(db: Queryable, slotMs: number): Promise<boolean> {
  const run = await readRun(db);
  return run?.state === 'running' && run.marketNowMs !== null && run.marketNowMs < slotMs;
}

/** Writes what the run is, once; the first process decides. Returns what stands there. */
export async function declareRun(db: Queryable, run: Omit<RunRow, 'marketNowMs' | 'state'>): Promise<RunRow | null> {
  await db.query(
    'INSERT INTO runs (name, kind, settings, seed, market_now_ms, start_ms, end_ms) VALUES ($1, $2, $3, $4, $5, $5, $6) ON CONFLICT DO NOTHING',
    [run.name, run.kind, JSON.stringify(run.settings), run.seed, run.startMs, run.endMs],
  );
  return readRun(db);
}

export async function finishRun(db: Queryable): Promise<void> {
  await db.query(`UPDATE runs SET state = 'finished'`);
}
