/**
 * Kills workers (SIGKILL) while a replay runs, and compares the end with an undisturbed run of the same data: nothing may be lost and
 * nothing done twice. Seeded: the same seed kills the same workers after the same pauses.
 *
 *   tsx test/kills/kill-workers.ts [--data DIR] [--hours H] [--kills N] [--seed S]
 */

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { uniform } from '../../src/domain/random.ts';
import { writeCandles } from '../candle-files.ts';
import { CANDLES } from '../paths.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';

const { values: flags } = parseArgs({
  options: {
    data: { type: 'string' },
    hours: { type: 'string', default: '24' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const [hours, kills, seed] = [Number(flags.hours), Number(flags.kills), flags.seed ?? '1'];
const WORKERS = 2;
const say = (line: string) => process.stdout.write(`${line}\n`);

const dir = await mkdtemp(path.join(tmpdir(), 'nof0-kills-'));
const env = { NOF0_DATA_DIR: path.join(dir, 'data'), NOF0_LOG_LEVEL: 'warn' };

/** Real candles where they are, else invented ones. */
async function dataDir(): Promise<{ data: string; startMs: number }> {
  if (flags.data) return { data: path.resolve(flags.data), startMs: await firstCandle(path.resolve(flags.data)) };
  if (existsSync(CANDLES)) return { data: CANDLES, startMs: await firstCandle(CANDLES) };
  return writeCandles(path.join(dir, 'candles'), hours);
}

async function firstCandle(data: string): Promise<number> {
  const { openReplay } = await import('../../src/market/replay.ts');
  return (await openReplay(data)).extent?.startMs ?? 0;
}

/** What must be equal: every fill, every cycle, every closed trade. Serial ids and wall times are left out. */
async function outcome(run: string): Promise<Record<string, string[]>> {
  const servers = JSON.parse(await readFile(path.join(env.NOF0_DATA_DIR, run, 'servers.json'), 'utf8')) as {
    databaseUrl: string;
  };
  const client = new pg.Client({ connectionString: servers.databaseUrl });
  await client.connect();
  const lines = async (sql: string) => (await client.query(sql)).rows.map((row: object) => JSON.stringify(row));
  const result = {
    fills: await lines(
      'SELECT id, symbol, side, price, size, start_position, fee_usd, closed_pnl, oid, cloid, kind, ts_ms FROM fills ORDER BY id',
    ),
    cycles: await lines(
      'SELECT model_id, slot_ms, cycle_number, success, decisions, rejected FROM decision_cycles ORDER BY model_id, slot_ms',
    ),
    trades: await lines(
      'SELECT id, quantity, entry_price, exit_price, realized_net_pnl, exit_reason, voided_at FROM trades ORDER BY id',
    ),
    candles: await lines(
      'SELECT symbol, open_ts_ms, o, h, l, c, volume FROM price_candles ORDER BY symbol, open_ts_ms',
    ),
  };
  await client.end();
  return result;
}

async function replay(
  run: string,
  data: string,
  startMs: number,
  disturb: ((scheduler: Nof0) => Promise<void>) | null,
): Promise<Record<string, string[]>> {
  const to = String(startMs + hours * 3_600_000);
  const args = [
    'up',
    '--run',
    run,
    '--market',
    'replay',
    '--data',
    data,
    '--to',
    to,
    '--speed',
    'max',
    '--no-api',
    ...(disturb ? ['--no-worker'] : []),
  ];
  const startedAt = Date.now();
  const scheduler = nof0(args, env);
  await scheduler.printed(/^ready/m);
  await disturb?.(scheduler);
  await finished(run);
  const result = await outcome(run);
  scheduler.process.kill('SIGINT');
  const code = await scheduler.ended;
  if (code !== 0) throw new Error(`the scheduler ended with ${code}:\n${scheduler.output()}`);
  say(
    `${run}: ${result.cycles?.length} cycles, ${result.fills?.length} fills in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
  );
  return result;
}

async function finished(run: string): Promise<void> {
  const servers = JSON.parse(await readFile(path.join(env.NOF0_DATA_DIR, run, 'servers.json'), 'utf8')) as {
    databaseUrl: string;
  };
  const client = new pg.Client({ connectionString: servers.databaseUrl });
  await client.connect();
  while ((await client.query(`SELECT 1 FROM runs WHERE state = 'finished'`)).rowCount === 0) await sleep(200);
  await client.end();
}

/** Two workers; again and again one of them is killed and another one started in its place. */
async function killWorkers(run: string): Promise<void> {
  const start = () => nof0(['worker', '--run', run], env);
  const workers = Array.from({ length: WORKERS }, start);
  await Promise.all(workers.map((worker) => worker.printed(/working on run/)));
  for (let kill = 0; kill < kills; kill++) {
    await sleep(300 + uniform(seed, 'pause', kill) * 1500);
    const victim = Math.floor(uniform(seed, 'victim', kill) * WORKERS);
    workers[victim]?.process.kill('SIGKILL');
    await workers[victim]?.ended;
    workers[victim] = start();
    // The next kill must hit a worker that works, not one that is still starting.
    await workers[victim].printed(/working on run/);
    say(`kill ${kill + 1} of ${kills}`);
  }
  await finished(run);
  for (const worker of workers) worker.process.kill('SIGTERM');
  const codes = await Promise.all(workers.map((worker) => worker.ended));
  if (codes.some((code) => code !== 0))
    throw new Error(
      `workers ended with ${codes.join(', ')}:\n${workers.map((worker) => worker.output().slice(-2000)).join('\n')}`,
    );
}

function difference(
  calm: Record<string, string[]>,
  disturbed: Record<string, string[]>,
): { lost: number; doubled: number } {
  let lost = 0;
  let doubled = 0;
  for (const [family, rows] of Object.entries(calm)) {
    const other = new Set(disturbed[family]);
    const own = new Set(rows);
    const missing = rows.filter((row) => !other.has(row));
    const extra = (disturbed[family] ?? []).filter((row) => !own.has(row));
    lost += missing.length;
    doubled += extra.length;
    for (const row of missing.slice(0, 3)) say(`${family} lost: ${row.slice(0, 300)}`);
    for (const row of extra.slice(0, 3)) say(`${family} extra: ${row.slice(0, 300)}`);
  }
  return { lost, doubled };
}

try {
  const { data, startMs } = await dataDir();
  const calm = await replay('calm', data, startMs, null);
  const disturbed = await replay('disturbed', data, startMs, () => killWorkers('disturbed'));
  const verify = await runNof0(['verify', '--run', 'disturbed'], env);
  const { lost, doubled } = difference(calm, disturbed);
  if (verify.code !== 0) say(verify.output);
  say(`verify exit code ${verify.code}`);
  say(`${kills} kills, ${lost} lost, ${doubled} doubled`);
  process.exitCode = lost + doubled === 0 && verify.code === 0 ? 0 : 1;
} finally {
  await rm(dir, { recursive: true, force: true });
}
process.exit();
