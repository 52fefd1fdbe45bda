/**
 * The only reader of the environment and of the arena file. Everything is checked whole before anything starts: all faults are
 * reported at once, each with its place and what was expected there.
 */

import path from 'node:path';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import { type Arena, arenaReferences, arenaSchema, type Schedules } from './config/arena.ts';
import { toConfig } from './config/assemble.ts';
import { environmentFields, environmentSchema } from './config/environment.ts';
import { deskFields } from './config/equities.ts';
import { definedOnly, readDotEnv, readPrompt, readPrompts, readText, SHIPPED_DESK_PROMPT } from './config/files.ts';
import { readCredentials } from './config/http.ts';
import {
  accountFaults,
  accountKeyNames,
  deciders,
  idFaults,
  keyFaults,
  keyNames,
  tradingFaults,
  unknownVariables,
} from './config/judges.ts';
import { secretFileNames, withSecretFiles } from './config/secrets.ts';
import type { Config, MarketSettings } from './config/settings.ts';
import { CodedError, type Fault, messageOf } from './errors.ts';

export type { Arena, Guardrails, Participant, Schedules } from './config/arena.ts';
export { readPrompt } from './config/files.ts';
export type { Config, EquitiesMarket, MarketSettings, TradingAccount, TtlClasses } from './config/settings.ts';

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

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner !== null && typeof inner === 'object') freeze(inner as object);
  return Object.freeze(value);
}
