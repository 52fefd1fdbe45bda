/** Opens database, Redis and adapters once and closes them in reverse order. Nothing is open before, nothing stays open after. */

import { hostname } from 'node:os';
import { type Config, forRun, pace } from './config.ts';
import { parseClusterAddress } from './domain/redis-address.ts';
import { openDoors } from './doors.ts';
import { registerEffects } from './effect-handlers.ts';
import { realTime, replayTime, type Stories, type Trader } from './engine/context.ts';
import { FrameBuilder } from './engine/market-frame.ts';
import { MarketSnapshots } from './engine/market-snapshots.ts';
import { configDigest, settingsOf } from './engine/register-arena.ts';
import { CodedError } from './errors.ts';
import { jobsOf } from './jobs/registry.ts';
import { Journal } from './journal/journal.ts';
import { openHeadlines, openModel, promptOf } from './llm/index.ts';
import { projectionsOf } from './projections/families.ts';
import { LiveFeed } from './projections/live-feed.ts';
import { contextSource } from './projections/market-source.ts';
import { PriceKeys } from './projections/price-keys.ts';
import type { LoadContext } from './projections/projection.ts';
import { Publisher } from './projections/publisher.ts';
import { TradeStream } from './projections/trade-stream.ts';
import { connectRedis, openRedis, type ScriptedRedis } from './redis/connections.ts';
import { KeyRegistry } from './redis/keys.ts';
import { checkMemoryPolicies } from './redis/memory-policy.ts';
import { JobQueues } from './redis/queues.ts';
import { RedisResponses } from './redis/response-store.ts';
import { CandleReader } from './store/candle-reader.ts';
import { Database } from './store/database.ts';
import { RunHistory } from './store/job-runs.ts';
import { Outbox } from './store/outbox.ts';
import { isReplay, type RunRow, readRun } from './store/runs.ts';
import { type Logger, redactUrl } from './telemetry/logger.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { startTracing, type Tracing } from './telemetry/tracing.ts';

export { assertTrading, equitiesMarket, runSettings, stockDataKey } from './doors.ts';

/** Processes that put jobs into the queue or take them out: they do not begin on a queue that forgets. */
const WORKING_ROLES: ReadonlySet<string> = new Set(['up', 'scheduler', 'worker']);

export type OpenOptions = {
  readonly config: Config;
  readonly servers: { readonly databaseUrl: string; readonly queueRedisUrl: string; readonly cacheRedisUrl: string };
  /** First part of every Redis key of the run. */
  readonly prefix: string;
  /** What this process is, for connection names and history. */
  readonly role: string;
  readonly logger: Logger;
  /** Where the journal of the run is; absent: this process writes none. */
  readonly journalDir?: string;
  /** Where archived rows of the run go; absent: this process archives none. */
  readonly archiveDir?: string;
};

/** A replay at full speed does hours of market time meanwhile. Kill it, and the relay refreshes what is left. */
const REPLAY_GATHER_MS = 2000;

/** Everything a process of a run works with, except the market and the models: those come with `openStories`. */
export type Resources = {
  readonly config: Config;
  readonly run: RunRow;
  readonly worker: string;
  readonly queueRedisUrl: string;
  readonly db: Database;
  readonly queueRedis: ScriptedRedis;
  readonly cacheRedis: ScriptedRedis;
  readonly keys: KeyRegistry;
  readonly queues: JobQueues;
  readonly publisher: Publisher;
  readonly prices: PriceKeys;
  readonly stream: TradeStream;
  /** What happens, for those who watch; opens its connections for the first of them. */
  readonly live: LiveFeed;
  readonly outbox: Outbox;
  readonly history: RunHistory;
  readonly archiveDir: string | null;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Null: nothing is traced. */
  readonly tracing: Tracing | null;
  close(): Promise<void>;
};

/**
 * Connects to the run's servers and checks that all of them answer. Throws the coded error of the first that does not, and
 * NOF0_SCHEMA_OUTDATED when nobody has started the run yet.
 */
