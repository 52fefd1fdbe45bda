/** What the faults are done to: hours of the arena, or a session of the equities desk. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openReplay } from '../../src/market/replay.ts';
import { writeCandles } from '../candle-files.ts';
import { writeSession } from '../session-files.ts';
import { ARENA_FAMILIES, DESK_FAMILIES, type Families } from './rows.ts';

export type Replay = {
  /** Arguments that every process of the run has. */
  readonly arena: readonly string[];
  /** Arguments that a new run has. */
  readonly market: readonly string[];
  readonly startMs: number;
  readonly endMs: number;
  readonly speed: string;
  /** Rows that must be the same with a fault and without. */
  readonly families: Families;
  /** Statements whose answers get lost, in turns. */
  readonly answers: readonly RegExp[];
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export async function arenaReplay(dir: string, hours: number, speed: string): Promise<Replay> {
  const { data } = await writeCandles(path.join(dir, 'candles'), hours);
  const { extent } = await openReplay(data);
  if (extent === null) throw new Error('the invented market has no candles');
  return {
    arena: [],
    market: ['--market', 'replay', '--data', data],
    startMs: extent.startMs,
    endMs: Math.min(extent.endMs, extent.startMs + hours * HOUR_MS),
    speed,
    families: ARENA_FAMILIES,
    answers: [
      /^COMMIT$/,
      /INSERT INTO fills/,
      /^COMMIT$/,
      /INSERT INTO conversations/,
      /INSERT INTO decision_cycles/,
      /DELETE FROM effects .*enqueue/s,
      /INSERT INTO job_runs/,
      /^COMMIT$/,
    ],
  };
}

/** A half day, whose close comes at one o'clock, from half past eleven on. */
const DAY = '2025-07-03';
const PLAYED_MS = 90 * MINUTE_MS;
const AFTER_MS = 10 * MINUTE_MS;
const SYMBOLS = ['AAPL', 'MSFT', 'AMZN', 'NVDA', 'PFE', 'LLY', 'BAC', 'NKE', 'XOM', 'CVX'];
/** Entries and exits all through the session, so that no fault meets an idle desk; everything is closed before its end. */
const ARENA = `seed: faults
models: [{ id: carry, strategy: carry }]
paces: { replay: {} }
equities: { day: '${DAY}', barInterval: 1m, minScore: 0.3, cooldown: 2m, trailing: 0.003, schedules: { context: 2m } }
`;

export async function deskReplay(dir: string, speed: string): Promise<Replay> {
  const { data, closeMs } = await writeSession(path.join(dir, 'session'), {
    seed: 'faults',
    day: DAY,
    symbols: SYMBOLS,
  });
  const startMs = closeMs - PLAYED_MS;
  const file = path.join(dir, 'desk', 'arena.yaml');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, ARENA);
  return {
    arena: ['--arena', file],
    market: ['--desk', 'equities', '--market', 'csv', '--data', data, '--from', String(startMs)],
    startMs,
    endMs: closeMs + AFTER_MS,
    speed,
    families: DESK_FAMILIES,
    answers: [
      /^COMMIT$/,
      // Written seldom, so not left for the end.
      /INSERT INTO desk_performance/,
      /INSERT INTO desk_watchlists/,
      /INSERT INTO desk_signals/,
      /INSERT INTO desk_monitoring/,
      /INSERT INTO fills/,
      /INSERT INTO decision_cycles/,
      /DELETE FROM effects .*enqueue/s,
      /INSERT INTO desk_contexts/,
      /INSERT INTO job_runs/,
    ],
  };
}
