/** One case: a run is brought up, dies where its plan says, is brought up again until its end, and is looked at. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Resources } from '../../src/resources.ts';
import { REPO } from '../paths.ts';
import { type EndState, readEndState } from './end-state.ts';
import { type Kill, type Plan, planEnvironment } from './plan.ts';
import { ORACLE, type Stage } from './stage.ts';

/** Ten times what a case takes on a quiet machine. */
const DEADLINE_MS = 300_000;
const POLL_MS = 50;
const LAST_LINES = 12;

export type Death = {
  readonly label: string;
  /** Slots in which the language model was being asked when the process died: its answers are lost. */
  readonly asking: readonly number[];
};

export type Played = {
  readonly deaths: readonly Death[];
  /** How often the last process passed each boundary. */
  readonly passed: Readonly<Record<string, number>>;
  readonly end: EndState;
};

/** Plays a run to its end. Throws when it does not come to its end, or when a process ends otherwise than planned. */
export async function play(stage: Stage, run: string, kills: readonly Kill[]): Promise<Played> {
  await stage.prepare(run);
  const game = new Game(stage, run, kills);
  try {
    return await Promise.race([game.play(), game.timeUp()]);
  } finally {
    await game.close();
  }
}

class Game {
  readonly #stage: Stage;
  readonly #run: string;
  readonly #plan: Plan;
  readonly #deaths: Death[] = [];
  readonly #stop = new AbortController();
  #child: ChildProcess | null = null;
  #ended: Promise<number | string> = Promise.resolve(0);
  #output = '';
  readonly #db: pg.Pool;
  #resources: Resources | null = null;

  constructor(stage: Stage, run: string, kills: readonly Kill[]) {
    this.#stage = stage;
    this.#run = run;
    this.#db = stage.connect(run);
    this.#plan = { kills, marker: stage.file(run, 'killed-'), passed: stage.file(run, 'passed.json') };
  }

  async play(): Promise<Played> {
    this.#start();
    const settled = this.#settled();
    // A failure is met below, at the race; until then it is not unheard.
    settled.catch(() => {});
    while ((await Promise.race([this.#ended, settled])) !== 'settled') await this.#revive();
    const resources = this.#resources ?? (await this.#stage.resources(this.#run));
    this.#resources = resources;
    const end = await readEndState(this.#db, resources);
    await this.#quit();
    const passed = JSON.parse(readFileSync(this.#plan.passed, 'utf8')) as Record<string, number>;
    return { deaths: this.#deaths, passed, end };
  }

  async timeUp(): Promise<never> {
    await sleep(DEADLINE_MS, undefined, { signal: this.#stop.signal }).catch(() => {});
    throw new Error(`did not come to its end within ${DEADLINE_MS} ms\n${this.#lastLines()}`);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#child?.kill('SIGKILL');
    await this.#ended;
    await this.#resources?.close();
    await this.#db.end();
  }

  #start(): void {
    const child = spawn(process.execPath, [this.#stage.child, ...this.#stage.upArgs(this.#run)], {
      cwd: REPO,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        ...this.#stage.env,
        ...planEnvironment(this.#plan),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')));
  }

  /** The process is gone: by its plan, or the case has failed. */
  async #revive(): Promise<void> {
    const code = await this.#ended;
    const kill = this.#plan.kills[this.#deaths.length];
    if (code !== 'SIGKILL' || kill === undefined || !existsSync(`${this.#plan.marker}${this.#deaths.length}`))
      throw new Error(`the process ended with ${code}, not at its boundary\n${this.#lastLines()}`);
    await this.#stage.abandoned(this.#run);
    const { rows } = await this.#db.query<{ slot: string }>(
      `SELECT slot_ms AS slot FROM decision_cycles WHERE model_id = $1 AND step = 'asking'`,
      [ORACLE],
    );
    this.#deaths.push({ label: kill.label, asking: rows.map(({ slot }) => Number(slot)) });
    this.#start();
  }

  /** Resolves when the replay has ended, the platform has looked after itself once, and nothing is left to do. */
  async #settled(): Promise<'settled'> {
    await this.#until(async () => (await this.#db.query(`SELECT 1 FROM runs WHERE state = 'finished'`)).rowCount === 1);
    this.#resources = await this.#stage.resources(this.#run);
    const { cacheRedis, keys, queues } = this.#resources;
    await this.#until(
      async () => (await this.#db.query(`SELECT 1 FROM effects WHERE kind = 'enqueue'`)).rowCount === 0,
    );
    await cacheRedis.del(keys.key('leaderboard', []));
    await this.#db.query(HOUSEKEEPING);
    await this.#until(async () => {
      if (((await this.#db.query('SELECT 1 FROM effects')).rowCount ?? 0) > 0) return false;
      const depths = await queues.depths();
      return depths.every(({ counts }) =>
        ['waiting', 'prioritized', 'active', 'delayed'].every((state) => counts[state] === 0),
      );
    });
    return 'settled';
  }

  async #until(holds: () => Promise<boolean>): Promise<void> {
    while (!this.#stop.signal.aborted && !(await holds())) await sleep(POLL_MS);
    this.#stop.signal.throwIfAborted();
  }

  /** Ends the process as a person would; it may still have a boundary to die at on its way out. */
  async #quit(): Promise<void> {
    for (;;) {
      await this.#ready();
      this.#child?.kill('SIGINT');
      const code = await this.#ended;
      if (code === 0) return;
      await this.#revive();
    }
  }

  async #ready(): Promise<void> {
    await this.#until(async () => /^ready/m.test(this.#output) || this.#child?.exitCode !== null);
  }

  #lastLines(): string {
    const log = this.#stage.logFile(this.#run);
    const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES) : [];
    return [this.#output.slice(-2000), ...lines].join('\n');
  }
}

/** Every task once, and a job that cannot succeed: it must end among the dead letters, once. */
const HOUSEKEEPING = `INSERT INTO effects (kind, target, payload, created_at)
  SELECT 'enqueue', 'maintenance_' || task,
    jsonb_build_object('job', 'maintenance', 'data', jsonb_build_object('v', 1, 'task', task, 'asOfMs', (SELECT end_ms FROM runs))), now() - interval '1 minute'
  FROM unnest(ARRAY['relay-effects', 'prune-runs', 'check-consistency', 'warm-cache', 'guard-positions', 'refresh-views', 'no-such-task']) AS task`;
