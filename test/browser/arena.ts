/** An arena of six models for the browser tests: seeded rows, real API, prices and equity that a test moves. */

import type { Resources } from '../../src/resources.ts';
import { registerModels } from '../../src/store/models.ts';
import type { TestRun } from '../harness.ts';
import { type Nof0, nof0 } from '../processes.ts';

const MINUTE_MS = 60_000;
const AGE_MINUTES = 90;
export const MODELS = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot'] as const;
/** What a model must never be able to do to somebody who reads it. */
export const HOSTILE = `<script>document.title='pwned'</script><img src=x onerror="document.title='pwned'"> & "quotes"`;

export type SeededArena = { readonly beganMs: number; readonly nowMs: number };

export async function seedArena({ db, publisher, prices }: Resources): Promise<SeededArena> {
  const nowMs = Date.now();
  const beganMs = nowMs - AGE_MINUTES * MINUTE_MS;
  const common = { exchangeProvider: 'paper', marketProvider: 'synthetic', config: {}, configDigest: 'd' };
  await registerModels(
    db,
    MODELS.map((id) => ({
      ...common,
      id,
      displayName: id === 'delta' ? 'Delta <b>bold</b>' : id.replace(/^./, (letter) => letter.toUpperCase()),
      initialEquityUsd: 10_000,
    })),
    beganMs,
    'test',
  );
  await db.query(`INSERT INTO symbols (symbol) VALUES ('BTC'), ('ETH') ON CONFLICT DO NOTHING`);
  await db.query(
    `INSERT INTO price_latest (provider, symbol, price, ts_ms) VALUES ('synthetic', 'BTC', 100000, $1), ('synthetic', 'ETH', 4000, $1)`,
    [nowMs],
  );
  await db.query(
    `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd, since_inception_hourly_marker, since_inception_minute_marker)
     SELECT m.id, $2::bigint + n * 60000, 10000 + 40 * sin(n / 7.0 + m.place) + n * (m.place - 3), n / 60, n
     FROM unnest($1::text[]) WITH ORDINALITY AS m(id, place), generate_series(1, $3::int) AS n`,
    [MODELS, beganMs, AGE_MINUTES - 1],
  );
  await seedBaseline(db, beganMs);
  await seedTrading(db, beganMs);
  await seedSeasons(db, beganMs);
  await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
  await prices.refresh();
  return { beganMs, nowMs };
}

async function seedBaseline(db: Resources['db'], beganMs: number): Promise<void> {
  await db.query(
    `INSERT INTO baseline_hours (baseline, hour, ts_ms, price, equity_usd) VALUES ('buynhold_btc', -1, $1, 100000, 10000)`,
    [beganMs],
  );
  await db.query(
    `INSERT INTO price_candles (provider, symbol, interval, open_ts_ms, o, h, l, c, volume)
     SELECT 'synthetic', 'BTC', '1m', $1::bigint + n * 60000, 1, 1, 1, 100000 + 300 * sin(n / 9.0), 1 FROM generate_series(-1, $2::int) n`,
    [beganMs, AGE_MINUTES],
  );
}

/** One that is over and frozen, of models of which one has left, and one that is on. */
async function seedSeasons(db: Resources['db'], beganMs: number): Promise<void> {
  const place = {
    transfers: 0,
    num_trades: 4,
    num_wins: 3,
    num_losses: 1,
    win_dollars: 9,
    lose_dollars: -1,
    fees: 1.5,
  };
  const ranking = [
    { ...place, place: 1, id: 'bravo', return_pct: 4.2, opening_equity: 10_000, equity: 10_420 },
    { ...place, place: 2, id: 'long-gone', return_pct: -1, opening_equity: 10_000, equity: 9900 },
  ];
  await db.query(
    `INSERT INTO seasons (name, state, starts, ends, opening, final_ranking, frozen_at)
     VALUES ('Spring', 'frozen', to_timestamp($1::bigint / 1000.0 - 864000), to_timestamp($1::bigint / 1000.0 - 432000), '{}', $2::jsonb, now())`,
    [beganMs, JSON.stringify(ranking)],
  );
  await db.query(
    `INSERT INTO seasons (name, starts, opening)
     SELECT 'Summer', to_timestamp($2::bigint / 1000.0), jsonb_object_agg(id, jsonb_build_object('equityUsd', 10000, 'tsMs', $2::bigint)) FROM unnest($1::text[]) AS id`,
    [MODELS, beganMs],
  );
}

