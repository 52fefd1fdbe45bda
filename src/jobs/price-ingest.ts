import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import type { MarketBatch, Tick } from '../domain/market.ts';
import { countPacked, packTicks, unpackTicks } from '../domain/packed-ticks.ts';
import { defineJob, marketMs } from './contract.ts';

const symbol = z.string().min(1).max(64);
const price = z.number();
const known = z.number().nullable();

/** What a feed heard. Symbols that nobody knows are refused where it is stored. */
const pushedBatch = z.strictObject({
  /** Tells a batch from every other. */
  id: z.string().min(1).max(100),
  /** Packed: by far the most rows. */
  ticks: z.strictObject({
    symbols: z.array(symbol),
    sources: z.array(z.string().max(32)),
    fromMs: z.int(),
    rows: z.string(),
  }),
  candles: z.array(
    z.strictObject({ symbol, openTsMs: z.int(), open: price, high: price, low: price, close: price, volume: price }),
  ),
  contexts: z.array(
    z.strictObject({
      symbol,
      tsMs: z.int(),
      markPrice: price,
      midPrice: known,
      oraclePrice: known,
      fundingRate: known,
      openInterest: known,
      volume24h: known,
    }),
  ),
  fundings: z.array(z.strictObject({ symbol, tsMs: z.int(), rate: price })),
  /** Everything up to here is in this or an earlier batch; 0: nobody can say. */
  watermarkMs: z.int().nonnegative(),
});

export type PushedBatch = z.infer<typeof pushedBatch>;

/** @throws CodedError NOF0_PAYLOAD_INVALID for ticks that are none */
export function unpackBatch({ id: _id, ticks, ...rest }: PushedBatch): MarketBatch {
  return { ...rest, ticks: unpackTicks(ticks) };
}

function batchNote({ id, ticks, candles, watermarkMs }: PushedBatch): object {
  return { id, ticks: countPacked(ticks), candles: candles.length, watermarkMs };
}

/** Ticks of a payload of version 2. */
function packBatch(batch: unknown): unknown {
  if (typeof batch !== 'object' || batch === null || !('ticks' in batch) || !Array.isArray(batch.ticks)) return batch;
  return { ...batch, ticks: packTicks(batch.ticks as Tick[]) };
}

export const priceIngest = defineJob({
  name: 'price-ingest',
  desk: 'arena',
  summary:
    'store what the market said since the last time or what a feed heard, let the paper exchange work through it, publish prices',
  version: 3,
  payload: z.strictObject({
    v: z.literal(3).default(3),
    provider: z.string().min(1).max(64),
    slotMs: marketMs.nullable().default(null),
    /** Market time up to which to ingest. */
    asOfMs: marketMs,
    /** What a feed heard; null: the provider is to be asked. */
    batch: pushedBatch.nullable().default(null),
  }),
  upgrades: { 2: (old) => ({ ...old, batch: null }), 3: (old) => ({ ...old, batch: packBatch(old.batch) }) },
  identity: (payload) =>
    payload.batch === null
      ? `price-ingest_${encodeId(payload.provider)}_${payload.slotMs ?? payload.asOfMs}`
      : `price-ingest_${encodeId(payload.provider)}_${encodeId(payload.batch.id)}`,
  runs: 'each',
  // Its rows are in their tables; history would hold them a second time.
  remembered: ({ batch, ...payload }) => ({ ...payload, batch: batch && batchNote(batch) }),
  routine: ({ batch }) => batch !== null,
  modelOf: () => null,
  slotOf: (payload) => payload.slotMs,
  asOf: (payload) => payload.asOfMs,
  attempts: 10,
  backoff: { baseMs: 200, capMs: 10_000 },
  timeoutMs: 60_000,
  priority: 0,
  // Batches of a provider are ordered by its cursor; a second one at a time would only wait for the first.
  concurrency: 1,
  keep: { completed: 100, failed: 1000 },
});
