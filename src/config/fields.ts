/** Parts of the arena file that both desks are described with. */

import { z } from 'zod';
import { modelIdSchema } from '../domain/ids.ts';
import { STRATEGY_NAMES } from '../domain/strategy-names.ts';
import { parseDuration } from '../domain/time.ts';

/** A duration as people write it: `250ms`, `15s`, `3m`, `1h`, `30d`. Becomes milliseconds. */
export const duration = (min = 1, max = Number.POSITIVE_INFINITY) =>
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

export const fraction = z.number().min(0).max(1);
const positiveUsd = z.number().positive();
const leverage = z.number().min(1).max(100);

/** Limits that no decision may pass. What they are judged by stands in `domain/guardrail-rules`. */
export const guardrails = z.strictObject({
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
export const breakerFields = {
  /** Since the end of the market day before: pauses the trader until the next one. */
  dailyLoss: fraction.positive().nullable(),
  /** Since the highest equity: halts the trader until somebody resumes it. */
  drawdown: fraction.positive().nullable(),
};
/** What is written into the database and into messages; a secret belongs into the key's variable. */
function isPlainAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username + password + search + hash === '';
}

export const variableName = z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'the name of an environment variable');

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

export const participant = z
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
