/** Bringing a run to life: schema, declaration, and the check that it is continued as what it was begun. */

import type { MarketSettings } from '../config.ts';
import { latestSession } from '../domain/desk/calendar.ts';
import { CodedError } from '../errors.ts';
import { openMarket } from '../market/index.ts';
import { assertTrading, equitiesMarket, runSettings, stockDataKey } from '../resources.ts';
import { Database } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { declareRun, type RunRow, readRun } from '../store/runs.ts';
import { badFlag, moment } from './output.ts';
import type { Session } from './session.ts';

const DESK_BEFORE_MS = 30 * 60_000;
const DESK_AFTER_MS = 10 * 60_000;

export type RunWish = {
  /** Null: whatever the run already is (synthetic for a new one). */
  readonly market: MarketSettings | null;
  readonly seed: string | null;
  /** Limits of a replay, market ms; the data's own where absent. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
};

/** Migrates the run's database and writes down what the run is, unless it has been begun: then the wish must agree with it. */
export async function startRun(session: Session, wish: RunWish): Promise<RunRow> {
  await migrate(session.servers.databaseUrl);
  const db = new Database(session.servers.databaseUrl, {
    max: 2,
    applicationName: 'nof0 start',
    onError: (error) => session.logger.warn({ error: error.message }, 'postgres connection'),
  });
  try {
    const run = (await readRun(db)) ?? (await declareRun(db, await declaration(session, wish)));
    if (run === null) throw new CodedError('NOF0_INTERNAL', 'the run could not be declared');
    assertSame(session.run, run, wish);
    assertTrading(run, session.config);
    if (run.settings.feed === 'api') stockDataKey(session.config);
    return run;
  } finally {
    await db.close();
  }
}

async function declaration(session: Session, wish: RunWish) {
  const market = wish.market ?? { kind: 'synthetic' as const };
  const isRealStocks = market.kind === 'equities' && market.feed === 'api';
  // A run that could not go on is not begun.
  if (isRealStocks) stockDataKey(session.config);
  const base = {
    name: session.run,
    kind: market.kind,
    settings: runSettings(market, session.config),
    seed: wish.seed ?? session.config.arena.seed,
  };
  if (market.kind === 'equities' && !isRealStocks) return { ...base, ...(await deskClock(session, base, wish)) };
  if (market.kind !== 'replay') return { ...base, startMs: null, endMs: null };
  return { ...base, ...(await replayClock(market.dir, wish)) };
}

/** What `startRun` would find wrong with the part of a replay that is asked for, before a server is started for it. */
export async function assertReplayable({ market, ...wish }: RunWish): Promise<void> {
  if (market?.kind === 'replay' && (wish.fromMs ?? wish.toMs) !== undefined) await replayClock(market.dir, wish);
}

/** The part of the data that was asked for. Throws NOF0_INPUT_INVALID where that is none of it. */
async function replayClock(dir: string, { fromMs, toMs }: Pick<RunWish, 'fromMs' | 'toMs'>) {
  const { extent } = await openMarket({ kind: 'replay', dir });
  if (extent === null) throw new CodedError('NOF0_MARKET_DATA', `${dir} holds no candles`);
  const startMs = Math.max(extent.startMs, fromMs ?? 0);
  const endMs = Math.min(extent.endMs, toMs ?? Number.POSITIVE_INFINITY);
  if (startMs < endMs) return { startMs, endMs };
  const [flag, asked] = fromMs !== undefined && startMs === fromMs ? ['--from', fromMs] : ['--to', toMs ?? endMs];
  const [first, last] = [extent.startMs, extent.endMs].map((ms) => moment(new Date(ms)));
  throw badFlag(flag, `a stretch of the data, which goes from ${first} to ${last}`, moment(new Date(asked)));
}

/** From half an hour before the last session of the data until its performance is written; null as time goes by. */
async function deskClock(session: Session, { settings, seed }: Pick<RunRow, 'settings' | 'seed'>, wish: RunWish) {
  const { extent } = await openMarket(equitiesMarket(settings, seed, session.config));
  if (extent === null) throw new CodedError('NOF0_MARKET_DATA', 'the feed of the desk has no session');
  const { openMs, closeMs } = latestSession(Math.min(extent.endMs, wish.toMs ?? Number.POSITIVE_INFINITY) - 1);
  return {
    startMs: wish.fromMs ?? openMs - DESK_BEFORE_MS,
    endMs: wish.toMs ?? closeMs + DESK_AFTER_MS,
  };
}

function assertSame(name: string, run: RunRow, wish: RunWish): void {
  const differs: string[] = [];
  if (wish.market && wish.market.kind !== run.kind) differs.push(`its market is ${run.kind}, not ${wish.market.kind}`);
  if (wish.market?.kind === 'equities' && run.kind === 'equities' && run.settings.feed !== wish.market.feed)
    differs.push(`its feed is ${run.settings.feed}, not ${wish.market.feed}`);
  if (wish.market?.kind === 'replay' && run.kind === 'replay' && run.settings.dir !== wish.market.dir)
    differs.push(`its data is ${run.settings.dir}, not ${wish.market.dir}`);
  if (wish.seed !== null && wish.seed !== run.seed) differs.push(`its seed is "${run.seed}", not "${wish.seed}"`);
  if (differs.length > 0)
    throw new CodedError(
      'NOF0_RUN_MISMATCH',
      `run "${name}" cannot be continued like this: ${differs.join('; ')}. \`nof0 up --run ${name}\` goes on with it as it is; another --run name begins anew`,
    );
}