export async function openResources(options: OpenOptions): Promise<Resources> {
  const { servers, logger } = options;
  const metrics = createMetrics();
  const closers: (() => Promise<unknown>)[] = [];
  const closeAll = async () => {
    for (const close of closers.reverse())
      await close().catch((error: unknown) => logger.warn({ error: String(error) }, 'closing failed'));
  };
  const onError = (what: string) =>
    throttled((error: Error) => logger.warn({ error: error.message }, `${what} connection`));
  try {
    const worker = `${options.role}@${hostname()}:${process.pid}`;
    const { tracing: traced } = options.config;
    const tracing = traced && (await startTracing(traced, worker, logger));
    // Opened first, so that it is closed last: closing the rest is traced too.
    if (tracing) closers.push(() => tracing.close());
    const db = new Database(servers.databaseUrl, {
      max: options.config.dbPool,
      applicationName: `nof0 ${options.role}`,
      onError: onError('postgres'),
    });
    closers.push(() => db.close());
    await db.assertReachable(redactUrl(servers.databaseUrl));
    const run = await declaredRun(db);
    const config = forRun(options.config, run.kind);
    const keys = new KeyRegistry(
      options.prefix,
      config.ttl,
      parseClusterAddress(servers.queueRedisUrl) !== null,
      deskPrefix(config, options.prefix),
    );
    const queueRedis = openRedis(servers.queueRedisUrl, `nof0-${options.role}`, onError('queue redis'));
    await connectRedis(queueRedis, 'queue', redactUrl(servers.queueRedisUrl));
    closers.push(async () => queueRedis.disconnect());
    const cacheRedis = openRedis(servers.cacheRedisUrl, `nof0-${options.role}`, onError('cache redis'));
    await connectRedis(cacheRedis, 'cache', redactUrl(servers.cacheRedisUrl));
    closers.push(async () => cacheRedis.disconnect());
    await checkMemoryPolicies({
      queue: queueRedis,
      cache: cacheRedis,
      queueUrl: redactUrl(servers.queueRedisUrl),
      cacheUrl: redactUrl(servers.cacheRedisUrl),
      strict: WORKING_ROLES.has(options.role),
      logger,
    });
    const queues = new JobQueues(
      servers.queueRedisUrl,
      keys.queuePrefix,
      onError('queue'),
      tracing?.telemetry ?? null,
      jobsOf(run.kind),
    );
    closers.push(() => queues.close());
    await queues.ready();
    const candles = new CandleReader(db, run.kind, config.arena.barInterval);
    const context: LoadContext = { db, config, provider: run.kind, candles };
    const publisher = new Publisher(context, cacheRedis, keys, metrics, logger, projectionsOf(run.kind));
    const prices = new PriceKeys(context, cacheRedis, keys, metrics);
    const outbox = new Outbox(db, logger, metrics);
    const stream = new TradeStream(queueRedis, keys);
    const live = new LiveFeed({ ...servers, keys, logger });
    closers.push(() => live.close());
    const journal =
      options.journalDir === undefined
        ? null
        : new Journal(options.journalDir, config.arena.retention.journal, { metrics, logger });
    const gatherMs = isReplay(run) ? REPLAY_GATHER_MS : null;
    const alerts = { db, channels: config.alerts, logger, metrics };
    registerEffects(outbox, { db, publisher, prices, queues, stream, alerts, logger, journal, gatherMs });
    closers.push(() => outbox.close());
    const history = new RunHistory(db, logger);
    closers.push(() => history.close());
    return {
      config,
      run,
      worker,
      queueRedisUrl: servers.queueRedisUrl,
      db,
      queueRedis,
      cacheRedis,
      keys,
      queues,
      publisher,
      prices,
      stream,
      live,
      outbox,
      history,
      archiveDir: options.archiveDir ?? null,
      logger,
      metrics,
      tracing,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The stories of the run with its market, its exchange and its models: for processes that schedule or work. */
export async function openStories(
  resources: Resources,
): Promise<{ stories: Stories; frames: FrameBuilder; snapshots: MarketSnapshots }> {
  const { config, run, db, logger, metrics, outbox } = resources;
  const schedules = pace(config.arena, run.kind);
  const { market, exchange } = await openDoors(resources);
  const stories: Stories = {
    db,
    drain: (effects) => outbox.drain(effects),
    market,
    exchange,
    traders: openTraders(resources),
    clock: isReplay(run) ? replayTime : realTime,
    config,
    pace: schedules,
    seed: run.seed,
    desk: run.kind === 'equities' ? deskOf(config) : null,
    headlines: run.kind === 'equities' ? openHeadlines(config) : null,
    logger,
    metrics,
  };
  const snapshots = new MarketSnapshots(stories, contextSource(resources.publisher));
  return { stories, frames: new FrameBuilder(stories), snapshots };
}

/** The participants of the arena with the models that decide for them. */
export function openTraders({ config, run, cacheRedis, keys, metrics, logger }: Resources): Map<string, Trader> {
  const responses = new RedisResponses(cacheRedis, keys, metrics, logger);
  return new Map(
    config.arena.models.map((participant) => {
      const model = openModel(participant, config, { responses, isReplay: isReplay(run) });
      const trader = { participant, model, prompt: promptOf(participant, config) };
      return [participant.id, { ...trader, configDigest: configDigest(settingsOf(trader)) }];
    }),
  );
}

function deskOf({ arena }: Config): Stories['desk'] {
  return { modelId: arena.equities.trader.id, settings: arena.equities };
}

/** What the desk's keys begin with: what is configured, and for any other run than the main one its own prefix, too. */
function deskPrefix({ deskPrefix: own, redisPrefix }: Config, prefix: string): string {
  const parts = [...(prefix === redisPrefix ? [] : [prefix]), ...(own === '' ? [] : [own])];
  return parts.map((part) => `${part}:`).join('');
}

async function declaredRun(db: Database): Promise<RunRow> {
  const run = await readRun(db).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === '42P01') return null;
    throw error;
  });
  if (run) return run;
  throw new CodedError(
    'NOF0_SCHEMA_OUTDATED',
    'this database holds no run yet: start `nof0 up` or `nof0 scheduler` first',
  );
}

/** At most one line a second of a connection that keeps failing. */
function throttled(log: (error: Error) => void): (error: Error) => void {
  let last = 0;
  return (error) => {
    if (Date.now() - last < 1000) return;
    last = Date.now();
    log(error);
  };
}
