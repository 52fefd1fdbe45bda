/**
 * The only reader of the environment and of the arena file. Everything is checked whole before anything starts: all faults are
 * reported at once, each with its place and what was expected there.
 */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { type Arena, arenaReferences, arenaSchema, type Schedules } from './config/arena.ts';
import { environmentFields, environmentSchema } from './config/environment.ts';
import { closest } from './domain/closest.ts';
import { CodedError, type Fault, messageOf } from './errors.ts';

export type { Arena, Guardrails, Participant, Schedules } from './config/arena.ts';

export type MarketSettings =
  | { readonly kind: 'synthetic' }
  | { readonly kind: 'replay'; readonly dir: string; readonly speed: number | 'max' };

export type TtlClasses = {
  readonly short: number;
  readonly medium: number;
  readonly long: number;
  readonly positions: number;
  readonly analytics: number;
  readonly guard: number;
  readonly lock: number;
};

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
  readonly redisServerPath: string | null;
  readonly http: { readonly host: string; readonly port: number | null };
  /** Port of the probes of a process without an API; 0: any free one. */
  readonly metricsPort: number;
  /** Null: nothing is traced. */
  readonly tracing: { readonly endpoint: string; readonly service: string } | null;
  readonly log: { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' };
  readonly dbPool: number;
  readonly concurrency: number;
  /** Milliseconds. */
  readonly ttl: TtlClasses;
  readonly arena: Arena;
  /** Keys of endpoints by the name of their variable. Never logged. */
  readonly apiKeys: Readonly<Record<string, string>>;
};

export type ConfigOptions = {
  /** Defaults to the process environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths and `.env` belong to; defaults to the working directory. */
  readonly cwd?: string;
  readonly arenaFile?: string;
  readonly run?: string;
};

/** Reads, checks and freezes the configuration. Throws NOF0_CONFIG_INVALID that lists every fault. */
export function loadConfig(options: ConfigOptions = {}): Config {
  const cwd = options.cwd ?? process.cwd();
  const faults: Fault[] = [];
  const variables = { ...readDotEnv(path.join(cwd, '.env'), faults), ...definedOnly(options.env ?? process.env) };
  if (options.run !== undefined) variables.NOF0_RUN = options.run;
  faults.push(...unknownVariables(variables));
  const environment = environmentSchema.safeParse(variables);
  if (!environment.success) faults.push(...zodFaults(environment.error, 'environment'));
  const arenaFile = path.resolve(
    cwd,
    options.arenaFile ?? variables.NOF0_ARENA ?? environmentFields.NOF0_ARENA.parse(undefined),
  );
  const arena = readArena(arenaFile, variables, faults);
  if (faults.length > 0 || !environment.success || arena === null) {
    throw new CodedError(
      'NOF0_CONFIG_INVALID',
      `${faults.length} fault${faults.length === 1 ? '' : 's'} in the configuration`,
      { faults },
    );
  }
  return freeze(toConfig(environment.data, arena, variables, cwd));
}

/** The pace of a market kind: its own entries over the arena's. Milliseconds. */
export function pace(arena: Arena, kind: MarketSettings['kind']): Schedules {
  const own = arena.paces[kind] ?? {};
  return {
    price: own.price ?? arena.schedules.price,
    decision: own.decision ?? arena.schedules.decision,
    snapshot: own.snapshot ?? arena.schedules.snapshot,
    analytics: own.analytics ?? arena.schedules.analytics,
    spread: own.spread ?? arena.schedules.spread ?? 0,
  };
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
  variables: Record<string, string>,
  cwd: string,
): Config {
  const queueRedisUrl = env.REDIS_QUEUE_URL ?? env.REDIS_URL;
  const cacheRedisUrl = env.REDIS_CACHE_URL ?? env.REDIS_URL;
  const keyNames = arena.models.flatMap((model) => model.endpoint?.apiKeyEnv ?? []);
  return {
    dataDir: path.resolve(cwd, env.NOF0_DATA_DIR),
    run: env.NOF0_RUN ?? null,
    servers:
      env.DATABASE_URL && queueRedisUrl && cacheRedisUrl
        ? { databaseUrl: env.DATABASE_URL, queueRedisUrl, cacheRedisUrl }
        : null,
    redisPrefix: env.NOF0_REDIS_PREFIX,
    redisServerPath: env.NOF0_REDIS_SERVER ?? null,
    http: { host: env.NOF0_HTTP_HOST, port: env.NOF0_HTTP_PORT ?? null },
    metricsPort: env.NOF0_METRICS_PORT,
    tracing: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? { endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT, service: env.OTEL_SERVICE_NAME }
      : null,
    log: { level: env.NOF0_LOG_LEVEL, format: env.NOF0_LOG_FORMAT },
    dbPool: env.NOF0_DB_POOL,
    concurrency: env.NOF0_CONCURRENCY,
    ttl: {
      short: env.NOF0_TTL_SHORT * 1000,
      medium: env.NOF0_TTL_MEDIUM * 1000,
      long: env.NOF0_TTL_LONG * 1000,
      positions: env.NOF0_TTL_POSITIONS * 1000,
      analytics: env.NOF0_TTL_ANALYTICS * 1000,
      guard: env.NOF0_TTL_GUARD * 1000,
      lock: env.NOF0_TTL_LOCK * 1000,
    },
    arena,
    apiKeys: Object.fromEntries(keyNames.map((name) => [name, variables[name] ?? ''])),
  };
}

