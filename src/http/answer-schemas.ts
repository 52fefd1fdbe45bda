/** What the read API answers. The published description is made of these, and the handlers are held to them. */

import { z } from 'zod';
import { deskViewSchema } from '../domain/desk/published.ts';

const number = z.number();
const text = z.string();
const seconds = z.number().describe('Unix seconds, with a fraction.');
const milliseconds = z.number().describe('Unix milliseconds.');
const percent = z.number().describe('0 to 100.');

const exitPlan = z.strictObject({
  profit_target: number.nullable(),
  stop_loss: number.nullable(),
  invalidation_condition: text.nullable(),
});

const position = z.strictObject({
  entry_oid: number,
  oid: number,
  tp_oid: number,
  sl_oid: number,
  risk_usd: number,
  confidence: number,
  index_col: text.nullable(),
  exit_plan: exitPlan,
  entry_time: seconds,
  symbol: text,
  entry_price: number,
  margin: number,
  wait_for_fill: z.boolean(),
  current_price: number,
  closed_pnl: number,
  liquidation_price: number,
  commission: number,
  leverage: number,
  slippage: number,
  quantity: number.describe('Below zero: short.'),
  unrealized_pnl: number,
});

const trade = z.strictObject({
  id: text,
  trade_id: text,
  model_id: text,
  symbol: text,
  side: text,
  trade_type: text,
  quantity: number.describe('Below zero: short.'),
  leverage: number,
  confidence: number,
  entry_price: number,
  entry_time: seconds,
  entry_human_time: text,
  entry_oid: number.nullable(),
  entry_tid: number.nullable(),
  entry_sz: number.nullable(),
  entry_crossed: z.boolean().nullable(),
  entry_commission_dollars: number.nullable(),
  entry_closed_pnl: number.nullable(),
  entry_liquidation: z.unknown(),
  exit_price: number,
  exit_time: seconds,
  exit_human_time: text,
  exit_oid: number.nullable(),
  exit_tid: number.nullable(),
  exit_sz: number.nullable(),
  exit_crossed: z.boolean().nullable(),
  exit_commission_dollars: number.nullable(),
  exit_closed_pnl: number.nullable(),
  exit_liquidation: z.unknown(),
  exit_plan: z.record(text, z.unknown()),
  realized_gross_pnl: number,
  realized_net_pnl: number,
  total_commission_dollars: number,
});

const figures = z.record(text, number);
const analyticsPayload = z.strictObject({
  id: text,
  model_id: text,
  updated_at: seconds,
  fee_pnl_moves_breakdown_table: figures,
  winners_losers_breakdown_table: figures,
  signals_breakdown_table: figures,
  longs_shorts_breakdown_table: figures,
  overall_trades_overview_table: figures,
  invocation_breakdown_table: figures,
  last_trade_exit_time: seconds.nullable(),
  last_trade_doc_id: text.nullable(),
  last_convo_timestamp: seconds.nullable(),
  last_convo_doc_id: text.nullable(),
});

const interval = z.tuple([number, number]).readonly();
const equityMetrics = z.strictObject({
  hours: number,
  return_pct: percent,
  return_after_model_cost_pct: percent,
  model_cost_usd: number,
  sharpe: number,
  sortino: number,
  volatility_pct: percent,
  max_drawdown_pct: percent,
  exposure_pct: percent,
  intervals: z.strictObject({ window_return_pct: interval, sharpe: interval }).nullable(),
});

export const cryptoPrices = z.strictObject({
  prices: z.record(text, z.strictObject({ symbol: text, price: number, timestamp: milliseconds })),
});

export const accountTotals = z.strictObject({
  accountTotals: z.array(
    z.strictObject({
      id: text,
      model_id: text,
      timestamp: seconds,
      dollar_equity: number,
      realized_pnl: number,
      total_unrealized_pnl: number,
      cum_pnl_pct: percent,
      sharpe_ratio: number,
      since_inception_hourly_marker: number,
      since_inception_minute_marker: number,
      positions: z.record(text, z.unknown()),
    }),
  ),
  lastHourlyMarkerRead: number,
});

export const positions = z.strictObject({
  accountTotals: z.array(z.strictObject({ model_id: text, positions: z.record(text, position) })),
});

export const trades = z.strictObject({
  trades: z.array(trade),
  nextCursor: text.optional().describe('There when older trades are: the cursor of the next page.'),
});

export const sinceInceptionValues = z.strictObject({
  sinceInceptionValues: z.array(
    z.strictObject({
      id: text,
      nav_since_inception: number,
      inception_date: seconds,
      num_invocations: number,
      model_id: text,
    }),
  ),
});

export const leaderboardRow = z.strictObject({
  id: text,
  num_trades: number,
  sharpe: number,
  win_dollars: number,
  num_losses: number,
  lose_dollars: number,
  return_pct: percent,
  equity: number,
  num_wins: number,
});
export const leaderboard = z.strictObject({ leaderboard: z.array(leaderboardRow) });

