/** Rows of `leaderboard.json`, `since-inception-values.json`, `account-totals.json`, `positions.json` and `crypto-prices.json`. */

import { z } from 'zod';
import { modelIdSchema } from '../domain/ids.ts';
import * as f from './fields.ts';

export const leaderboardRow = z.object({
  id: modelIdSchema,
  equity: z.number(),
  sharpe: f.optionalNumber,
});

export const sinceInceptionRow = z.object({
  id: f.optionalText,
  model_id: modelIdSchema,
  nav_since_inception: z.number().positive(),
  inception_date: f.seconds,
  num_invocations: f.optional(f.count),
});

export const accountTotalRow = z.object({
  model_id: modelIdSchema,
  timestamp: f.seconds,
  dollar_equity: z.number(),
  realized_pnl: f.optionalNumber,
  total_unrealized_pnl: f.optionalNumber,
  cum_pnl_pct: f.optionalNumber,
  sharpe_ratio: f.optionalNumber,
  since_inception_hourly_marker: f.optional(f.count),
  since_inception_minute_marker: f.optional(f.count),
  positions: f.optional(z.record(z.string(), z.unknown())),
});

const position = z.object({
  symbol: f.symbol,
  quantity: z.number().refine((value) => value !== 0, 'expected a quantity other than 0'),
  entry_price: f.price,
  entry_time: f.seconds,
  entry_oid: f.optionalId,
  tp_oid: f.optionalId,
  sl_oid: f.optionalId,
  leverage: f.optional(z.number().positive()),
  confidence: f.optionalNumber,
  risk_usd: f.optionalNumber,
  index_col: f.optional(z.union([z.string(), z.number()]).transform(String)),
  exit_plan: f.exitPlan,
  wait_for_fill: f.optionalBoolean,
  slippage: f.optionalNumber,
  commission: f.optionalNumber,
  closed_pnl: f.optionalNumber,
});

/** All open positions of a model: one that is not listed is not open. */
export const positionsRow = z
  .object({ model_id: modelIdSchema, positions: z.record(z.string(), position) })
  .superRefine((row, context) => {
    for (const [name, { symbol }] of Object.entries(row.positions)) {
      if (symbol !== name)
        context.addIssue({ code: 'custom', path: ['positions', name, 'symbol'], message: `expected "${name}"` });
    }
  });

export const priceRow = z.object({
  symbol: f.symbol,
  price: f.price,
  timestamp: f.milliseconds,
});
