/** Makes the configuration of what the environment, the arena file and the files that they name say. */

import path from 'node:path';
import type { z } from 'zod';
import type { PromptTemplate } from '../domain/prompt-template.ts';
import type { Arena } from './arena.ts';
import type { environmentSchema } from './environment.ts';
import type { Credential } from './http.ts';
import { accountKeyNames, keyNames } from './judges.ts';
import { secretValues } from './secrets.ts';
import type { Config, TradingAccount } from './settings.ts';

/** How long a receiver of posted trades may take to answer. */
const WEBHOOK_TIMEOUT_MS = 10_000;

/** Everything has been checked before. */
export function toConfig(
  env: z.infer<typeof environmentSchema>,
  arena: Arena,
  sources: {
    variables: Record<string, string>;
    cwd: string;
    prompts: Config['prompts'];
    deskPrompt: PromptTemplate;
    tokens: readonly Credential[];
  },
): Config {
  const { variables, cwd, prompts, deskPrompt, tokens } = sources;
  const queueRedisUrl = env.REDIS_QUEUE_URL ?? env.REDIS_URL;
  const cacheRedisUrl = env.REDIS_CACHE_URL ?? env.REDIS_URL;
  return {
    dataDir: path.resolve(cwd, env.NOF0_DATA_DIR),
    run: env.NOF0_RUN ?? null,
    servers:
      env.DATABASE_URL && queueRedisUrl && cacheRedisUrl
        ? { databaseUrl: env.DATABASE_URL, queueRedisUrl, cacheRedisUrl }
        : null,
    redisPrefix: env.NOF0_REDIS_PREFIX,
    deskPrefix: env.NOF0_DESK_PREFIX,
    redisServerPath: env.NOF0_REDIS_SERVER ?? null,
    http: {
      host: env.NOF0_HTTP_HOST,
      port: env.NOF0_HTTP_PORT ?? null,
      credentials: [...(env.NOF0_HTTP_TOKENS ?? []), ...tokens],
      publicReads: env.PUBLIC_READS === '1',
      corsOrigins: env.NOF0_HTTP_CORS ?? [],
      rateLimit: env.NOF0_HTTP_RATE_LIMIT,
      proxies: env.NOF0_HTTP_PROXIES ?? [],
    },
    metricsPort: env.NOF0_METRICS_PORT,
    tracing: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, service: env.OTEL_SERVICE_NAME }
      : null,
    trading: { mode: env.TRADING_MODE, accounts: env.TRADING_MODE === 'live' ? tradingAccounts(arena, variables) : {} },
    hyperliquid: {
      network: env.HYPERLIQUID_NETWORK,
      apiUrl: env.HYPERLIQUID_API_URL ?? null,
      wsUrl: env.HYPERLIQUID_WS_URL ?? null,
    },
    stockData: {
      url: env.APCA_API_DATA_URL ?? null,
      key:
        env.APCA_API_KEY_ID && env.APCA_API_SECRET_KEY
          ? { id: env.APCA_API_KEY_ID, secret: env.APCA_API_SECRET_KEY }
          : null,
    },
    log: { level: env.NOF0_LOG_LEVEL, format: env.NOF0_LOG_FORMAT },
    dbPool: env.NOF0_DB_POOL,
    concurrency: env.NOF0_CONCURRENCY,
    ttl: {
      short: env.NOF0_TTL_SHORT * 1000,
      medium: env.NOF0_TTL_MEDIUM * 1000,
      long: env.NOF0_TTL_LONG * 1000,
      positions: env.NOF0_TTL_POSITIONS * 1000,
      analytics: env.NOF0_TTL_ANALYTICS * 1000,
      responses: env.NOF0_TTL_RESPONSES * 1000,
      guard: env.NOF0_TTL_GUARD * 1000,
      lock: env.NOF0_TTL_LOCK * 1000,
    },
    arena,
    prompts,
    deskPrompt,
    secrets: secretValues(
      variables,
      // Keys of accounts that are not traded are not even held to be hidden.
      [...keyNames(arena), ...(env.TRADING_MODE === 'live' ? accountKeyNames(arena) : [])],
      [...(env.NOF0_HTTP_TOKENS ?? []), ...tokens],
    ),
    apiKeys: Object.fromEntries(keyNames(arena).map((name) => [name, variables[name] ?? ''])),
    webhook:
      env.NOF0_WEBHOOK_URL && env.NOF0_WEBHOOK_SECRET
        ? { url: env.NOF0_WEBHOOK_URL, secret: env.NOF0_WEBHOOK_SECRET, timeoutMs: WEBHOOK_TIMEOUT_MS }
        : null,
    alerts: {
      webhook:
        env.NOF0_ALERT_WEBHOOK_URL && env.NOF0_ALERT_WEBHOOK_SECRET
          ? { url: env.NOF0_ALERT_WEBHOOK_URL, secret: env.NOF0_ALERT_WEBHOOK_SECRET }
          : null,
      slack: env.NOF0_ALERT_SLACK_URL ? { url: env.NOF0_ALERT_SLACK_URL } : null,
      discord: env.NOF0_ALERT_DISCORD_URL ? { url: env.NOF0_ALERT_DISCORD_URL } : null,
    },
    readSource: {
      dir: env.NOF0_FILES_DIR === undefined ? null : path.resolve(cwd, env.NOF0_FILES_DIR),
      sources: env.NOF0_READ_SOURCE,
    },
  };
}

function tradingAccounts(arena: Arena, variables: Record<string, string>): Record<string, TradingAccount> {
  return Object.fromEntries(
    arena.models.flatMap(({ id, live }) =>
      live ? [[id, { address: live.address, privateKey: variables[live.keyEnv] ?? '', isVault: live.isVault }]] : [],
    ),
  );
}
