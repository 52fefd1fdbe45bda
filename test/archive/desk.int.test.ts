/** Old days of the equities desk leave the tables for files; what open positions and the last day need stays. */

import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ArchiveNeeds, archiveDue, restoreArchive } from '../../src/archive/archive.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { listArchives } from '../../src/store/archives.ts';
import { addSignals } from '../../src/store/desk/signals.ts';
import { count, never } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { tempDir } from '../temp-dir.ts';

const DAY_MS = 86_400_000;
/** A Monday; the desk looks at the market on five days in a row. */
const DAY = Date.UTC(2025, 4, 5);
const at = (day: number, hour = 15) => DAY + day * DAY_MS + hour * 3_600_000;
const TABLES = [
  'desk_signals',
  'desk_monitoring',
  'desk_watchlists',
  'desk_candidates',
  'desk_news',
  'desk_sentiment',
  'desk_contexts',
];

let run: TestRun;
let dir: string;
let needs: ArchiveNeeds;

beforeEach(async () => {
  dir = await tempDir('nof0-archive-desk-');
  run = await createRun({ kind: 'equities', settings: { feed: 'synthetic', day: '2025-05-09' } });
  const { logger, metrics, db } = run.resources;
  const ever = 3650 * DAY_MS;
  const retention = { ticks: ever, contexts: ever, candles: ever, frames: ever, decisions: ever, desk: 90 * DAY_MS };
  needs = { db, dir, logger, metrics, retention };
  const { stories } = await run.stories();
  await registerArena(stories, run.resources.run, DAY);
  await addDays();
});
afterEach(async () => {
  await run.close();
  await rm(dir, { recursive: true, force: true });
});

const db = () => run.resources.db;

async function addDays(): Promise<void> {
  for (const [id, status] of [
    ['held', 'open'],
    ['sold', 'closed'],
  ])
    await db().query(
      `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, status)
       VALUES ($1, 'equities', 'AAPL', 'long', 100, 10, 1, $2, $3)`,
      [id, at(0), status],
    );
  for (let day = 0; day < 5; day++) {
    const [ts, other] = [at(day), at(day, 16)];
    await db().query(`INSERT INTO desk_watchlists (ts_ms, symbols) VALUES ($1, '{AAPL,KO}'), ($2, '{KO}')`, [
      ts,
      other,
    ]);
    await db().query(
      `INSERT INTO desk_candidates (ts_ms, symbol, rank, score, price, signals) VALUES ($1, 'AAPL', 1, 0.9, 150.25, '{breakout,macd_cross}')`,
      [ts],
    );
    await db().query(
      `INSERT INTO desk_news (symbol, id, headline, source, url, ts_ms, score) VALUES ('AAPL', $2, E'says \u2028 "x"', 's', '', $1, 0.5)`,
      [ts, String(day)],
    );
    await db().query(`INSERT INTO desk_sentiment (symbol, ts_ms, score, news_count) VALUES ('AAPL', $1, 0.5, 1)`, [ts]);
    await db().query(`INSERT INTO desk_contexts (ts_ms, payload) VALUES ($1, '{"vix": 18.50}')`, [ts]);
    const exit = { type: 'exit' as const, symbol: 'AAPL', price: 1, confidence: 1, indicators: { macd: null, rsi: 1 } };
    await addSignals(db(), [
      { ...exit, type: 'entry', tsMs: ts, reason: 'breakout', positionId: null, isDecided: true },
      { ...exit, tsMs: ts + 1, reason: `weakening ${day}`, positionId: 'held', isDecided: true },
      { ...exit, tsMs: ts + 2, reason: `weakening ${day}`, positionId: 'sold', isDecided: true },
      { ...exit, type: 'entry', symbol: 'KO', tsMs: ts, reason: 'breakout', positionId: null },
    ]);
  }
  await db().query(
    `INSERT INTO desk_monitoring (position_id, symbol, ts_ms, high_price, payload) VALUES ('held', 'AAPL', $1, 101, '{}'), ('sold', 'AAPL', $1, 102, '{"a": 1}')`,
    [at(0)],
  );
}

const rows = async () =>
  (
    await db().query<{ all: Record<string, unknown[]> }>(
      `SELECT jsonb_build_object(${TABLES.map((t) => `'${t}', (SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text) FROM ${t} t)`).join(', ')}) AS all`,
    )
  )[0]?.all;

describe('old days of the desk', () => {
  it('leave all its tables for a file a day, and come back as they were', async () => {
    const before = await rows();
    // Everything is old; the last two days stay, whatever their age.
    expect(await archiveDue(needs, at(400), never)).toEqual({
      days: 3,
      rows: 3 * (2 + 2 + 1 + 1 + 1 + 1) + 1,
      complete: true,
    });
    expect(await count(db(), 'desk_watchlists')).toBe(4);
    expect(await count(db(), 'desk_news')).toBe(2);
    expect(await count(db(), 'desk_sentiment')).toBe(2);
    expect(await count(db(), 'desk_contexts')).toBe(2);
    for (const { id } of await listArchives(db())) await restoreArchive(needs, id);
    expect(await rows()).toEqual(before);
  });

  it('keep what an open position is about, and what nobody has decided on', async () => {
    await archiveDue(needs, at(400), never);
    expect(await db().query('SELECT position_id AS id FROM desk_monitoring')).toEqual([{ id: 'held' }]);
    const left = await db().query(
      `SELECT count(*)::int AS n, position_id AS id, symbol FROM desk_signals WHERE ts_ms < $1 GROUP BY 2, 3 ORDER BY 2`,
      [at(3, 0)],
    );
    expect(left).toEqual([
      { n: 3, id: 'held', symbol: 'AAPL' },
      { n: 3, id: null, symbol: 'KO' },
    ]);
    await db().query(`UPDATE positions SET status = 'closed'`);
    await archiveDue(needs, at(400), never);
    expect(await count(db(), 'desk_monitoring')).toBe(0);
    expect(await count(db(), `desk_signals WHERE position_id = 'held' AND ts_ms < $1`, [at(3, 0)])).toBe(0);
  });

  it('stay while they are young', async () => {
    expect(await archiveDue(needs, at(91, 0), never)).toMatchObject({ days: 1 });
    expect(await count(db(), 'desk_contexts')).toBe(4);
    expect(await archiveDue(needs, at(91, 0), never)).toMatchObject({ days: 0 });
  });
});
