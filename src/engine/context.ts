/** What every story gets: the doors it may use, and market time. Stories take time from nowhere else. */

import type { Config, Participant, Schedules } from '../config.ts';
import type { PromptTemplate } from '../domain/prompt-template.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { DecisionModel, HeadlineScorer } from '../llm/decision-model.ts';
import type { MarketData } from '../market/market-data.ts';
import type { Database } from '../store/database.ts';
import type { EffectRow } from '../store/effects.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Market time. In real time it is the wall's; in a replay it stands still until everything due has run. */
export interface Clock {
  /** Market time for work that was asked for at `asOfMs`. Never before it. */
  now(asOfMs: number): number;
  /** Whether the same market comes out again when it is asked again. */
  readonly repeats: boolean;
}

export const realTime: Clock = { now: (asOfMs) => Math.max(asOfMs, Date.now()), repeats: false };
export const replayTime: Clock = { now: (asOfMs) => asOfMs, repeats: true };

/** A participant with the model that decides for it. */
export type Trader = {
  readonly participant: Participant;
  readonly model: DecisionModel;
  /** How the model is asked; a built-in strategy is asked without words. */
  readonly prompt: PromptTemplate;
  readonly configDigest: string;
};

/** Settings of the equities desk, and who trades for it. */
export type Desk = { readonly modelId: string; readonly settings: Config['arena']['equities'] };

export type Stories = {
  readonly db: Database;
  /** Applies effects of a commit that this process made. Never throws. */
  readonly drain: (effects: readonly EffectRow[]) => Promise<void>;
  readonly market: MarketData;
  readonly exchange: Exchange;
  readonly traders: ReadonlyMap<string, Trader>;
  readonly clock: Clock;
  readonly config: Config;
  readonly pace: Schedules;
  readonly seed: string;
  /** The equities desk; null where the arena trades. */
  readonly desk: Desk | null;
  /** Scores headlines of the desk; null: the lexicon does. */
  readonly headlines: HeadlineScorer | null;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** How a story ended when it did not throw. */
export type Outcome =
  | { readonly kind: 'done'; readonly note?: Record<string, unknown> }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'snoozed'; readonly ms: number; readonly reason: string };

export const done = (note?: Record<string, unknown>): Outcome => (note ? { kind: 'done', note } : { kind: 'done' });
export const skipped = (reason: string): Outcome => ({ kind: 'skipped', reason });
export const snoozed = (ms: number, reason: string): Outcome => ({ kind: 'snoozed', ms, reason });

/** Times a commit for the metrics of its story. */
export async function committed<T>(stories: Stories, story: string, commit: () => Promise<T>): Promise<T> {
  const end = stories.metrics.persistenceLatency.startTimer({ story });
  try {
    const result = await commit();
    stories.metrics.dbWrites.inc({ story, result: 'ok' });
    return result;
  } catch (error) {
    stories.metrics.dbWrites.inc({ story, result: 'failed' });
    throw error;
  } finally {
    end();
  }
}
