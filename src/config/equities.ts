/** The equities desk: one trader, New York sessions, the paper exchange. What it does not say, the arena file says for both desks. */

import { z } from 'zod';
import { duration, guardrails, participant } from './fields.ts';

const fraction = z.number().min(0).max(1);
const MINUTE_MS = 60_000;

export const equitiesSchema = z.strictObject({
  /** Who confirms entries and exits. */
  trader: participant.prefault({ id: 'equities', strategy: 'session-trader', initialEquityUsd: 100_000 }),
  /** Only these symbols of the feed; empty: all of them, and of a real market twenty well-known ones. */
  universe: z.array(z.string().min(1).max(32)).default([]),
  /** Sectors of stocks that the desk does not know by itself. */
  sectors: z.record(z.string().min(1).max(32), z.string().min(1).max(64)).default({}),
  /** The real market, which `--market api` asks. */
  api: z
    .strictObject({
      /** Whose trades and quotes: `iex` is one exchange and free, `sip` all of them. */
      feed: z.enum(['iex', 'sip']).default('iex'),
      /** Requests a minute that the key has, for all processes together. */
      requestsPerMinute: z.int().min(10).max(100_000).default(200),
      /** Sessions before the first one whose bars are fetched. */
      sessionsBefore: z.int().min(1).max(30).default(3),
    })
    .prefault({}),
  /** The session that the synthetic feed invents, a New York date. */
  day: z.iso.date().default('2025-05-09'),
  /** What scores headlines: a lexicon, or the endpoint of `trader` (without one, the lexicon). */
  sentiment: z.enum(['lexicon', 'model']).default('lexicon'),
  /** Bars of the screen and of the model. */
  barInterval: duration(MINUTE_MS).prefault('5m'),
  schedules: z
    .strictObject({
      /** How often bars and quotes are fetched; a replay has minute bars. */
      ingest: duration(1000).prefault('1s'),
      screen: duration(1000).prefault('1m'),
      monitor: duration(1000).prefault('5s'),
      news: duration(1000).prefault('5m'),
      context: duration(1000).prefault('1m'),
      performance: duration(1000).prefault('5m'),
    })
    .prefault({}),
  watchlist: z.int().positive().default(10),
  candidates: z.int().positive().default(5),
  /** Candidates below it are no entry signals. */
  minScore: fraction.default(0.6),
  maxPositions: z.int().positive().default(5),
  /** Largest position as a share of the equity. */
  maxPositionToEquity: fraction.default(0.25),
  maxDailyLoss: fraction.default(0.03),
  /** How long a symbol rests after a position in it was closed. */
  cooldown: duration(0).prefault('15m'),
  /** Once a position has gained it, it is closed when the price falls by it from its highest. */
  trailing: fraction.default(0.008),
  /** Nothing is entered later than this before the close. */
  lastEntry: duration(0).prefault('30m'),
  /** From here to the close every open position is an exit signal. */
  sessionEnd: duration(0).prefault('15m'),
  /** From here to the close everything is closed without asking; null: positions may stay overnight. */
  flat: duration(0).nullable().prefault('5m'),
  /** Commission, basis points of the notional. */
  feeBps: z.number().min(0).max(1000).default(0.5),
  slippageBps: z.number().min(0).max(1000).default(1),
});

export type Equities = z.infer<typeof equitiesSchema>;

/** What the desk's settings make of the fields that both desks have. */
export function deskFields(desk: Equities) {
  return {
    models: [desk.trader],
    barInterval: desk.barInterval,
    paper: {
      takerFeeBps: desk.feeBps,
      makerFeeBps: desk.feeBps,
      feeTiers: [],
      slippageBps: desk.slippageBps,
      liquidationFeeBps: 0,
      marginTiers: [],
    },
    guardrails: guardrails.parse({
      majors: [],
      maxLeverage: 1,
      maxLeverageOthers: 1,
      maxPositions: desk.maxPositions,
      maxMarginUsage: 1,
      minPositionUsd: 100,
      maxPositionToEquity: desk.maxPositionToEquity,
      maxPositionToEquityOthers: desk.maxPositionToEquity,
      maxDailyLoss: desk.maxDailyLoss,
      cooldown: `${desk.cooldown}ms`,
      maxStopDistance: 0.1,
      maxRiskPerTrade: 0.02,
    }),
  };
}