function readDotEnv(file: string, faults: Fault[]): Record<string, string> {
  if (!existsSync(file)) return {};
  const text = readText(file, faults);
  if (text === null) return {};
  text.split(/\r?\n/).forEach((line, index) => {
    if (
      line.trim() !== '' &&
      !line.trim().startsWith('#') &&
      !/^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=/.test(line)
    ) {
      faults.push({ path: `.env: line ${index + 1}`, expected: 'NAME=value, a comment or an empty line' });
    }
  });
  return definedOnly(parseEnv(text));
}

function readArena(file: string, variables: Record<string, string>, faults: Fault[]): Arena | null {
  const name = path.basename(file);
  const text = readText(file, faults);
  if (text === null) return null;
  let parsed: unknown;
  try {
    parsed = parseYaml(text);
  } catch (error) {
    faults.push({ path: `${name}: (whole)`, expected: `valid YAML: ${messageOf(error).split('\n')[0]}` });
    return null;
  }
  const arena = arenaSchema.safeParse(parsed);
  if (!arena.success) faults.push(...zodFaults(arena.error, name));
  faults.push(...crossFaults(parsed, variables, name));
  return arena.success ? arena.data : null;
}

/** The text of a file; null, and a fault, when it cannot be read. */
function readText(file: string, faults: Fault[]): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    faults.push({ path: `${path.basename(file)}: (whole)`, expected: `a readable file at ${file}` });
    return null;
  }
}

/** What one field alone cannot show: ids that appear twice, keys that are named but not set. */
function crossFaults(parsed: unknown, variables: Record<string, string>, name: string): Fault[] {
  const seen = new Set<string>();
  return arenaReferences.parse(parsed).models.flatMap((model, index) => {
    const faults: Fault[] = [];
    if (model.id !== undefined && seen.has(model.id))
      faults.push({ path: `${name}: models.${index}.id`, expected: `an id of its own ("${model.id}" is taken)` });
    if (model.id !== undefined) seen.add(model.id);
    const keyName = model.endpoint?.apiKeyEnv;
    if (keyName !== undefined && !variables[keyName]) {
      faults.push({
        path: `${name}: models.${index}.endpoint.apiKeyEnv`,
        expected: `the environment variable ${keyName} to be set`,
      });
    }
    return faults;
  });
}

/** A misspelt NOF0_… variable would be ignored in silence; it is a fault, with the name that was probably meant. */
function unknownVariables(variables: Record<string, string>): Fault[] {
  const known = Object.keys(environmentFields);
  return Object.keys(variables)
    .filter((name) => name.startsWith('NOF0_') && !known.includes(name))
    .map((name) => {
      const guess = closest(name, known);
      return {
        path: `environment: ${name}`,
        expected: guess ? `a known name; did you mean ${guess}?` : 'a known name',
      };
    });
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  // An empty variable is one that is not set: compose files and CI systems pass them so.
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner !== null && typeof inner === 'object') freeze(inner as object);
  return Object.freeze(value);
}
