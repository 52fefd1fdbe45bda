/** Rows of `trades.json`. */

import { z } from 'zod';
import { modelIdSchema } from '../domain/ids.ts';
import * as f from './fields.ts';

/** A closed trade as the import stages it. Its figures are those of the file; none is derived. */
export const tradeRow = z
  .object({
    id: f.text,
    model_id: modelIdSchema,
    symbol: f.symbol,
    side: z.enum(['long', 'short']),
    trade_type: f.optionalText,
    quantity: z.number().refine((value) => value !== 0, 'expected a quantity other than 0'),
    leverage: f.optional(z.number().nonnegative()),
    confidence: f.optionalNumber,
    entry_price: f.price,
    entry_time: f.seconds,
    entry_oid: f.optionalId,
    entry_tid: f.optionalId,
    entry_sz: f.optionalNumber,
    entry_crossed: f.optionalBoolean,
    entry_commission_dollars: f.optionalNumber,
    entry_closed_pnl: f.optionalNumber,
    entry_liquidation: f.optionalJson,
    exit_price: f.price,
    exit_time: f.seconds,
    exit_oid: f.optionalId,
    exit_tid: f.optionalId,
    exit_sz: f.optionalNumber,
    exit_crossed: f.optionalBoolean,
    exit_commission_dollars: f.optionalNumber,
    exit_closed_pnl: f.optionalNumber,
    exit_liquidation: f.optionalJson,
    exit_plan: f.exitPlan,
    realized_gross_pnl: f.usd,
    realized_net_pnl: f.usd,
    total_commission_dollars: f.usd,
  })
  .superRefine((row, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    // Quantities are signed: a contradiction means that one of the two is wrong, and nobody here can tell which.
    if (row.quantity > 0 !== (row.side === 'long'))
      refuse('quantity', `expected a ${row.side === 'long' ? 'positive' : 'negative'} quantity of a ${row.side}`);
    if (row.exit_time < row.entry_time) refuse('exit_time', 'expected an exit after the entry');
  });

export type TradeRow = z.infer<typeof tradeRow>;