async function seedTrading(db: Resources['db'], beganMs: number): Promise<void> {
  await db.query(
    `INSERT INTO positions (id, model_id, symbol, side, entry_price, quantity, leverage, entry_ts_ms, entry_oid, stop_loss, take_profit)
     VALUES ('p1', 'alpha', 'BTC', 'long', 99000, 0.05, 2, $1, 7, 97000, 104000), ('p2', 'bravo', 'ETH', 'short', 4100, -1, 3, $1, 8, 4200, 3800)`,
    [beganMs],
  );
  await db.query(
    `INSERT INTO trades (id, model_id, symbol, side, quantity, leverage, confidence, entry_price, entry_ts_ms, exit_price, exit_ts_ms,
       total_commission_dollars, realized_gross_pnl, realized_net_pnl)
     SELECT 't' || n, $1, 'ETH', 'long', 1, 2, 0.7, 4000, $2::bigint + n * 60000, 4010, $2::bigint + n * 60000 + 45000, 3, 10, 7 FROM generate_series(1, 5) n`,
    ['alpha', beganMs],
  );
  const decisions = [
    {
      symbol: 'BTC',
      action: 'open_long',
      confidence: 0.8,
      position_size_usd: 5000,
      leverage: 2,
      stop_loss: 97_000,
      take_profit: 104_000,
      reasoning: HOSTILE,
    },
    { symbol: 'ETH', action: 'open_short', confidence: 0.4, position_size_usd: 900, reasoning: 'too tired' },
  ];
  const rejected = [
    { symbol: 'ETH', action: 'open_short', code: 'LOW_CONFIDENCE', reason: 'confidence 0.4 is below 0.5' },
  ];
  const leg = { side: 'buy', symbol: 'BTC', size: 0.05, leverage: 2, reduceOnly: false, plan: null, error: null };
  const legs = [
    {
      ...leg,
      leg: 'entry',
      kind: 'market',
      status: 'filled',
      oid: 7,
      cloid: '0x07',
      filledSize: 0.05,
      avgPrice: 99_000,
      triggerPrice: null,
    },
    {
      ...leg,
      leg: 'stop',
      kind: 'stop',
      side: 'sell',
      status: 'resting',
      oid: 8,
      cloid: '0x08',
      filledSize: 0,
      avgPrice: null,
      triggerPrice: 97_000,
    },
  ];
  await db.query(
    `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, success, decisions, rejected, orders, cot_trace, prompt_digest, prompt_tokens,
       completion_tokens, cost_usd, latency_ms, llm_calls, executed_at)
     SELECT 'alpha', $1::bigint + n * 180000, n, 'done', true, CASE n WHEN 20 THEN $2::jsonb ELSE '[{"symbol":"BTC","action":"hold","confidence":1}]' END,
       CASE n WHEN 20 THEN $3::jsonb ELSE '[]' END, CASE n WHEN 20 THEN $4::jsonb ELSE '{"request":null,"legs":[]}' END,
       CASE n WHEN 20 THEN $5 ELSE 'nothing to do' END, 'abc123', 4321, 210, 0.0123, 1850, 1, to_timestamp(($1::bigint + n * 180000) / 1000.0)
     FROM generate_series(1, 25) n`,
    [
      beganMs,
      JSON.stringify(decisions),
      JSON.stringify(rejected),
      JSON.stringify({ request: null, legs }),
      `First I thought.\n${HOSTILE}`,
    ],
  );
  await db.query(
    `INSERT INTO fills (id, model_id, provider, symbol, side, price, size, fee_usd, oid, cloid, ts_ms, kind)
     VALUES ('f1', 'alpha', 'paper', 'BTC', 'buy', 99000, 0.05, 2.2, 7, '0x07', $1, 'trade')`,
    [beganMs + 20 * 180_000 + 900],
  );
}

/** A new snapshot of every model, written and published as the platform does. */
export async function moveEquity({ db, publisher }: Resources, equityUsd: number): Promise<void> {
  await db.query(
    `INSERT INTO account_equity_snapshots (model_id, ts_ms, equity_usd) SELECT id, $2, $3 FROM unnest($1::text[]) AS id`,
    [MODELS, Date.now(), equityUsd],
  );
  await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
}

export async function movePrice({ db, prices }: Resources, symbol: string, price: number): Promise<void> {
  await db.query(`UPDATE price_latest SET price = $2, ts_ms = $3 WHERE symbol = $1`, [symbol, price, Date.now()]);
  await prices.refresh();
}

/** The API as a process of its own on one port, killed without a word and started as often as a test likes. */
export class Api {
  readonly #run: TestRun;
  readonly #dataDir: string;
  #process: Nof0 | null = null;
  #port = 0;

  constructor(run: TestRun, dataDir: string) {
    this.#run = run;
    this.#dataDir = dataDir;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const { servers, prefix } = this.#run;
    this.#process = nof0(['api'], {
      NOF0_RUN: 'main',
      NOF0_DATA_DIR: this.#dataDir,
      NOF0_REDIS_PREFIX: prefix,
      NOF0_HTTP_PORT: String(this.#port),
      DATABASE_URL: servers.databaseUrl,
      REDIS_QUEUE_URL: servers.queueRedisUrl,
      REDIS_CACHE_URL: servers.cacheRedisUrl,
    });
    const [, port] = await this.#process.printed(/http:\/\/127\.0\.0\.1:(\d+)/);
    this.#port = Number(port);
  }

  async kill(): Promise<void> {
    this.#process?.process.kill('SIGKILL');
    await this.#process?.ended;
    this.#process = null;
  }
}