export const analytics = z.strictObject({ analytics: analyticsPayload });
export const allAnalytics = z.strictObject({ analytics: z.array(analyticsPayload) });

export const conversations = z.strictObject({
  conversations: z.array(
    z.strictObject({
      model_id: text,
      messages: z.array(z.strictObject({ role: text, content: text, timestamp: seconds })),
    }),
  ),
});

export const decisions = z.strictObject({
  decisions: z.array(
    z.strictObject({
      model_id: text,
      cycle_number: number,
      timestamp: milliseconds,
      executed_at: milliseconds.nullable(),
      success: z.boolean(),
      decisions: z.array(z.unknown()).readonly(),
      rejected: z.array(z.unknown()).readonly(),
      orders: z.array(z.unknown()).readonly(),
      cot_trace: text.nullable(),
      prompt_digest: text.nullable(),
      usage: z.strictObject({
        prompt_tokens: number.nullable(),
        completion_tokens: number.nullable(),
        cost_usd: number.nullable(),
        latency_ms: number.nullable(),
        calls: number.describe('Times that the model was asked.'),
        cached: z.boolean().describe('Answered from memory, at no cost.'),
      }),
      error: z.strictObject({ code: text, message: text.nullable() }).nullable(),
    }),
  ),
  nextBefore: text.optional().describe('There when older ones are: `before` of the next page.'),
});

export const models = z.strictObject({
  models: z.array(
    z.strictObject({
      id: text,
      display_name: text,
      exchange_provider: text,
      market_provider: text,
      trader: z
        .strictObject({
          state: text,
          last_decision_at: milliseconds.nullable(),
          pause_until: milliseconds.nullable(),
        })
        .nullable(),
      metrics: equityMetrics.nullable().describe('Hourly figures of its equity.'),
    }),
  ),
});

const values = z.array(number.nullable());
export const equityCurves = z.strictObject({
  times: z.array(milliseconds),
  curves: z.array(
    z.strictObject({
      id: text,
      baseline: z.boolean().describe('No model, but what they are measured against.'),
      equity: values.describe('USD at each of the times; null where nothing was recorded.'),
      lower: values.nullable().describe('95 % interval of the growth so far; null for fewer than 24 steps.'),
      upper: values.nullable(),
    }),
  ),
  held: z
    .strictObject({ symbol: text, units: number })
    .nullable()
    .describe('What the baseline holds: its value at any price.'),
});

export const fills = z.strictObject({
  fills: z.array(
    z.strictObject({
      id: text,
      model_id: text,
      symbol: text,
      kind: text.describe('`trade`, or what else moved money, such as `funding`.'),
      side: text,
      price: number,
      size: number,
      fee_usd: number,
      closed_pnl: number,
      oid: number.nullable(),
      cloid: text.nullable(),
      crossed: z.boolean(),
      liquidation: z.boolean(),
      timestamp: milliseconds,
    }),
  ),
  nextCursor: text.optional().describe('There when older ones are: the cursor of the next page.'),
});

export const run = z.strictObject({
  run: z.strictObject({
    name: text,
    kind: text,
    mode: z.enum(['paper', 'testnet', 'live', 'replay']).describe('Whether money is real.'),
    state: text,
    decision_every_ms: number.nullable(),
    market_now: milliseconds.nullable().describe('Market clock of a replay.'),
  }),
});

const seasonPlace = z.strictObject({
  place: number.describe('Equal returns share a place.'),
  id: text,
  return_pct: number.describe('On the opening equity, transfers apart.'),
  opening_equity: number,
  equity: number,
  transfers: number,
  num_trades: number,
  num_wins: number,
  num_losses: number,
  win_dollars: number,
  lose_dollars: number,
  fees: number,
});

export const seasons = z.strictObject({
  seasons: z.array(
    z.strictObject({
      name: text,
      state: z.enum(['running', 'ended', 'frozen']),
      starts: milliseconds,
      ends: milliseconds.nullable(),
      frozen_at: milliseconds.nullable(),
      reset_at: milliseconds.nullable().describe('Since then the accounts have what they began with.'),
      ranking: z.array(seasonPlace).describe('Final when the season is frozen.'),
    }),
  ),
});

export const modelHistory = z.strictObject({
  history: z.array(
    z.strictObject({
      model_id: text,
      what: z.enum(['added', 'configured', 'retired']),
      at: milliseconds,
      config_digest: text.nullable(),
      prompt_digest: text.nullable(),
    }),
  ),
});

/** Every answer that is no success. */
export const failure = z.strictObject({
  error: z.strictObject({
    code: text.describe('A code of the catalogue, such as NOF0_INPUT_INVALID.'),
    message: text,
    faults: z.array(z.strictObject({ path: text, expected: text })).optional(),
  }),
});

export const desk = z.object({ desk: deskViewSchema.nullable() });
