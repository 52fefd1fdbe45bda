import { z } from 'zod';
import { encodeId } from '../domain/ids.ts';
import { sha256 } from '../domain/random.ts';
import { defineJob, marketMs, modelId } from './contract.ts';

/** Names of exchanges, symbols, orders and transactions. */
const name = z.string().min(1).max(200);
const amount = z.number();
const exchangeNumber = z.int().nonnegative();

/** One ledger entry as an exchange tells it; see `Fill`. What an exchange does not tell may be left out. */
const fill = z.strictObject({
  id: name,
  symbol: z.string().max(32),
  side: z.enum(['buy', 'sell']),
  price: amount.nonnegative(),
  size: amount.nonnegative(),
  startPosition: amount.nullable().default(null),
  seq: exchangeNumber.default(0),
  feeUsd: amount.default(0),
  closedPnl: amount.default(0),
  oid: exchangeNumber.nullable().default(null),
  cloid: name.nullable().default(null),
  tid: exchangeNumber.nullable().default(null),
  crossed: z.boolean().default(true),
  liquidation: z.boolean().default(false),
  kind: z.enum(['trade', 'funding', 'transfer', 'opening']).default('trade'),
  tsMs: marketMs,
  raw: z.unknown().optional(),
});

export const tradeIngest = defineJob({
  name: 'trade-ingest',
  summary: "take fills of one model into its ledger: those that were pushed, or the exchange's own that are missing",
  version: 1,
  payload: z
    .strictObject({
      v: z.literal(1).default(1),
      modelId,
      /** The exchange that tells the fills. */
      provider: z.string().min(1).max(64),
      /** Empty: everything that the exchange has beyond the ledger. */
      fills: z.array(fill).max(10_000).default([]),
      asOfMs: marketMs,
    })
    // Under another id a fill would be counted once more when the exchange itself tells it.
    .refine(({ provider, fills }) => fills.every(({ id }) => id.startsWith(`${provider}:`)), {
      path: ['fills'],
      error: 'every id as <provider>:<account>:<number of the exchange>',
    }),
  identity: ({ modelId: id, fills }) =>
    fills.length === 0
      ? `trade-ingest_${encodeId(id)}`
      : `trade-ingest_${encodeId(id)}_${sha256(fills.map((each) => each.id).join('\u001f')).slice(0, 16)}`,
  runs: 'latest',
  exclusive: (payload) => `trade-ingest:${payload.modelId}`,
  modelOf: (payload) => payload.modelId,
  slotOf: () => null,
  asOf: (payload) => payload.asOfMs,
  attempts: 15,
  backoff: { baseMs: 250, capMs: 15_000 },
  timeoutMs: 60_000,
  priority: 0,
  keep: { completed: 100, failed: 1000 },
});
