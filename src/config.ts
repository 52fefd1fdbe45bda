/**
 * The only reader of the environment and of the arena file. Everything is checked whole before anything starts: all faults are
 * reported at once, each with its place and what was expected there.
 */

import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { type Arena, arenaReferences, arenaSchema, type Schedules } from './config/arena.ts';
import { environmentFields, environmentSchema } from './config/environment.ts';
import { deskFields } from './config/equities.ts';
import { definedOnly, readDotEnv, readPrompt, readPrompts, readText, SHIPPED_DESK_PROMPT } from './config/files.ts';
import { type Credential, readCredentials } from './config/http.ts';
import {
  accountFaults,
  deciders,
  idFaults,
  keyFaults,
  keyNames,
  tradingFaults,
  unknownVariables,
} from './config/judges.ts';
import { secretFileNames, secretValues, withSecretFiles } from './config/secrets.ts';
import type { OriginalEndpoint, ReadSource } from './domain/original-api.ts';
import type { PromptTemplate } from './domain/prompt-template.ts';
import { CodedError, type Fault, messageOf } from './errors.ts';

export type { Arena, Guardrails, Participant, Schedules } from './config/arena.ts';
export { readPrompt } from './config/files.ts';

/** The market of the equities desk: one session of a recording or of the synthetic feed, or the real one as a data API tells it. */
export type EquitiesMarket = {
  readonly kind: 'equities';
  readonly feed: 'synthetic' | 'csv' | 'api';
  /** Folder of the recording. */
  readonly dir: string | null;
  readonly speed: number | 'max';
};

export type MarketSettings =
  | { readonly kind: 'synthetic' }
  | { readonly kind: 'hyperliquid' }
  | EquitiesMarket
  | { readonly kind: 'replay'; readonly dir: string; readonly speed: number | 'max' };

export type TtlClasses = {
  readonly short: number;
  readonly medium: number;
  readonly long: number;
  readonly positions: number;
  readonly analytics: number;
  readonly responses: number;
  readonly guard: number;
  readonly lock: number;
};

export type TradingAccount = { readonly address: string; readonly privateKey: string; readonly isVault: boolean };

