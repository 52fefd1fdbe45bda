/** The arena file: who trades what, at which pace, within which limits. Every field has a default, a check and a line of doc. */

import { z } from 'zod';
import { isCron } from '../domain/cron.ts';
import { equitiesSchema } from './equities.ts';
import { breakerFields, duration, fraction, guardrails, participant, variableName } from './fields.ts';
import { paperSchema } from './paper.ts';

/** A cron expression of five or six fields. */
const cron = z.string().refine(isCron, 'a cron expression such as "*/5 * * * *"');

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

const breakers = z.strictObject({
  dailyLoss: breakerFields.dailyLoss.default(0.15),
  drawdown: breakerFields.drawdown.default(0.5),
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
      /** Asking the market for stored candles that are missing. */
      fillGaps: cron.default('*/10 * * * *'),
      /** Making the partitions of coming days. */
      makePartitions: cron.default('7 * * * *'),
      /** Moving old rows into files. */
      archive: cron.default('23 * * * *'),
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
  gaps: z
    .strictObject({
      /** Missing candles that one run of the task asks for at most. */
      candlesPerRun: z.int().positive().default(5000),
    })
    .prefault({}),
  retention: z
    .strictObject({
      /** How long run history is kept, wall time. */
      jobRuns: duration(60_000).prefault('14d'),
      /** How long rows stay in the tables, market time, before whole UTC days of them go into files. */
      ticks: duration(86_400_000).prefault('30d'),
      contexts: duration(86_400_000).prefault('30d'),
      candles: duration(86_400_000).prefault('365d'),
      frames: duration(86_400_000).prefault('90d'),
      /** Decision cycles with what was said in them. */
      decisions: duration(86_400_000).prefault('90d'),
      /** What the equities desk has seen: signals, looks at closed positions, scans, headlines, sentiment, descriptions of the market. */
      desk: duration(86_400_000).prefault('90d'),
      /** How long a journal file stays after it was written, wall time. */
      journal: duration(60_000).prefault('90d'),
      /** How far ahead partitions of ticks are made. */
      partitionsAhead: duration(0).prefault('3d'),
    })
    .prefault({}),
  guardrails: guardrails.prefault({}),
  /** Whether each finished cycle is also written to a file of its own. */
  journal: z.boolean().default(false),
  breakers: breakers.prefault({}),
  /** The second desk, which `nof0 up --desk equities` brings up in a run of its own. */
  equities: equitiesSchema.prefault({}),
  models: z.array(participant).min(1),
});

/** What is checked across fields, read from a file that may be at fault elsewhere. */
const reference = z
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
  .catch({});

export const arenaReferences = z
  .object({
    models: z.array(reference),
    equities: z.object({ trader: reference.optional() }).optional().catch(undefined),
  })
  .catch({ models: [] });

export type Arena = z.infer<typeof arenaSchema>;
export type Participant = Arena['models'][number];
/** What a run is paced by, all of it decided. Milliseconds. */
export type Schedules = Required<{ [Name in keyof Arena['schedules']]: NonNullable<Arena['schedules'][Name]> }>;
export type Guardrails = Arena['guardrails'];
