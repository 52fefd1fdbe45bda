/** Shapes of the public API, strict: a field too many is a fault like a field too few. */

import type { Hono } from 'hono';
import { expect } from 'vitest';
import { z } from 'zod';
import type { PublishedTrade } from '../../src/domain/published.ts';

const n = z.number();
const nullable = z.number().nullable();

export const position = z.strictObject({
  entry_oid: n,
  oid: n,
  tp_oid: n,
  sl_oid: n,
  risk_usd: n,
  confidence: n,
  index_col: z.string().nullable(),
  exit_plan: z.strictObject({
    profit_target: nullable,
    stop_loss: nullable,
    invalidation_condition: z.string().nullable(),
  }),
  entry_time: n,
  symbol: z.string(),
  entry_price: n,
  margin: n,
  wait_for_fill: z.boolean(),
  current_price: n,
  closed_pnl: n,
  liquidation_price: n,
  commission: n,
  leverage: n,
  slippage: n,
  quantity: n,
  unrealized_pnl: n,
});

const tradeFields =
  `id trade_id model_id symbol side trade_type quantity leverage confidence entry_price entry_time entry_human_time entry_oid entry_tid
  entry_sz entry_crossed entry_commission_dollars entry_closed_pnl entry_liquidation exit_price exit_time exit_human_time exit_oid exit_tid exit_sz
  exit_crossed exit_commission_dollars exit_closed_pnl exit_liquidation exit_plan realized_gross_pnl realized_net_pnl total_commission_dollars`.split(
    /\s+/,
  );

export const trade = z.custom<PublishedTrade>(
  (value) =>
    typeof value === 'object' && value !== null && Object.keys(value).sort().join() === [...tradeFields].sort().join(),
  'the 33 fields of a trade',
);

export const prices = z.strictObject({
  prices: z.record(z.string(), z.strictObject({ symbol: z.string(), price: n, timestamp: n })),
  serverTime: n,
});

export const accountTotals = z.strictObject({
  accountTotals: z.array(
    z.strictObject({
      id: z.string(),
      model_id: z.string(),
      timestamp: n,
      dollar_equity: n,
      realized_pnl: n,
      total_unrealized_pnl: n,
      cum_pnl_pct: n,
      sharpe_ratio: n,
      since_inception_hourly_marker: n,
      since_inception_minute_marker: n,
      positions: z.record(z.string(), z.unknown()),
    }),
  ),
  lastHourlyMarkerRead: n,
  serverTime: n,
});

export const positions = z.strictObject({
  accountTotals: z.array(z.strictObject({ model_id: z.string(), positions: z.record(z.string(), position) })),
  serverTime: n,
});

export const trades = z.strictObject({ trades: z.array(trade), nextCursor: z.string().optional(), serverTime: n });

export const sinceInceptionValues = z.strictObject({
  sinceInceptionValues: z.array(
    z.strictObject({
      id: z.string(),
      nav_since_inception: n,
      inception_date: n,
      num_invocations: n,
      model_id: z.string(),
    }),
  ),
  serverTime: n,
});

export const leaderboard = z.strictObject({
  leaderboard: z.array(
    z.strictObject({
      id: z.string(),
      num_trades: n,
      sharpe: n,
      win_dollars: n,
      num_losses: n,
      lose_dollars: n,
      return_pct: n,
      equity: n,
      num_wins: n,
    }),
  ),
});

const tables = z.looseObject({
  model_id: z.string(),
  updated_at: n,
  fee_pnl_moves_breakdown_table: z.record(z.string(), n),
});
export const analytics = z.strictObject({ analytics: tables, serverTime: n });
export const allAnalytics = z.strictObject({ analytics: z.array(tables), serverTime: n });

export const conversations = z.strictObject({
  conversations: z.array(
    z.strictObject({
      model_id: z.string(),
      messages: z.array(z.strictObject({ role: z.string(), content: z.string(), timestamp: n })),
    }),
  ),
  serverTime: n,
});

export const decisions = z.strictObject({
  decisions: z.array(
    z.strictObject({
      model_id: z.string(),
      cycle_number: n,
      timestamp: n,
      executed_at: nullable,
      success: z.boolean(),
      decisions: z.array(z.unknown()),
      rejected: z.array(z.unknown()),
      orders: z.array(z.unknown()),
      cot_trace: z.string().nullable(),
      prompt_digest: z.string().nullable(),
      usage: z.strictObject({
        prompt_tokens: nullable,
        completion_tokens: nullable,
        cost_usd: nullable,
        latency_ms: nullable,
        calls: n,
        cached: z.boolean(),
      }),
      error: z.strictObject({ code: z.string(), message: z.string().nullable() }).nullable(),
    }),
  ),
  nextBefore: z.string().optional(),
  serverTime: n,
});

export const models = z.strictObject({
  models: z.array(
    z.strictObject({
      id: z.string(),
      display_name: z.string(),
      exchange_provider: z.string(),
      market_provider: z.string(),
      trader: z.strictObject({ state: z.string(), last_decision_at: nullable, pause_until: nullable }).nullable(),
      metrics: z
        .strictObject({
          hours: n,
          return_pct: n,
          return_after_model_cost_pct: n,
          model_cost_usd: n,
          sharpe: n,
          sortino: n,
          volatility_pct: n,
          max_drawdown_pct: n,
          exposure_pct: n,
          intervals: z.strictObject({ window_return_pct: z.tuple([n, n]), sharpe: z.tuple([n, n]) }).nullable(),
        })
        .nullable(),
    }),
  ),
  serverTime: n,
});

export const failure = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    faults: z.array(z.strictObject({ path: z.string(), expected: z.string() })).optional(),
  }),
});

/** The answer to a path, checked against its shape. */
export async function getAnswer<T extends z.ZodType>(api: Hono, path: string, shape: T): Promise<z.infer<T>> {
  const response = await api.request(path);
  expect(response.status, path).toBe(200);
  expect(response.headers.get('content-type')).toContain('application/json');
  return shape.parse(await response.json());
}
