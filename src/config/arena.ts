/** The arena file: who trades what, at which pace, within which limits. Every field has a default, a check and a line of doc. */

import { z } from 'zod';
import { isCron } from '../domain/cron.ts';
import { modelIdSchema } from '../domain/ids.ts';
import { STRATEGY_NAMES } from '../domain/strategy-names.ts';
import { parseDuration } from '../domain/time.ts';
import { paperSchema } from './paper.ts';

/** A duration as people write it: `250ms`, `15s`, `3m`, `1h`, `30d`. Becomes milliseconds. */
const duration = (min = 1, max = Number.POSITIVE_INFINITY) =>
  z.string().transform((text, ctx) => {
    const ms = parseDuration(text);
    if (ms === null || ms < min || ms > max) {
      const limit = Number.isFinite(max) ? ` and at most ${max} ms` : '';
      ctx.addIssue({
        code: 'custom',
        message: `a duration of at least ${min} ms${limit}, such as 250ms, 15s, 3m, 1h`,
      });
      return z.NEVER;
    }
    return ms;
  });

/** A cron expression of five or six fields. */
const cron = z.string().refine(isCron, 'a cron expression such as "*/5 * * * *"');

const fraction = z.number().min(0).max(1);
const positiveUsd = z.number().positive();
const leverage = z.number().min(1).max(100);

const scheduleFields = {
  /** How often prices are fetched. */
  price: duration(100),
  /** How often a model decides; slots are aligned to the UTC clock. */
  decision: duration(1000),
  /** How often the equity of a model is recorded. */
  snapshot: duration(1000),
  /** How often analytics are computed without a trade causing it. */
  analytics: duration(1000),
  /** Over how much of its interval the starts of decisions are spread; their slots are not. */
  spread: duration(0).optional(),
};
const schedules = z.strictObject(scheduleFields);

/** Limits that no decision may pass. What they are judged by stands in `domain/guardrail-rules`. */
const guardrails = z.strictObject({
  /** Entries below it are rejected. */
  minConfidence: fraction.default(0.5),
  maxPositions: z.int().positive().default(4),
  /** Share of the equity that may be bound as margin. */
  maxMarginUsage: fraction.default(0.8),
  /** Symbols with the limits of majors; all others have those of `…Others`. */
  majors: z.array(z.string().min(1)).default(['BTC', 'ETH']),
  maxLeverage: leverage.default(5),
  maxLeverageOthers: leverage.default(3),
  /** Caps of single symbols, instead of their class's. */
  maxLeverageOf: z.record(z.string(), leverage).default({}),
  /** Smallest entry, notional USD. Exchanges refuse less than 10. */
  minPositionUsd: positiveUsd.default(20),
  maxPositionUsd: positiveUsd.default(1_000_000),
  /** The value of a position as a multiple of the equity: from, and up to. */
  minPositionToEquity: z.number().nonnegative().default(0.001),
  maxPositionToEquity: z.number().positive().default(1.5),
  maxPositionToEquityOthers: z.number().positive().default(1),
  /** How much must be traded. Open interest counts where the market knows it. */
  minVolume24hUsd: z.number().nonnegative().default(1_000_000),
  minOpenInterestUsd: z.number().nonnegative().default(5_000_000),
  /** A stop nearer than this fraction of the price is noise, one farther is none. */
  minStopDistance: fraction.default(0.0005),
  maxStopDistance: fraction.default(0.35),
  /** Distance of the target over the distance of the stop. */
  minRewardRisk: z.number().nonnegative().default(0.8),
  /** Share of the equity that the stop may cost. */
  maxRiskPerTrade: fraction.default(0.1),
  /** How long a symbol rests after a position in it was closed. */
  cooldown: duration(0).default(300_000),
  allowAdd: z.boolean().default(false),
  allowHedge: z.boolean().default(false),
  /** Age of a price at its slot. */
  maxPriceAge: duration(1000).default(120_000),
  /** Loss since the UTC day began, as a share of the equity then, from which on nothing is entered until the day ends. */
  maxDailyLoss: fraction.default(0.1),
  /** Annualised Sharpe ratio of hourly returns below which nothing is entered for a while, once the account is old enough. */
  minSharpe: z.number().default(-20),
  sharpeAfter: duration(0).default(48 * 3_600_000),
  sharpePause: duration(1000).default(3_600_000),
});

