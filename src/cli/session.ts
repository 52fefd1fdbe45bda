/** What a command works on: its configuration, its run and the run's servers. */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Config, loadConfig } from '../config.ts';
import { type EmbeddedServers, findServers, startServers } from '../embedded/servers.ts';
import { openResources, type Resources } from '../resources.ts';
import {
  archiveDir,
  defaultRun,
  ensureDatabase,
  journalDir,
  lastRun,
  type RunServers,
  runDir,
  sharedServers,
} from '../run.ts';
import { createLogger, type Logger } from '../telemetry/logger.ts';

export type CommonFlags = { readonly run?: string; readonly arena?: string };

export type Session = {
  readonly config: Config;
  readonly run: string;
  readonly dir: string;
  readonly servers: RunServers;
  readonly prefix: string;
  /** True when this command brought the servers up itself and takes them down again. */
  readonly ownsServers: boolean;
  readonly logger: Logger;
  /** Opens the run's resources; they are closed with the session. */
  resources(role: string): Promise<Resources>;
  close(): Promise<void>;
};

export type SessionOptions = {
  /** Run to use when neither flag nor environment names one; absent: the one that was brought up last. */
  readonly defaultRun?: (shared: boolean) => string;
  /** Refuse to share servers that another process owns (`nof0 up` must own them). */
  readonly exclusive?: boolean;
  readonly onProgress?: (line: string) => void;
  /** Log to `<run folder>/nof0.log` instead of standard error. */
  readonly logToFile?: boolean;
  /** Only these of the arena's models. */
  readonly models?: readonly string[];
};

/** Database of an embedded server: it belongs to one run alone. */
const EMBEDDED_DATABASE = 'nof0';

/** Loads the configuration, finds or starts the run's servers. Starts nothing when the configuration has a fault. */
export async function openSession(flags: CommonFlags, options: SessionOptions = {}): Promise<Session> {
  const config = loadConfig({
    ...(flags.arena ? { arenaFile: flags.arena } : {}),
    ...(flags.run ? { run: flags.run } : {}),
    ...(options.models ? { models: options.models } : {}),
  });
  const shared = config.servers !== null;
  const run = config.run ?? options.defaultRun?.(shared) ?? lastRun(config) ?? defaultRun(shared);
  const dir = runDir(config, run);
  mkdirSync(dir, { recursive: true });
  const { servers, prefix, embedded } = await serversOf(config, run, dir, options);
  const logger = createLogger(
    { ...config.log, secrets: config.secrets },
    { run },
    options.logToFile ? path.join(dir, 'nof0.log') : undefined,
  );
  let opened: Resources | null = null;
  return {
    config,
    run,
    dir,
    servers,
    prefix,
    ownsServers: embedded !== null,
    logger,
    async resources(role) {
      const dirs = { journalDir: journalDir(config, run), archiveDir: archiveDir(config, run) };
      opened = await openResources({ config, servers, prefix, role, logger, ...dirs });
      return opened;
    },
    async close() {
      await opened?.close();
      await embedded?.stop();
    },
  };
}

async function serversOf(
  config: Config,
  run: string,
  dir: string,
  options: SessionOptions,
): Promise<{ servers: RunServers; prefix: string; embedded: EmbeddedServers | null }> {
  if (config.servers !== null) {
    const { prefix, ...servers } = sharedServers({ ...config, servers: config.servers }, run);
    await ensureDatabase(servers.databaseUrl);
    return { servers, prefix, embedded: null };
  }
  const running = options.exclusive ? null : await findServers(dir);
  if (running) return { servers: running, prefix: config.redisPrefix, embedded: null };
  const embedded = await startServers({
    dir,
    database: EMBEDDED_DATABASE,
    ...(config.redisServerPath ? { redisServerPath: config.redisServerPath } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
  });
  return { servers: embedded, prefix: config.redisPrefix, embedded };
}

/** Runs a command's work in a session and closes it in any case. */
export async function withSession<T>(
  flags: CommonFlags,
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(flags, options);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}