export type Config = {
  readonly dataDir: string;
  /** Named on the command line or in the environment; null: the command's own default. */
  readonly run: string | null;
  /** Null when the servers are embedded. */
  readonly servers: {
    readonly databaseUrl: string;
    readonly queueRedisUrl: string;
    readonly cacheRedisUrl: string;
  } | null;
  readonly redisPrefix: string;
  /** Before the keys of the equities desk; empty: none. */
  readonly deskPrefix: string;
  readonly redisServerPath: string | null;
  readonly http: {
    readonly host: string;
    readonly port: number | null;
    /** Whoever may control or look; empty: nobody is told from anybody. The secrets are never logged. */
    readonly credentials: readonly Credential[];
    readonly publicReads: boolean;
    /** Origins whose pages may read, or `*`. */
    readonly corsOrigins: readonly string[];
    /** Requests a minute of one address; 0: any number. */
    readonly rateLimit: number;
    /** Addresses whose X-Forwarded-For is believed, beside loopback. */
    readonly proxies: readonly string[];
  };
  /** Port of the probes of a process without an API; 0: any free one. */
  readonly metricsPort: number;
  /** Null: nothing is traced. */
  readonly tracing: { readonly endpoint: string; readonly service: string } | null;
  /** `accounts` by model; empty unless the mode is live, so that no key is held that is not needed. */
  readonly trading: { readonly mode: 'paper' | 'live'; readonly accounts: Readonly<Record<string, TradingAccount>> };
  /** Null: the network's public address. */
  readonly hyperliquid: {
    readonly network: 'testnet' | 'mainnet';
    readonly apiUrl: string | null;
    readonly wsUrl: string | null;
  };
  /** The data API of the equities desk; the key is null when none is set, and never logged. */
  readonly stockData: {
    readonly url: string | null;
    readonly key: { readonly id: string; readonly secret: string } | null;
  };
  readonly log: { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' };
  readonly dbPool: number;
  readonly concurrency: number;
  /** Milliseconds. */
  readonly ttl: TtlClasses;
  readonly arena: Arena;
  /** Wordings of prompts by the name that the arena file gives them; the shipped one under the empty name. */
  readonly prompts: Readonly<Record<string, PromptTemplate>>;
  /** The shipped wording of the equities desk; see `forRun`. */
  readonly deskPrompt: PromptTemplate;
  /** Where closed trades are posted to; null: nowhere. The secret is never logged. */
  readonly webhook: { readonly url: string; readonly secret: string; readonly timeoutMs: number } | null;
  /** Where people are told what is wrong; null: not there. The secrets are never logged. */
  readonly alerts: {
    readonly webhook: { readonly url: string; readonly secret: string } | null;
    readonly slack: { readonly url: string } | null;
    readonly discord: { readonly url: string } | null;
  };
  /** What answers the addresses of the original API; those without an entry are answered from the store. */
  readonly readSource: {
    readonly dir: string | null;
    readonly sources: Readonly<Partial<Record<OriginalEndpoint, ReadSource>>>;
  };
  /** Keys of endpoints by the name of their variable. Never logged. */
  readonly apiKeys: Readonly<Record<string, string>>;
  /** Every secret of this configuration, to be hidden from logs and dashboards. */
  readonly secrets: readonly string[];
};

/** How long a receiver of posted trades may take to answer. */
const WEBHOOK_TIMEOUT_MS = 10_000;

export type ConfigOptions = {
  /** Defaults to the process environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths and `.env` belong to; defaults to the working directory. */
  readonly cwd?: string;
  readonly arenaFile?: string;
  readonly run?: string;
  /** Only these of the arena's models; all when absent. */
  readonly models?: readonly string[];
};

/** Reads, checks and freezes the configuration. Throws NOF0_CONFIG_INVALID that lists every fault. */
export function loadConfig(options: ConfigOptions = {}): Config {
  const cwd = options.cwd ?? process.cwd();
  const faults: Fault[] = [];
  const given = { ...readDotEnv(path.join(cwd, '.env'), faults), ...definedOnly(options.env ?? process.env) };
  if (options.run !== undefined) given.NOF0_RUN = options.run;
  const arenaFile = path.resolve(
    cwd,
    options.arenaFile ?? given.NOF0_ARENA ?? environmentFields.NOF0_ARENA.parse(undefined),
  );
  const arenaFaults: Fault[] = [];
  const { arena, references } = readArena(arenaFile, arenaFaults);
  const named = [...keyNames(references), ...accountKeyNames(references)];
  const variables = withSecretFiles(given, named, cwd, faults);
  const environment = environmentSchema.safeParse(variables);
  if (!environment.success) faults.push(...zodFaults(environment.error, 'environment'));
  for (const judge of [idFaults, keyFaults, tradingFaults, accountFaults])
    arenaFaults.push(...judge(references, variables, path.basename(arenaFile)));
  faults.push(...arenaFaults, ...unknownVariables(variables, [...named, ...secretFileNames(named)]));
  const names = deciders(references).flatMap(({ model }) => model.endpoint?.prompt ?? []);
  const prompts = readPrompts(names, path.dirname(arenaFile), faults);
  const deskPrompt = readPrompt(SHIPPED_DESK_PROMPT, faults);
  const tokens = readCredentials(variables.NOF0_HTTP_TOKENS_FILE, cwd, faults);
  if (faults.length > 0 || !environment.success || arena === null || deskPrompt === null) {
    throw new CodedError(
      'NOF0_CONFIG_INVALID',
      `${faults.length} fault${faults.length === 1 ? '' : 's'} in the configuration`,
      { faults },
    );
  }
  return freeze(
    toConfig(environment.data, onlyModels(arena, options.models), { variables, cwd, prompts, deskPrompt, tokens }),
  );
}

/** The arena with some of its models. Throws NOF0_CONFIG_INVALID for one that it does not have. */
function onlyModels(arena: Arena, ids: readonly string[] | undefined): Arena {
  if (ids === undefined) return arena;
  const known = arena.models.map(({ id }) => id);
  const unknown = ids.filter((id) => !known.includes(id));
  if (unknown.length > 0)
    throw new CodedError(
      'NOF0_CONFIG_INVALID',
      `the arena file has no model ${unknown.map((id) => `"${id}"`).join(', ')}`,
      {
        faults: unknown.map((id) => ({ path: `models.${id}`, expected: `one of ${known.join(', ')}` })),
      },
    );
  return { ...arena, models: arena.models.filter(({ id }) => ids.includes(id)) };
}

/** The pace of a market kind: its own entries over the arena's. Milliseconds. */
export function pace(arena: Arena, kind: MarketSettings['kind']): Schedules {
  const own = kind === 'equities' ? {} : (arena.paces[kind] ?? {});
  return {
    price: own.price ?? arena.schedules.price,
    decision: own.decision ?? arena.schedules.decision,
    snapshot: own.snapshot ?? arena.schedules.snapshot,
    analytics: own.analytics ?? arena.schedules.analytics,
    spread: own.spread ?? arena.schedules.spread ?? 0,
  };
}

/** The configuration as the desk of a run has it: traders, fees, limits and wording of the equities desk, or those of the arena. */
export function forRun(config: Config, kind: MarketSettings['kind']): Config {
  if (kind !== 'equities') return config;
  const { arena, prompts, deskPrompt } = config;
  return { ...config, prompts: { ...prompts, '': deskPrompt }, arena: { ...arena, ...deskFields(arena.equities) } };
}

/** Faults of a zod error, each path prefixed with where the value came from. */
export function zodFaults(error: z.ZodError, source: string): Fault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: `${source}: ${[...issue.path, key].join('.')}`,
        expected: 'no such field',
      }));
    }
    return [{ path: `${source}: ${issue.path.join('.') || '(whole)'}`, expected: issue.message }];
  });
}

function toConfig(
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

type References = z.infer<typeof arenaReferences>;

/** The arena, and of one that is at fault what other things must be judged by. */
function readArena(file: string, faults: Fault[]): { arena: Arena | null; references: References } {
  const name = path.basename(file);
  const nothing = { arena: null, references: { models: [] } };
  const text = readText(file, faults);
  if (text === null) return nothing;
  let parsed: unknown;
  try {
    parsed = parseYaml(text);
  } catch (error) {
    faults.push({ path: `${name}: (whole)`, expected: `valid YAML: ${messageOf(error).split('\n')[0]}` });
    return nothing;
  }
  const arena = arenaSchema.safeParse(parsed);
  if (!arena.success) faults.push(...zodFaults(arena.error, name));
  const references = arenaReferences.parse(parsed);
  return { arena: arena.success ? arena.data : null, references };
}

/** Names of the variables that hold keys of accounts at the exchange. */
function accountKeyNames({ models }: References): string[] {
  return models.flatMap((model) => model.live?.keyEnv ?? []);
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner !== null && typeof inner === 'object') freeze(inner as object);
  return Object.freeze(value);
}
