/** What the market said since the last time → Postgres, the paper exchange, the price keys. */

import type { MarketBatch } from '../domain/market.ts';
import { refresh } from '../domain/published-keys.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import { addEffects, type EffectRow, type NewEffect } from '../store/effects.ts';
import { ledgerHeads } from '../store/ledger.ts';
import { ingestCursor } from '../store/market.ts';
import { ANY_WATERMARK, storeBatch } from '../store/market-batch.ts';
import { isUnfired } from '../store/runs.ts';
import { withPartitions } from '../store/tick-partitions.ts';
import { crossing } from '../telemetry/boundaries.ts';
import { committed, done, type Outcome, type Stories, skipped, snoozed } from './context.ts';

/** A feed tells everything within a few seconds; while it does, nobody need ask. */
const FEED_LAG_MS = 5000;
/** How long the ingest of a slot waits that has to fire again. */
const UNFIRED = snoozed(200, 'a crash of the database took back that this slot has fired; it fires again');

/**
 * Ingests (watermark, asOfMs]. Run again it finds the watermark there and only does what was left: a crash between the commit and the
 * matcher loses nothing, because the matcher has a cursor of its own.
 */
export async function ingestPrices(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<Outcome> {
  const { market } = stories;
  const toMs = stories.clock.now(asOfMs);
  const guessMs = guessed(stories, asOfMs);
  const beforeMs = guessMs ?? (await ingestCursor(stories.db, market.provider))?.watermarkMs ?? 0;
  const covered = beforeMs > 0 && beforeMs >= asOfMs - (market.openFeed ? FEED_LAG_MS : 0);
  const effects = covered ? [] : await store(stories, beforeMs || null, toMs, signal);
  if (effects === null && guessMs !== null) return ingestPrices(stories, asOfMs, signal);
  if (effects === null && (await isUnfired(stories.db, toMs))) return UNFIRED;
  // Run late, it finds the market further on than it was asked for. Another worker may have been faster: what it stored may overlap, and
  // everything behind its watermark comes with the next slot.
  const behind = await spread(stories, effects ?? [], Math.max(toMs, beforeMs), signal);
  if (covered && behind === 0) return skipped('covered by a later ingest');
  return done({ ticks: effects !== null && effects.length > 0 });
}

/** Where the last batch of a replay that this process stored came to. */
const storedUntil = new WeakMap<object, number>();

/**
 * How far a replay has been ingested, if this process need not ask: whoever stores on a wrong guess is told, and it is forgotten. A guess that
 * covers the slot is none, for the database may have forgotten what it says in a crash.
 */
function guessed({ db, market }: Stories, asOfMs: number): number | null {
  const guessMs = market.extent === null ? undefined : storedUntil.get(db);
  return guessMs !== undefined && guessMs < asOfMs ? guessMs : null;
}

/** Ingests what a feed heard. Again, late or out of order it changes nothing that it should not: rows are known by their keys. */
export async function ingestPushed(
  stories: Stories,
  batch: MarketBatch,
  asOfMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const effects = (await write(stories, ANY_WATERMARK, batch, signal)) ?? [];
  await spread(stories, effects, Math.max(asOfMs, batch.watermarkMs), signal);
  return done({ ticks: batch.ticks.length });
}

/**
 * What was stored goes to the readers of prices and to the exchange; readers need not wait for it. Returns how many ledgers were asked to
 * fetch fills.
 */
function spread(stories: Stories, effects: readonly EffectRow[], asOfMs: number, signal: AbortSignal): Promise<number> {
  const published = stories.drain(effects);
  return matchAndAnnounce(stories, asOfMs, signal).finally(() => published);
}

async function matchAndAnnounce(stories: Stories, asOfMs: number, signal: AbortSignal): Promise<number> {
  await stories.exchange.match?.(signal);
  const followUps = await announceNewFills(stories, asOfMs);
  await stories.drain(followUps);
  return followUps.length;
}

/** Null when it was not stored: the provider's watermark is another one by now, or the slot has to fire again. */
async function store(
  stories: Stories,
  fromMs: number | null,
  toMs: number,
  signal: AbortSignal,
): Promise<EffectRow[] | null> {
  const batch = await crossing('call market.fetch', () => stories.market.fetch(fromMs, toMs, signal));
  return write(stories, fromMs, batch, signal);
}

async function write(
  stories: Stories,
  fromMs: number | null,
  batch: MarketBatch,
  signal: AbortSignal,
): Promise<EffectRow[] | null> {
  const { db, market, metrics } = stories;
  signal.throwIfAborted();
  const effects = keysOf(stories, batch);
  const stored = await committed(stories, 'ingest-prices', () =>
    withPartitions(db, batch.ticks, () => storeBatch(db, market.provider, fromMs, batch, effects)),
  );
  if (stored === null) {
    storedUntil.delete(db);
    return null;
  }
  storedUntil.set(db, batch.watermarkMs);
  const { refused, repeated, late } = stored;
  const labels = { provider: market.provider };
  if (refused > 0) metrics.ticksRefused.inc(labels, refused);
  if (repeated > 0) metrics.ticksRepeated.inc(labels, repeated);
  if (late > 0) metrics.ticksLate.inc(labels, late);
  metrics.ticksIngested.inc(labels, batch.ticks.length - refused - repeated);
  return stored.effects;
}

/** Contexts in the cache are of the last full stretch of this length. */
const CONTEXT_STEP_MS = 10_000;
/** The last stretch that this process had them refreshed for. */
const shownUntil = new WeakMap<object, number>();

/**
 * The keys of the contexts, once a stretch of market time and after every candle, however often prices come. Not in a replay, where
 * stretches pass faster than anybody looks: there the keys are written by those who read them.
 */
function contextsDue({ db, market }: Stories, { candles, watermarkMs }: MarketBatch): ReturnType<typeof refresh>[] {
  if (market.extent !== null) return [];
  const step = Math.floor(watermarkMs / CONTEXT_STEP_MS);
  if (candles.length === 0 && step <= (shownUntil.get(db) ?? 0)) return [];
  shownUntil.set(db, Math.max(step, shownUntil.get(db) ?? 0));
  return [refresh('marketCtx', market.provider)];
}

/** The keys that a batch moves. */
function keysOf(stories: Stories, batch: MarketBatch): NewEffect[] {
  return stories.desk === null ? [refresh('cryptoPrices'), ...contextsDue(stories, batch)] : deskKeys(batch);
}

/** The keys of the equities desk that a batch moves. Indicators are those of closed bars. */
function deskKeys({ ticks, candles }: MarketBatch): NewEffect[] {
  return [
    ...(ticks.length + candles.length === 0 ? [] : [refresh('stockPrice'), refresh('stockPosition')]),
    ...(candles.length === 0 ? [] : [refresh('stockIndicators')]),
    refresh('systemState'),
  ];
}

/** Accounts whose exchange knows more fills than their ledger are asked to fetch them. */
async function announceNewFills(stories: Stories, asOfMs: number): Promise<EffectRow[]> {
  const [heads, known] = await Promise.all([
    stories.exchange.fillHeads(),
    ledgerHeads(stories.db, [...stories.traders.keys()]),
  ]);
  const behind = [...heads].filter(([account, seq]) => seq > (known.get(account) ?? 0) && stories.traders.has(account));
  return addEffects(
    stories.db,
    behind.map(([modelId]) => enqueueEffect('trade-ingest', { modelId, provider: stories.exchange.provider, asOfMs })),
  );
}