/** Losses at which a trader is stopped whatever its model answers, as fractions of its equity; null: never. */
const breakerFields = {
  /** Since the end of the market day before: pauses the trader until the next one. */
  dailyLoss: fraction.positive().nullable(),
  /** Since the highest equity: halts the trader until somebody resumes it. */
  drawdown: fraction.positive().nullable(),
};
const breakers = z.strictObject({
  dailyLoss: breakerFields.dailyLoss.default(0.15),
  drawdown: breakerFields.drawdown.default(0.5),
});

/** What is written into the database and into messages; a secret belongs into the key's variable. */
function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username + password + search + hash === '';
}

const variableName = z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'the name of an environment variable');

const endpoint = z.strictObject({
  /** Base address of an OpenAI-compatible API, for instance http://127.0.0.1:11434/v1. */
  baseUrl: z.url().refine(isPlainAddress, 'an http or https address without user, password, query and fragment'),
  /** Name of the model at that address. */
  model: z.string().min(1),
  /** Name of the environment variable that holds the key; the key itself never stands in a file. */
  apiKeyEnv: variableName.optional(),
  /** File with the wording of the prompt, relative to the arena file; the shipped one if absent. */
  prompt: z.string().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
  /** How hard a reasoning model thinks; passed on as it is. */
  reasoningEffort: z
    .string()
    .regex(/^[a-z]{1,20}$/, 'a word such as minimal, low, medium, high')
    .optional(),
  maxCompletionTokens: z.int().positive().max(1_000_000).default(2000),
  /** A question and its one repair must fit into the time of their job. */
  timeout: duration(100, 80_000).default(60_000),
  /** Whether answers are remembered; absent: in replays, where the same questions come again. */
  cache: z.boolean().optional(),
  /** Calls beyond the first, in one slot, when the endpoint did not answer. */
  retries: z.int().min(0).max(5).default(2),
  promptUsdPerMillionTokens: z.number().nonnegative().default(0),
  completionUsdPerMillionTokens: z.number().nonnegative().default(0),
});

const liveAccount = z.strictObject({
  /** Address of the account, not of its agent. */
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an address: 0x and 40 hex digits'),
  /** Name of the environment variable that holds the agent's private key; the key itself never stands in a file. */
  keyEnv: variableName,
  /** The address is a sub-account or a vault that the agent's owner leads. */
  isVault: z.boolean().default(false),
});

const participant = z
  .strictObject({
    id: modelIdSchema,
    /** Name on the leaderboard; the id if absent. */
    name: z.string().min(1).optional(),
    /** A built-in strategy … */
    strategy: z.enum(STRATEGY_NAMES).optional(),
    /** … or a language model behind an endpoint. */
    endpoint: endpoint.optional(),
    initialEquityUsd: positiveUsd.default(10_000),
    /** Own decision interval; the arena's if absent. */
    decision: duration(1000).optional(),
    /** Own limits of breakers; the arena's where absent. */
    breakers: z.strictObject(breakerFields).partial().optional(),
    /** Its account at the real exchange; used in live trading only. */
    live: liveAccount.optional(),
    /** Tokens and dollars a market day; absent is unlimited. */
    dailyTokens: z.int().positive().optional(),
    dailyUsd: positiveUsd.optional(),
  })
  .refine((model) => (model.strategy === undefined) !== (model.endpoint === undefined), {
    message: 'exactly one of "strategy" and "endpoint"',
    // Also when other fields of the model are at fault: all faults are reported together.
    when: ({ value }) => typeof value === 'object' && value !== null,
  });

