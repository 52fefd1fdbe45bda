/** One replay of one fault: a scheduling process and two workers on the servers, and what is left when it is over. */

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import type { Replay } from './replays.ts';
import { leftBehind, type Rows, readRows } from './rows.ts';
import type { FaultServers } from './servers.ts';

const WORKERS = 2;
const LOOK_MS = 50;
/** A replay that takes longer than this hangs. */
const PATIENCE_MS = 180_000;

export class Stage {
  readonly run: string;
  readonly servers: FaultServers;
  readonly #replay: Replay;
  #scheduler: Nof0 | null = null;
  #workers: Nof0[] = [];

  constructor(servers: FaultServers, run: string, replay: Replay) {
    this.servers = servers;
    this.run = run;
    this.#replay = replay;
  }

  async start(): Promise<void> {
    const { env } = this.servers;
    const { arena, market, endMs, speed } = this.#replay;
    const replayed = [...market, '--to', String(endMs), '--speed', speed];
    this.#scheduler = nof0(['up', '--run', this.run, ...arena, ...replayed, '--no-worker', '--no-api'], env);
    await this.#scheduler.printed(/^ready/m);
    this.#workers = Array.from({ length: WORKERS }, () => nof0(['worker', '--run', this.run, ...arena], env));
    await Promise.all(this.#workers.map((worker) => worker.printed(/working on run/)));
  }

  /** Statements of this replay whose answers may get lost. */
  get answers(): readonly RegExp[] {
    return this.#replay.answers;
  }

  get workers(): readonly Nof0[] {
    return this.#workers;
  }

  /** Waits until market time has come this far (0 to 1) into the replay. */
  reached(part: number): Promise<void> {
    const { startMs, endMs } = this.#replay;
    const marketMs = startMs + part * (endMs - startMs);
    return this.#until(`the market to reach ${part.toFixed(2)}`, `market_now_ms >= ${marketMs}`);
  }

  finished(): Promise<void> {
    return this.#until('the end of the replay', `state = 'finished'`);
  }

  /** Ends the processes in order. Returns what went wrong with them: all of them must have outlived the fault. */
  async stop(): Promise<string[]> {
    const faults: string[] = [];
    const all = [...this.#workers, ...(this.#scheduler === null ? [] : [this.#scheduler])];
    for (const one of all) one.process.kill('SIGTERM');
    for (const one of all) {
      const overdue = setTimeout(() => one.process.kill('SIGKILL'), 30_000);
      const code = await one.ended;
      clearTimeout(overdue);
      if (code !== 0)
        faults.push(`${one.process.spawnargs.slice(2, 3)} ended with ${code}: ${one.output().slice(-1500)}`);
    }
    return faults;
  }

  /** Ends the processes at once. */
  kill(): void {
    for (const one of [this.#scheduler, ...this.#workers]) one?.process.kill('SIGKILL');
  }

  rows(): Promise<Rows> {
    return readRows(this.#databaseUrl, this.servers.url('queue'), this.#prefix, this.#replay.families);
  }

  leftBehind(): Promise<string[]> {
    return leftBehind(this.#databaseUrl, [this.servers.url('queue'), this.servers.url('cache')], this.#prefix);
  }

  async verify(): Promise<string[]> {
    const { code, output } = await runNof0(['verify', '--run', this.run, ...this.#replay.arena], this.servers.env);
    return code === 0 ? [] : [`verify exits with ${code}: ${output.slice(0, 2000)}`];
  }

  /** Longest time, in seconds, during which no job came to an end. */
  async longestPause(): Promise<number> {
    const client = new pg.Client({ connectionString: this.#databaseUrl });
    await client.connect();
    try {
      const { rows } = await client.query<{ seconds: number | null }>(
        `SELECT max(extract(epoch FROM pause))::float8 AS seconds FROM (SELECT finished_at - lag(finished_at) OVER (ORDER BY finished_at) AS pause FROM job_runs) p`,
      );
      return rows[0]?.seconds ?? 0;
    } finally {
      await client.end();
    }
  }

  get #databaseUrl(): string {
    const url = new URL(this.servers.url('postgres'));
    url.pathname = `/nof0_${this.run.replaceAll('-', '_')}`;
    return url.toString();
  }

  get #prefix(): string {
    return `nof0.${this.run}`;
  }

  /** Polls the run past the proxies; a server that is down right now is no answer. */
  async #until(what: string, condition: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const client = new pg.Client({ connectionString: this.#databaseUrl, connectionTimeoutMillis: 1000 });
      client.on('error', () => {});
      try {
        await client.connect();
        while (Date.now() < deadline) {
          if ((await client.query(`SELECT 1 FROM runs WHERE ${condition}`)).rowCount === 1) return;
          this.#assertAlive();
          await sleep(LOOK_MS);
        }
      } catch (error) {
        if (error instanceof Gone) throw error;
        await sleep(LOOK_MS);
      } finally {
        await client.end().catch(() => {});
      }
      if (Date.now() > deadline) throw new Error(`${this.run} did not come to ${what} in time`);
    }
  }

  #assertAlive(): void {
    for (const one of [this.#scheduler, ...this.#workers])
      if (one !== null && one.process.exitCode !== null)
        throw new Gone(
          `a process ended with ${one.process.exitCode} during ${this.run}:\n${one.output().slice(-2500)}`,
        );
  }
}

class Gone extends Error {}
