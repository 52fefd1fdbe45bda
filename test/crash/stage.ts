/** What all cases share: servers, a migrated database to copy, candles, the oracle. Every case is a run of its own. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { type Config, loadConfig } from '../../src/config.ts';
import { type EmbeddedServers, startServers } from '../../src/embedded/servers.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { sharedServers } from '../../src/run.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { writeCandles } from '../candle-files.ts';
import { REPO } from '../paths.ts';
import { addressesOf } from '../processes.ts';
import { writeSession } from '../session-files.ts';
import { tempDir } from '../temp-dir.ts';
import { bundleChild } from './bundle.ts';
import { type Oracle, openOracle } from './oracle.ts';

const DATABASE = 'crash';
/** Nine slots of decisions, six of snapshots, three of analytics (the last one in a moment of its own) and one funding print. */
const FROM = '2025-07-22T00:34:00Z';
const TO = '2025-07-22T01:02:00Z';
/** The only model whose answer can be lost. */
export const ORACLE = 'oracle';

/**
 * The last stretch of a half day: entries, exits that the model confirms, one at the exchange, and what is left closed by the monitor
 * before one o'clock in New York.
 */
/** Not every invented session has all of that. */
const DESK_SEED = 'j';
const DESK_DAY = '2025-07-03';
const DESK_FROM = '2025-07-03T16:30:00Z';
const DESK_TO = '2025-07-03T17:02:00Z';
/** Every case reads and compares all of their candles: no more than it takes for entries and exits. */
const DESK_SYMBOLS = ['AAPL', 'NVDA', 'PFE', 'BAC', 'NKE', 'XOM'];
export type Desk = 'arena' | 'equities';

export class Stage {
  readonly dir: string;
  readonly oracle: Oracle;
  /** The program that dies. */
  readonly child: string;
  readonly #servers: EmbeddedServers;
  readonly #data: string;
  readonly #admin: pg.Pool;
  readonly #desk: Desk;

  private constructor(own: {
    dir: string;
    servers: EmbeddedServers;
    data: string;
    admin: pg.Pool;
    oracle: Oracle;
    child: string;
    desk: Desk;
  }) {
    this.dir = own.dir;
    this.oracle = own.oracle;
    this.child = own.child;
    this.#servers = own.servers;
    this.#data = own.data;
    this.#admin = own.admin;
    this.#desk = own.desk;
  }

  /** `desk`: whose run dies. Of the equities desk it is the end of a session, with entries, exits and the closing of what is left. */
  static async open(desk: Desk = 'arena'): Promise<Stage> {
    const dir = await tempDir('nof0-crash-');
    const folder = path.join(dir, 'candles');
    const { data } =
      desk === 'equities'
        ? await writeSession(folder, { seed: DESK_SEED, day: DESK_DAY, symbols: DESK_SYMBOLS })
        : await writeCandles(folder, 2);
    const servers = await startServers({ dir: path.join(dir, 'servers'), database: DATABASE });
    await migrate(servers.databaseUrl);
    const url = new URL(servers.databaseUrl);
    url.pathname = '/postgres';
    const admin = pool(url.toString(), 4);
    const [oracle, child] = await Promise.all([openOracle(), bundleChild()]);
    return new Stage({ dir, servers, data, admin, oracle, child, desk });
  }

