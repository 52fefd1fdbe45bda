/** Commands that become one process of a distributed system, and the schema's. */

import type { Command } from 'commander';
import { type HttpServer, startHttp, startProbes } from '../http/server.ts';
import { openStories, type Resources } from '../resources.ts';
import { migrate } from '../store/migrate.ts';
import { DEFAULT_SPEED, type MarketFlags, parseCount, parseMarket, parseQueues, parseSpeed } from './flags.ts';
import { note, print } from './output.ts';
import type { ProcessRoles } from './processes.ts';
import { type CommonFlags, type Session, withSession } from './session.ts';
import { startRun } from './start-run.ts';
import { untilStopped } from './until-stopped.ts';

const DRAIN_MS = 20_000;
const never = new Promise<never>(() => {});

type ProbeFlags = { readonly metricsPort?: string };

/** The port of `--metrics-port`; null when it was not given. */
function parseMetricsPort({ metricsPort }: ProbeFlags): number | null {
  return metricsPort === undefined ? null : parseCount('--metrics-port', metricsPort, 0);
}

/** Serves the probes of a process without an API, and says where. */
async function openProbes(session: Session, resources: Resources, port: number | null): Promise<HttpServer> {
  const { http, metricsPort } = session.config;
  const probes = await startProbes(resources, { host: http.host, port: port ?? metricsPort });
  print(`metrics  ${probes.url}/metrics`);
  return probes;
}

export function schedulerCommand(program: Command, roles: ProcessRoles): void {
  program
    .command('scheduler')
    .description('enqueue due slots; any number may run, a slot fires once')
    .option('--desk <desk>', 'arena or equities, for a run that has not been begun')
    .option('--market <kind>', 'synthetic, replay or hyperliquid, for a run that has not been begun')
    .option('--data <dir>', 'folder of candle files for a replay')
    .option('--speed <factor>', 'market seconds a second of a replay, or "max"')
    .option('--exit-at-end', 'end when the replay has reached its end')
    .option('--metrics-port <port>', 'port of probes and metrics; any free one by default')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & MarketFlags & ProbeFlags & { exitAtEnd?: boolean }>();
      const market =
        flags.market === undefined && flags.data === undefined && flags.desk === undefined ? null : parseMarket(flags);
      const metricsPort = parseMetricsPort(flags);
      await withSession(flags, {}, async (session) => {
        await startRun(session, { market, seed: null });
        const resources = await session.resources('scheduler');
        const probes = await openProbes(session, resources, metricsPort);
        const { stories } = await openStories(resources);
        const scheduler = await roles.startScheduler(
          resources,
          stories,
          market?.kind === 'replay' || market?.kind === 'equities'
            ? market.speed
            : parseSpeed(flags.speed ?? DEFAULT_SPEED),
        );
        note(`scheduling run ${session.run}`);
        await untilStopped(flags.exitAtEnd ? scheduler.finished : never);
        await scheduler.stop();
        await probes.close();
      });
    });
}

export function workerCommand(program: Command, roles: ProcessRoles): void {
  program
    .command('worker')
    .description('run jobs; started any number of times against the same servers it shares the load')
    .option('--queues <names>', 'comma-separated; all of them by default')
    .option('--concurrency <n>', 'jobs at a time, a queue')
    .option('--metrics-port <port>', 'port of probes and metrics; any free one by default')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & ProbeFlags & { queues?: string; concurrency?: string }>();
      const metricsPort = parseMetricsPort(flags);
      const queues = parseQueues(flags.queues);
      const concurrency = flags.concurrency === undefined ? null : parseCount('--concurrency', flags.concurrency, 1);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('worker');
        const probes = await openProbes(session, resources, metricsPort);
        const opened = await openStories(resources);
        const workers = await roles.startWorkers(resources, opened, {
          queues,
          concurrency: concurrency ?? session.config.concurrency,
        });
        note(`working on run ${session.run}: ${queues.join(', ')}`);
        await untilStopped(never);
        await workers.close(DRAIN_MS);
        await probes.close();
      });
    });
}

export function apiCommand(program: Command): void {
  program
    .command('api')
    .description('serve the HTTP API, metrics and the queue dashboard')
    .option('--port <port>', 'port to listen on')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { port?: string }>();
      const port = flags.port === undefined ? null : parseCount('--port', flags.port, 0);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('api');
        const api = await startHttp(resources, {
          host: session.config.http.host,
          port: port ?? session.config.http.port,
        });
        print(api.url);
        await untilStopped(never);
        await api.close();
      });
    });
}

export function migrateCommand(program: Command): void {
  program
    .command('migrate')
    .description("bring the run's database to this version's schema")
    .action(async (_options, command: Command) => {
      await withSession(command.optsWithGlobals<CommonFlags>(), { onProgress: note }, async (session) => {
        const applied = await migrate(session.servers.databaseUrl);
        print(applied.length === 0 ? 'the schema is up to date' : `applied ${applied.join(', ')}`);
      });
    });
}
