/** A position that a session left behind, because nobody looked at its end, is closed in the next one as soon as its stock trades. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import type { Stories } from '../../src/engine/context.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { Charts } from '../../src/engine/desk/charts.ts';
import { monitorPositions } from '../../src/engine/desk/monitor.ts';
import { screenStocks } from '../../src/engine/desk/screen.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import type { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { count, never } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';

const DAY = '2025-05-09';
const MINUTE_MS = 60_000;
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };

let run: TestRun;
let stories: Stories;
let frames: FrameBuilder;
let charts: Charts;
let nowMs = session.openMs - MINUTE_MS;

const held = () =>
  run.resources.db.query<{ symbol: string; entryTsMs: number }>(
    `SELECT symbol, entry_ts_ms AS "entryTsMs" FROM positions WHERE status = 'open' ORDER BY entry_ts_ms, symbol`,
  );
const symbols = async () => (await held()).map(({ symbol }) => symbol);
const pricedAt = (symbol: string, tsMs: number) =>
  run.resources.db.query(`UPDATE price_latest SET ts_ms = $2 WHERE symbol = $1`, [symbol, tsMs]);

beforeAll(async () => {
  run = await createRun({
    kind: 'equities',
    settings: { feed: 'synthetic', day: DAY },
    seed: 'nof0',
    startMs: session.openMs - 30 * MINUTE_MS,
    endMs: session.closeMs,
    marketNowMs: session.closeMs,
  });
  ({ stories, frames } = await run.stories());
  charts = new Charts(stories);
  await registerArena(stories, run.resources.run, session.openMs - 30 * MINUTE_MS);
  await ingestPrices(stories, nowMs, never);
  while ((await held()).length < 2) {
    nowMs += MINUTE_MS;
    expect(nowMs).toBeLessThan(session.closeMs - 60 * MINUTE_MS);
    await ingestPrices(stories, nowMs, never);
    await screenStocks(stories, nowMs);
    await monitorPositions(stories, charts, nowMs, never);
    const asked = await count(run.resources.db, 'desk_signals WHERE decided_slot_ms = $1', [nowMs]);
    if (asked > 0) await runDecisionCycle(stories, frames, 'equities', nowMs, never);
  }
  // From here on somebody looks between the bars, as in real time.
  stories = { ...stories, clock: { ...stories.clock, repeats: false } };
}, 120_000);
afterAll(() => run?.close());

it('waits until its stock has traded, then closes it and nothing else', async () => {
  const [old = '', ...others] = await symbols();
  // As if it had been bought in the session before, and nobody had worked at its end.
  await run.resources.db.query('UPDATE positions SET entry_ts_ms = $2 WHERE symbol = $1', [
    old,
    session.openMs - 18 * 60 * MINUTE_MS,
  ]);
  await pricedAt(old, session.openMs - 1);
  await monitorPositions(stories, charts, nowMs + 1000, never);
  expect(await symbols()).toContain(old);

  await pricedAt(old, nowMs);
  const outcome = await monitorPositions(stories, charts, nowMs + 2000, never);
  expect(outcome).toMatchObject({ kind: 'done', note: { positions: others.length } });
  expect((await symbols()).sort()).toEqual(others.sort());
  const [entry] = await run.resources.db.query<{ what: string; target: string }>(
    `SELECT what, target FROM audit_log ORDER BY id DESC LIMIT 1`,
  );
  expect(entry).toEqual({ what: 'left by a session before done', target: `model:equities ${old}` });
});

it('is left where it is when positions may stay overnight', async () => {
  const desk = stories.desk;
  if (desk === null) throw new Error('this run has a desk');
  const overnight = { ...stories, desk: { ...desk, settings: { ...desk.settings, flat: null } } };
  const [first = ''] = await symbols();
  await run.resources.db.query('UPDATE positions SET entry_ts_ms = $2 WHERE symbol = $1', [first, session.openMs - 1]);
  await monitorPositions(overnight, charts, nowMs + 3000, never);
  expect(await symbols()).toContain(first);
});

it('is not forgotten by a closing that died over it: what is left of it is tidied up with the next look', async () => {
  const { db } = run.resources;
  const lease = () => count(db, `trader_state WHERE lease_until IS NOT NULL`);
  const flatMs = session.closeMs - 4 * MINUTE_MS;
  expect(await monitorPositions(stories, charts, flatMs, never)).toMatchObject({ note: { flat: true } });
  expect([await symbols(), await lease()]).toEqual([[], 0]);
  await db.query(`UPDATE trader_state SET lease_until = clock_timestamp() - interval '1 second'`);
  await monitorPositions(stories, charts, flatMs + 5000, never);
  expect(await lease()).toBe(0);
  // And nothing is done again where nothing is left.
  const audited = await count(db, 'audit_log');
  await monitorPositions(stories, charts, flatMs + 10_000, never);
  expect(await count(db, 'audit_log')).toBe(audited);
});
