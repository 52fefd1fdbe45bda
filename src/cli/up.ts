/** `nof0 up`: the whole system in one process, on servers of its own unless addresses are configured. */

import type { Command } from 'commander';
import { type MarketSettings, pace } from '../config.ts';
import { startHttp, startProbes } from '../http/server.ts';
import { openStories, type Resources } from '../resources.ts';
import { defaultRun, freshRun, rememberRun } from '../run.ts';
import { isReplay } from '../store/runs.ts';
import { runCounts } from '../store/verify.ts';
import { startWebhook } from './consume.ts';
import { DEFAULT_SPEED, type MarketFlags, parseCount, parseMarket, parseMoment, parseSpeed } from './flags.ts';
import { note, print } from './output.ts';
import type { ProcessRoles } from './processes.ts';
import { openSession, type Session } from './session.ts';
import { assertReplayable, startRun } from './start-run.ts';
import { startSummary } from './summary.ts';
import { untilStopped } from './until-stopped.ts';

type UpFlags = MarketFlags & {
  run?: string;
  arena?: string;
  seed?: string;
  from?: string;
  to?: string;
  exitAtEnd?: boolean;
  worker: boolean;
  api: boolean;
  port?: string;
  concurrency?: string;
};

/** How long running jobs may go on after Ctrl-C. */
const DRAIN_MS = 4000;

export function upCommand(program: Command, roles: ProcessRoles): void {
  program
    .command('up')
    .description(
      'bring everything up: servers, schema, arena, scheduler, workers, API and dashboard (what `npm start` runs)',
    )
    .option('--desk <desk>', 'arena (default), or equities: stocks, New York sessions, one trader')
    .option('--market <kind>', 'synthetic (default), replay or hyperliquid; of the equities desk synthetic, csv or api')
    .option('--data <dir>', 'folder of candle files for a replay')
    .option('--speed <factor>', 'market seconds a second of a replay, or "max" (default 60)')
    .option('--from <moment>', 'first moment of a new replay (default: where the data begins)')
    .option('--to <moment>', 'last moment of a new replay (default: where the data ends)')
    .option('--exit-at-end', 'end when the replay has reached its end')
    .option('--seed <text>', 'seed of a new run; the arena file has the default')
    .option('--no-worker', 'schedule and serve only; `nof0 worker` processes do the work')
    .option('--no-api', 'do not serve the API, only probes and metrics')
    .option('--port <port>', 'port of the API')
    .option('--concurrency <n>', 'jobs at a time, a queue')
    .action(async (_options, command: Command) => up(command.optsWithGlobals<UpFlags>(), roles));
}

async function up(flags: UpFlags, roles: ProcessRoles): Promise<void> {
  const startedAt = Date.now();
  const market =
    flags.market === undefined && flags.data === undefined && flags.desk === undefined && flags.run !== undefined
      ? null
      : parseMarket(flags);
  const concurrency = flags.concurrency === undefined ? null : parseCount('--concurrency', flags.concurrency, 1);
  const port = flags.port === undefined ? null : parseCount('--port', flags.port, 0);
  const wish = {
    market,
    seed: flags.seed ?? null,
    fromMs: parseMoment('--from', flags.from),
    toMs: parseMoment('--to', flags.to),
  };
  await assertReplayable(wish);
  const session = await openSession(flags, {
    defaultRun: (shared) => runName(market, shared),
    exclusive: true,
    logToFile: true,
    onProgress: (line) => note(line),
  });
  try {
    await startRun(session, wish);
    rememberRun(session.config, session.run);
    const resources = await session.resources('up');
    await serve(session, resources, {
      flags,
      roles,
      concurrency: concurrency ?? session.config.concurrency,
      port,
      // A replay that is continued by its name has its market already, and may still be given a speed.
      speed:
        market?.kind === 'replay' || market?.kind === 'equities'
          ? market.speed
          : parseSpeed(flags.speed ?? DEFAULT_SPEED),
      startedAt,
    });
  } finally {
    await session.close();
  }
}

/** Every replay is a run of its own; what follows the clock of the world goes on where it stopped. */
function runName(market: MarketSettings | null, shared: boolean): string {
  const isReplayed = market?.kind === 'replay' || (market?.kind === 'equities' && market.feed !== 'api');
  return isReplayed ? freshRun(market.kind) : defaultRun(shared, market?.kind);
}

type Serving = {
  flags: UpFlags;
  roles: ProcessRoles;
  concurrency: number;
  port: number | null;
  speed: number | 'max';
  startedAt: number;
};

async function serve(session: Session, resources: Resources, serving: Serving): Promise<void> {
  const { flags, roles, startedAt } = serving;
  const opened = await openStories(resources);
  const scheduler = await roles.startScheduler(resources, opened.stories, serving.speed);
  // A market with a feed is listened to; others are polled.
  const feed = opened.stories.market.openFeed ? roles.startFeed(resources, opened.stories) : null;
  const workers = flags.worker
    ? await roles.startWorkers(resources, opened, { queues: roles.queues, concurrency: serving.concurrency })
    : null;
  // What a replay trades happened long ago; who wants it posted all the same has `nof0 consume webhook`.
  const posts = flags.worker && session.config.webhook !== null && !isReplay(resources.run);
  const webhook = posts ? await startWebhook(resources) : null;
  const { http, metricsPort } = session.config;
  const server = flags.api
    ? await startHttp(resources, { host: http.host, port: serving.port ?? http.port })
    : await startProbes(resources, { host: http.host, port: metricsPort });
  print(
    `run        ${session.run} (${resources.run.kind}), seed "${resources.run.seed}", decisions every ${pace(session.config.arena, resources.run.kind).decision / 1000} s`,
  );
  if (flags.api) print(`arena      ${server.url}/\ndashboard  ${server.url}/queues`);
  print(`metrics    ${server.url}/metrics`);
  print(
    `log        ${session.dir}/nof0.log\nready      after ${((Date.now() - startedAt) / 1000).toFixed(1)} s; Ctrl-C ends it, the next start goes on where it stopped\n`,
  );
  const summary = startSummary(resources);
  const ended = flags.exitAtEnd ? scheduler.finished : new Promise<never>(() => {});
  const reason = await untilStopped(ended);
  await summary.stop();
  note(reason === 'ended' ? 'the replay has reached its end' : `${reason}: finishing running jobs`);
  await Promise.all([scheduler.stop(), feed?.stop()]);
  await Promise.all([workers?.close(DRAIN_MS), webhook?.stop(), server.close()]);
  if (reason !== 'ended') note('stopped; the next start goes on from here');
  if (reason === 'ended') await printEnd(session, resources);
}

async function printEnd(session: Session, resources: Resources): Promise<void> {
  const counts = await runCounts(resources.db);
  print(
    `\n${counts.candles} candles, ${counts.ticks} ticks; ${counts.slots} slots × ${counts.models} models = ${counts.cycles} cycles; ${counts.fills} fills, ${counts.trades} closed trades, ${counts.snapshots} snapshots`,
  );
  print(`check it with: nof0 verify --run ${session.run}`);
}