export const arenaSchema = z.strictObject({
  /** Every random number of a run is a hash that begins with it. */
  seed: z.string().min(1).default('nof0'),
  /** Bars that indicators are computed on. */
  barInterval: duration(60_000).default(300_000),
  /** How much history the synthetic market invents before its first tick. */
  history: duration(60_000).default(24 * 3_600_000),
  schedules: schedules.prefault({ price: '1s', decision: '3m', snapshot: '5m', analytics: '1h' }),
  /** What a market kind runs instead of `schedules`: the demo must show something soon, a replay has minute candles. */
  paces: z
    .strictObject({
      synthetic: schedules.partial().optional(),
      replay: schedules.partial().optional(),
      hyperliquid: schedules.partial().optional(),
    })
    .prefault({
      synthetic: { decision: '15s', snapshot: '30s', analytics: '1m' },
      replay: { price: '1m' },
      // Where no feed runs, this is how often a real provider is asked.
      hyperliquid: { price: '5s' },
    }),
  hyperliquid: z
    .strictObject({
      /** What is traded, by the provider's names. */
      symbols: z.array(z.string().min(1).max(32)).min(1).default(['BTC', 'ETH', 'SOL', 'BNB', 'DOGE', 'XRP']),
    })
    .prefault({}),
  paper: paperSchema.prefault({}),
  /** When the platform looks after itself, as cron expressions in UTC. Only in real time. */
  maintenance: z
    .strictObject({
      /** Taking over effects that nobody drains. */
      relayEffects: cron.default('* * * * *'),
      /** Deleting run history that is older than its retention. */
      pruneRuns: cron.default('17 * * * *'),
      /** Comparing published keys with Postgres, and repairing them. */
      checkConsistency: cron.default('*/5 * * * *'),
      /** Writing every key, so that no reader meets an empty cache. */
      warmCache: cron.default('*/10 * * * *'),
      /** Finding positions without a live stop. */
      guardPositions: cron.default('* * * * *'),
      /** Refreshing the materialized views. */
      refreshViews: cron.default('*/5 * * * *'),
      /** Looking whether anything is wrong that people must know. */
      checkAlerts: cron.default('* * * * *'),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      /** How long nothing must have been seen of it before an alert is over. */
      resolveAfter: duration(1000).default(120_000),
      /** An alert that comes back sooner after its last message is held back so long. */
      coolDown: duration(0).default(900_000),
      /** How often people are reminded of an alert that lasts. */
      repeat: duration(60_000).default(6 * 3_600_000),
      /** How long a due slot may wait to be enqueued, and a due job to be begun. */
      slotLag: duration(1000).default(120_000),
      /** Slots without a decision. */
      missedDecisions: z.int().positive().default(5),
      /** Cycles in a row that an endpoint did not answer. */
      endpointFailures: z.int().positive().max(50).default(3),
      /** How long a process may be silent. */
      processSilence: duration(45_000).default(60_000),
      /** Free share of the disk of the data folder. */
      minDiskFree: fraction.default(0.1),
    })
    .prefault({}),
  retention: z
    .strictObject({
      /** How long run history is kept, wall time. */
      jobRuns: duration(60_000).prefault('14d'),
    })
    .prefault({}),
  guardrails: guardrails.prefault({}),
  /** Whether each finished cycle is also written to a file of its own. */
  journal: z.boolean().default(false),
  breakers: breakers.prefault({}),
  models: z.array(participant).min(1),
});

/** What is checked across fields, read from a file that may be at fault elsewhere. */
export const arenaReferences = z
  .object({
    models: z.array(
      z
        .object({
          id: z.string().optional().catch(undefined),
          endpoint: z
            .object({
              apiKeyEnv: variableName.optional().catch(undefined),
              prompt: z.string().min(1).optional().catch(undefined),
            })
            .optional()
            .catch(undefined),
          live: z
            .object({
              keyEnv: variableName.optional().catch(undefined),
              address: z.string().optional().catch(undefined),
            })
            .optional()
            .catch(undefined),
        })
        .catch({}),
    ),
  })
  .catch({ models: [] });

export type Arena = z.infer<typeof arenaSchema>;
export type Participant = Arena['models'][number];
/** What a run is paced by, all of it decided. Milliseconds. */
export type Schedules = Required<{ [Name in keyof Arena['schedules']]: NonNullable<Arena['schedules'][Name]> }>;
export type Guardrails = Arena['guardrails'];
