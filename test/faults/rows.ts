/** What a replay leaves behind: the rows that must equal those of a calm one, and everything that must be gone. */

import { Redis } from 'ioredis';
import pg from 'pg';
import { eventually } from '../eventually.ts';

/** Rows as text by family. Serial ids and wall times are left out. */
export type Rows = Readonly<Record<string, readonly string[]>>;

export type Families = Readonly<Record<string, string>>;

const BOTH: Families = {
  candles: 'SELECT symbol, open_ts_ms, o, h, l, c, volume FROM price_candles',
  ticks: 'SELECT symbol, ts_ms, price FROM price_ticks',
  frames: 'SELECT slot_ms, digest FROM market_frames',
  cycles: 'SELECT model_id, slot_ms, cycle_number, step, success, decisions, rejected FROM decision_cycles',
  conversations:
    'SELECT d.model_id, d.slot_ms, count(*) FROM conversations c JOIN decision_cycles d ON d.id = c.decision_cycle_id GROUP BY d.model_id, d.slot_ms',
  orders: 'SELECT account, cloid, symbol, side, size, filled_size, avg_price, status FROM paper_orders',
  fills:
    'SELECT id, symbol, side, price, size, start_position, fee_usd, closed_pnl, oid, cloid, kind, ts_ms FROM fills',
  trades:
    'SELECT id, model_id, quantity, entry_price, exit_price, realized_net_pnl, exit_reason, voided_at FROM trades',
  positions: 'SELECT id, symbol, status, quantity, entry_price, closed_pnl, commission FROM positions',
};

export const ARENA_FAMILIES: Families = {
  ...BOTH,
  // Where a snapshot and a decision share their slot, either may come first.
  equity:
    'SELECT model_id, ts_ms, equity_usd FROM account_equity_snapshots WHERE ts_ms % 300000 = 0 AND ts_ms % 180000 <> 0',
};

export const DESK_FAMILIES: Families = {
  ...BOTH,
  // As above; and so where the monitor closed everything.
  equity: `SELECT model_id, ts_ms, equity_usd FROM account_equity_snapshots s WHERE ts_ms % 300000 = 0
    AND NOT EXISTS (SELECT 1 FROM fills f WHERE f.ts_ms = s.ts_ms)`,
  news: 'SELECT id, symbol, ts_ms, headline, score FROM desk_news',
  sentiment: 'SELECT symbol, ts_ms, score, news_count FROM desk_sentiment',
  watchlists: 'SELECT ts_ms, symbols FROM desk_watchlists',
  candidates: 'SELECT ts_ms, rank, symbol, score, price, signals FROM desk_candidates',
  signals:
    'SELECT type, symbol, ts_ms, reason, price, indicators, confidence, position_id, decided_slot_ms FROM desk_signals',
  monitoring: 'SELECT position_id, symbol, ts_ms, high_price, payload FROM desk_monitoring',
  performance: 'SELECT model_id, day, ts_ms, final, payload FROM desk_performance',
  contexts: 'SELECT ts_ms, payload FROM desk_contexts',
};

export async function readRows(
  databaseUrl: string,
  queueUrl: string,
  prefix: string,
  families: Families,
): Promise<Rows> {
  const rows: Record<string, string[]> = {};
  await withClient(databaseUrl, async (client) => {
    for (const [family, sql] of Object.entries(families))
      rows[family] = (await client.query(sql)).rows.map((row: object) => JSON.stringify(row));
  });
  await withRedis(queueUrl, async (redis) => {
    const entries = await redis.xrange(`${prefix}:trades:stream`, '-', '+');
    rows.stream = entries.map(([, fields]) => JSON.stringify(fields));
  });
  return rows;
}

/** Rows of `calm` that `other` lacks, and rows that only `other` has or has more often. */
export function compare(calm: Rows, other: Rows): { lost: string[]; doubled: string[] } {
  const lost: string[] = [];
  const doubled: string[] = [];
  for (const [family, rows] of Object.entries(calm)) {
    const theirs = other[family] ?? [];
    lost.push(...without(rows, theirs).map((row) => `${family} ${row}`));
    doubled.push(...without(theirs, rows).map((row) => `${family} ${row}`));
  }
  return { lost, doubled };
}

/** What `rows` has more often than `others`. */
function without(rows: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const left = counts.get(row) ?? 0;
    counts.set(row, left - 1);
    return left <= 0;
  });
}

/** Everything that is still there though the replay is over and all its processes have had time to tidy up. */
export async function leftBehind(databaseUrl: string, redisUrls: readonly string[], prefix: string): Promise<string[]> {
  const left: string[] = [];
  const gone = async (what: string, look: () => Promise<string[]>) => {
    let last: string[] = [];
    await eventually(
      what,
      async () => {
        last = await look();
        return last.length === 0;
      },
      30_000,
    ).catch(() =>
      left.push(`${what}: ${last.slice(0, 5).join('; ')}${last.length > 5 ? ` and ${last.length - 5} more` : ''}`),
    );
  };
  await withClient(databaseUrl, async (client) => {
    const lines = async (sql: string) => (await client.query(sql)).rows.map((row: object) => JSON.stringify(row));
    await gone('effects are left', () => lines('SELECT kind, target, attempts, last_error FROM effects'));
    await gone('leases are left', () =>
      lines('SELECT trader_id, lease_until FROM trader_state WHERE lease_until > clock_timestamp()'),
    );
    await gone('dead letters are left', () => lines('SELECT job, job_id, error_code, error_message FROM dead_letters'));
    await gone('runs are remembered twice', () =>
      lines(
        'SELECT job_id, attempt, worker, started_at, count(*) FROM job_runs GROUP BY 1, 2, 3, 4 HAVING count(*) > 1',
      ),
    );
    await gone('slots ran more than once', () =>
      lines(
        `SELECT job_id, count(*) FROM job_runs WHERE queue = 'decision-cycle' AND outcome = 'done' GROUP BY job_id HAVING count(*) > 1`,
      ),
    );
  });
  for (const url of redisUrls) {
    await withRedis(url, async (redis) => {
      await gone('locks are left', () => redis.keys(`${prefix}:lock:*`));
      await gone('jobs are left', () => unfinished(redis, prefix));
    });
  }
  return left;
}

/** Jobs that the queues still hold in a state that is no end. */
async function unfinished(redis: Redis, prefix: string): Promise<string[]> {
  const left: string[] = [];
  for (const state of ['active', 'wait', 'delayed', 'prioritized']) {
    for (const key of await redis.keys(`${prefix}:bull:*:${state}`)) {
      const type = await redis.type(key);
      const count = type === 'list' ? await redis.llen(key) : await redis.zcard(key);
      if (count > 0) left.push(`${count} in ${key}`);
    }
  }
  return left;
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

async function withRedis(url: string, use: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(url);
  try {
    await use(redis);
  } finally {
    redis.disconnect();
  }
}