  /** Environment of a run's processes. */
  get env(): Record<string, string> {
    return {
      ...addressesOf(this.#servers),
      NOF0_REDIS_PREFIX: DATABASE,
      NOF0_DATA_DIR: path.join(this.dir, 'data'),
      NOF0_LOG_FORMAT: 'json',
      NOF0_DB_POOL: '8',
    };
  }

  /** What is called to bring a run up, and again after each death. */
  upArgs(run: string): string[] {
    const up = ['up', '--run', run, '--arena', this.#arenaFile(run), '--no-api', '--speed', 'max'];
    if (this.#desk === 'arena') return [...up, '--market', 'replay', '--data', this.#data, '--from', FROM, '--to', TO];
    const session = ['--market', 'csv', '--data', this.#data, '--from', DESK_FROM, '--to', DESK_TO];
    return [...up, '--desk', 'equities', ...session];
  }

  logFile(run: string): string {
    return path.join(this.dir, 'data', run, 'nof0.log');
  }

  /** A file of the case that is no log. */
  file(run: string, name: string): string {
    return path.join(this.dir, 'cases', run, name);
  }

  async prepare(run: string): Promise<void> {
    await mkdir(path.dirname(this.#arenaFile(run)), { recursive: true });
    await writeFile(this.#arenaFile(run), arena(this.oracle.baseUrl(run)));
    await this.#admin.query(`CREATE DATABASE ${DATABASE}_${run} TEMPLATE ${DATABASE}`);
  }

  connect(run: string): pg.Pool {
    return pool(this.#shared(run).databaseUrl, 2);
  }

  /** The run's resources in this process, for looking at its end. */
  resources(run: string): Promise<Resources> {
    const config = this.#config(run);
    const { prefix, ...servers } = this.#shared(run);
    return openResources({ config, servers, prefix, role: 'crash-matrix', logger: createLogger(config.log) });
  }

  /** Resolves when no process of the run is connected: what a dead one had begun has ended. */
  async abandoned(run: string): Promise<void> {
    for (;;) {
      const { rows } = await this.#admin.query<{ busy: boolean }>(
        `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name NOT LIKE '%crash%matrix%') AS busy`,
        [`${DATABASE}_${run}`],
      );
      if (rows[0]?.busy === false) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async forget(run: string): Promise<void> {
    await this.#admin.query(`DROP DATABASE IF EXISTS ${DATABASE}_${run} WITH (FORCE)`);
    await rm(path.dirname(this.logFile(run)), { recursive: true, force: true });
  }

  async close(keep: boolean): Promise<void> {
    await this.oracle.close();
    await this.#admin.end();
    await this.#servers.stop();
    await rm(this.child, { force: true });
    if (!keep) await rm(this.dir, { recursive: true, force: true });
  }

  #arenaFile(run: string): string {
    return this.file(run, 'arena.yaml');
  }

  #config(run: string): Config & { servers: NonNullable<Config['servers']> } {
    const env = { ...this.env, NOF0_LOG_LEVEL: 'fatal' };
    const config = loadConfig({ env, cwd: REPO, arenaFile: this.#arenaFile(run), run });
    if (config.servers === null) throw new Error('the stage has servers of its own');
    return { ...config, servers: config.servers };
  }

  #shared(run: string) {
    return sharedServers(this.#config(run), run);
  }
}

function pool(connectionString: string, max: number): pg.Pool {
  const connections = new pg.Pool({ connectionString, application_name: 'crash matrix', max });
  // A connection that is idle when its database is dropped reports here; unheard it would end the matrix.
  connections.on('error', () => {});
  return connections;
}

/** Three strategies that trade at once and a language model. */
function arena(baseUrl: string): string {
  return `seed: crash
schedules: { price: 1m, decision: 3m, snapshot: 5m, analytics: 11m }
paces: { replay: {} }
equities:
  { barInterval: 1m, minScore: 0.2, cooldown: 0s, trailing: 0.004, lastEntry: 20m, sessionEnd: 3m, flat: 4m,
    schedules: { screen: 2m, monitor: 2m, context: 5m, news: 5m, performance: 2m } }
models:
  - { id: carry, strategy: carry }
  - { id: buy-and-hold, strategy: buy-and-hold }
  - { id: coin-flip, strategy: coin-flip }
  - id: ${ORACLE}
    endpoint: { baseUrl: "${baseUrl}", model: oracle, retries: 0, promptUsdPerMillionTokens: 1, completionUsdPerMillionTokens: 2 }
    dailyUsd: 5
`;
}
