import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { defineJob, marketMs } from './contract.ts';

const symbol = z.string().min(1).max(64);
const price = z.number();
const known = z.number().nullable();

/** What a feed heard. Symbols that nobody knows are refused where it is stored. */
const pushedBatch = z.strictObject({
  /** Tells a batch from every other. */
  id: z.string().min(1).max(100),
  ticks: z.array(z.strictObject({ symbol, tsMs: z.int(), price: price.positive(), source: z.string().max(32) })),
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

export const priceIngest = defineJob({
  name: 'price-ingest',
  summary:
    'store what the market said since the last time or what a feed heard, let the paper exchange work through it, publish prices',
  version: 2,
  payload: z.strictObject({
    v: z.literal(2).default(2),
    provider: z.string().min(1).max(64),
    slotMs: marketMs.nullable().default(null),
    /** Market time up to which to ingest. */
    asOfMs: marketMs,
    /** What a feed heard; null: the provider is to be asked. */
    batch: pushedBatch.nullable().default(null),
  }),
  upgrades: { 2: (old) => ({ ...old, batch: null }) },
  identity: (payload) =>
    payload.batch === null
      ? `price-ingest_${encodeId(payload.provider)}_${payload.slotMs ?? payload.asOfMs}`
      : `price-ingest_${encodeId(payload.provider)}_${encodeId(payload.batch.id)}`,
  runs: 'each',
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
