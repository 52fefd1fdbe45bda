/** Replays as real processes, and what must be equal between two of them. */

import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { parse } from 'yaml';
import { openReplay } from '../../src/market/replay.ts';
import { writeCandles } from '../candle-files.ts';
import { completion, type Endpoint, openEndpoint } from '../engine/stand-ins.ts';
import { CANDLES, REPO } from '../paths.ts';
import { nof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

export const say = (line: string) => process.stdout.write(`${line}\n`);

const HOUR_MS = 3_600_000;

/** Rows of a run as text, by family. Serial ids and wall times are left out. */
export type RunRows = Record<'fills' | 'cycles' | 'trades' | 'candles' | 'snapshots', string[]>;

/** A language model that always holds. */
export const TALKER = 'talker';

export class ReplayBench {
  readonly dir: string;
  readonly data: string;
  readonly toMs: number;
  readonly env: Record<string, string>;
  readonly #arenaFile: string;
  readonly #endpoint: Endpoint | null;

  private constructor(dir: string, data: string, toMs: number, endpoint: Endpoint | null) {
    this.dir = dir;
    this.data = data;
    this.toMs = toMs;
    this.#endpoint = endpoint;
    this.#arenaFile = path.join(dir, 'arena.yaml');
    this.env = { NOF0_DATA_DIR: path.join(dir, 'data'), NOF0_LOG_LEVEL: 'warn' };
  }

  /**
   * A temporary folder and its candles: the folder given, else real data beside the repository, else invented data. With `talks`, a
   * language model behind an endpoint of this machine takes part beside the strategies of the demo.
   */
  static async open(options: { data?: string | undefined; hours: number; talks?: boolean }): Promise<ReplayBench> {
    const dir = await tempDir('nof0-replays-');
    const given = options.data ?? (existsSync(CANDLES) ? CANDLES : undefined);
    const data =
      given === undefined ? (await writeCandles(path.join(dir, 'candles'), options.hours)).data : path.resolve(given);
    const extent = (await openReplay(data)).extent;
    if (extent === null) throw new Error(`${data} holds no candles`);
    const endpoint = options.talks ? await openEndpoint() : null;
    const bench = new ReplayBench(
      dir,
      data,
      Math.min(extent.endMs, extent.startMs + options.hours * HOUR_MS),
      endpoint,
    );
    await bench.#writeArena();
    return bench;
  }

  async #writeArena(): Promise<void> {
    const arena = parse(await readFile(path.join(REPO, 'config', 'arena.yaml'), 'utf8')) as { models: object[] };
    if (this.#endpoint !== null) {
      this.#endpoint.reply = completion('{"reasoning":"nothing to do","decisions":[]}');
      const price = { promptUsdPerMillionTokens: 1, completionUsdPerMillionTokens: 2 };
      const endpoint = { baseUrl: this.#endpoint.baseUrl, model: TALKER, ...price };
      arena.models.push({ id: TALKER, endpoint, dailyUsd: 1000 });
    }
    await writeFile(this.#arenaFile, JSON.stringify(arena));
  }

  /** Rows of the candle files that a replay up to the end must have stored. */
  async candleRows(): Promise<number> {
    return (await (await openReplay(this.data)).fetch(null, this.toMs)).candles.length;
  }

  /** Runs a replay to its end. `disturb` gets the stage to itself: then no worker runs inside the scheduling process. */
  async replay(run: string, disturb?: () => Promise<void>): Promise<RunRows> {
    const startedAt = Date.now();
    const args = [
      'up',
      '--run',
      run,
      '--arena',
      this.#arenaFile,
      '--market',
      'replay',
      '--data',
      this.data,
      '--to',
      String(this.toMs),
      '--speed',
      'max',
      '--no-api',
      ...(disturb ? ['--no-worker'] : []),
    ];
    const scheduler = nof0(args, this.env);
    await scheduler.printed(/^ready/m);
    await disturb?.();
    await this.finished(run);
    const rows = await this.rows(run);
    scheduler.process.kill('SIGINT');
    const code = await scheduler.ended;
    if (code !== 0) throw new Error(`the scheduler ended with ${code}:\n${scheduler.output()}`);
    say(
      `${run}: ${rows.candles.length} candles, ${rows.cycles.length} cycles, ${rows.fills.length} fills, ${rows.trades.length} trades in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
    );
    return rows;
  }

  /** Resolves when the replay has reached its end. */
  async finished(run: string): Promise<void> {
    await this.#connected(run, async (client) => {
      while ((await client.query(`SELECT 1 FROM runs WHERE state = 'finished'`)).rowCount === 0) await sleep(200);
    });
  }

  rows(run: string): Promise<RunRows> {
    return this.#connected(run, async (client) => {
      const lines = async (sql: string) => (await client.query(sql)).rows.map((row: object) => JSON.stringify(row));
      return {
        fills: await lines(
          'SELECT id, symbol, side, price, size, start_position, fee_usd, closed_pnl, oid, cloid, kind, ts_ms FROM fills ORDER BY id',
        ),
        cycles: await lines(
          'SELECT model_id, slot_ms, cycle_number, success, decisions, rejected FROM decision_cycles ORDER BY model_id, slot_ms',
        ),
        trades: await lines(
          'SELECT id, model_id, quantity, entry_price, exit_price, realized_net_pnl, exit_reason, voided_at FROM trades ORDER BY id',
        ),
        candles: await lines(
          'SELECT symbol, open_ts_ms, o, h, l, c, volume FROM price_candles ORDER BY symbol, open_ts_ms',
        ),
        snapshots: await lines(
          'SELECT model_id, ts_ms FROM account_equity_snapshots WHERE ts_ms % 300000 = 0 ORDER BY model_id, ts_ms',
        ),
      };
    });
  }

  async close(): Promise<void> {
    await this.#endpoint?.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  async #connected<T>(run: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
    const servers = JSON.parse(await readFile(path.join(this.dir, 'data', run, 'servers.json'), 'utf8')) as {
      databaseUrl: string;
    };
    const client = new pg.Client({ connectionString: servers.databaseUrl });
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  }
}

/** Rows of `calm` that `other` lacks, and rows that only `other` has; the first few are printed. */
export function difference(calm: RunRows, other: RunRows): { lost: number; doubled: number } {
  let lost = 0;
  let doubled = 0;
  for (const [family, rows] of Object.entries(calm)) {
    const theirs = other[family as keyof RunRows];
    const missing = without(rows, theirs);
    const extra = without(theirs, rows);
    lost += missing.length;
    doubled += extra.length;
    for (const row of missing.slice(0, 3)) say(`${family} lost: ${row.slice(0, 300)}`);
    for (const row of extra.slice(0, 3)) say(`${family} extra: ${row.slice(0, 300)}`);
  }
  return { lost, doubled };
}

function without(rows: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return rows.filter((row) => !known.has(row));
}
