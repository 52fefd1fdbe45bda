/** The files of the original: what each holds, how a row becomes one of ours, and where it goes. */

import type { z } from 'zod';
import { sha256 } from '../domain/random.ts';
import type { Queryable } from '../store/database.ts';
import { mergeAccountTotals, mergeInceptions, mergeLeaderboard } from '../store/import-equity.ts';
import { mergePositions, mergePrices } from '../store/import-positions.ts';
import type { Merged } from '../store/import-staging.ts';
import { mergeAnalytics, mergeConversations } from '../store/import-talk.ts';
import { mergeTrades } from '../store/import-trades.ts';
import { accountTotalRow, leaderboardRow, positionsRow, priceRow, sinceInceptionRow } from './row-arena.ts';
import { analyticsRow, conversationRow } from './row-talk.ts';
import { tradeRow } from './row-trades.ts';

export type MergeContext = {
  /** When the file says its rows were true, ms. */
  readonly tsMs: number;
  /** Market provider of the run. */
  readonly provider: string;
};

/** A row that passed its checks. */
export type StagedRow = {
  /** What makes it the same row in another file. */
  readonly key: string;
  /** Null: it belongs to no model. */
  readonly modelId: string | null;
  /** The earliest moment that it knows the model at, ms. */
  readonly sinceMs: number | null;
  /** As the merge takes it. */
  readonly row: object;
};

export type ImportKind = {
  readonly file: string;
  /** The field of the file that holds the rows. */
  readonly under: string;
  readonly schema: z.ZodType;
  readonly stage: (row: never, context: { readonly tsMs: number }) => StagedRow;
  readonly merge: (tx: Queryable, context: MergeContext) => Promise<Merged>;
  /** What else its models' rows lead to. */
  readonly follows: readonly ('trades' | 'positions' | 'equity' | 'analytics' | 'prices' | 'talk')[];
  /** The rows need the file's time, so they can only be staged when all of it has been read. */
  readonly timed?: true;
};

/** Typed while it is written, uniform afterwards. */
function kind<T extends z.ZodType>(
  spec: Omit<ImportKind, 'schema' | 'stage'> & {
    schema: T;
    stage: (row: z.infer<T>, context: { readonly tsMs: number }) => StagedRow;
  },
): ImportKind {
  return spec as ImportKind;
}

/** In the order in which they are read: accounts before what is measured by them. */
export const IMPORT_KINDS: readonly ImportKind[] = [
  kind({
    file: 'since-inception-values.json',
    under: 'sinceInceptionValues',
    schema: sinceInceptionRow,
    stage: (r) => ({
      key: r.model_id,
      modelId: r.model_id,
      sinceMs: r.inception_date,
      row: {
        model_id: r.model_id,
        nav: r.nav_since_inception,
        inception: r.inception_date,
        payload: { id: r.id, num_invocations: r.num_invocations ?? 0 },
      },
    }),
    merge: (tx, { tsMs }) => mergeInceptions(tx, tsMs),
    follows: ['equity'],
  }),
  kind({
    file: 'trades.json',
    under: 'trades',
    schema: tradeRow,
    stage: ({ entry_time, exit_time, ...r }) => ({
      key: r.id,
      modelId: r.model_id,
      sinceMs: entry_time,
      row: { ...r, entry_ts_ms: entry_time, exit_ts_ms: exit_time },
    }),
    merge: (tx) => mergeTrades(tx),
    follows: ['trades', 'analytics'],
  }),
  kind({
    file: 'account-totals.json',
    under: 'accountTotals',
    schema: accountTotalRow,
    stage: ({ timestamp, dollar_equity, total_unrealized_pnl, ...r }) => ({
      key: `${r.model_id} ${timestamp}`,
      modelId: r.model_id,
      sinceMs: timestamp,
      row: { ...r, ts_ms: timestamp, equity_usd: dollar_equity, unrealized_pnl: total_unrealized_pnl },
    }),
    merge: (tx) => mergeAccountTotals(tx),
    follows: ['equity'],
  }),
  kind({
    file: 'leaderboard.json',
    under: 'leaderboard',
    schema: leaderboardRow,
    timed: true,
    stage: (r, { tsMs }) => ({
      key: r.id,
      modelId: r.id,
      sinceMs: null,
      row: { model_id: r.id, ts_ms: tsMs, equity_usd: r.equity, sharpe_ratio: r.sharpe },
    }),
    merge: (tx) => mergeLeaderboard(tx),
    follows: ['equity'],
  }),
  kind({
    file: 'positions.json',
    under: 'accountTotals',
    schema: positionsRow,
    stage: (r) => ({
      key: r.model_id,
      modelId: r.model_id,
      sinceMs: Object.values(r.positions).reduce<number | null>(
        (least, { entry_time }) => Math.min(least ?? entry_time, entry_time),
        null,
      ),
      row: { model_id: r.model_id, positions: Object.values(r.positions).map((p) => storedPosition(r.model_id, p)) },
    }),
    merge: (tx, { tsMs }) => mergePositions(tx, tsMs),
    follows: ['positions'],
  }),
  kind({
    file: 'crypto-prices.json',
    under: 'prices',
    schema: priceRow,
    stage: (r) => ({
      key: r.symbol,
      modelId: null,
      sinceMs: null,
      row: { symbol: r.symbol, price: r.price, ts_ms: r.timestamp },
    }),
    merge: (tx, { provider }) => mergePrices(tx, provider),
    follows: ['prices'],
  }),
  kind({
    file: 'analytics.json',
    under: 'analytics',
    schema: analyticsRow,
    stage: ({ model_id, ...payload }) => ({
      key: model_id,
      modelId: model_id,
      sinceMs: null,
      row: { model_id, payload },
    }),
    merge: (tx, { tsMs }) => mergeAnalytics(tx, tsMs),
    follows: ['analytics'],
  }),
  kind({
    file: 'conversations.json',
    under: 'conversations',
    schema: conversationRow,
    stage: (r) => ({
      key: r.model_id,
      modelId: r.model_id,
      sinceMs: null,
      row: { model_id: r.model_id, messages: keyedMessages(r.messages) },
    }),
    merge: (tx, { tsMs }) => mergeConversations(tx, tsMs),
    follows: ['talk'],
  }),
];

type Position = z.infer<typeof positionsRow>['positions'][string];

function storedPosition(modelId: string, p: Position): object {
  const order = (oid: number | null) => (oid === null || oid < 0 ? null : oid);
  return {
    id: `import|${modelId}|${p.symbol}|${p.entry_oid ?? ''}|${p.entry_time}`,
    model_id: modelId,
    symbol: p.symbol,
    side: p.quantity > 0 ? 'long' : 'short',
    entry_price: p.entry_price,
    quantity: p.quantity,
    leverage: p.leverage,
    confidence: p.confidence,
    entry_ts_ms: p.entry_time,
    commission: p.commission,
    entry_oid: order(p.entry_oid),
    sl_oid: order(p.sl_oid),
    tp_oid: order(p.tp_oid),
    stop_loss: p.exit_plan.stop_loss ?? null,
    take_profit: p.exit_plan.profit_target ?? null,
    invalidation_condition: p.exit_plan.invalidation_condition ?? null,
    risk_usd: p.risk_usd,
    wait_for_fill: p.wait_for_fill ?? false,
    slippage: p.slippage,
    index_col: p.index_col,
    closed_pnl: p.closed_pnl,
  };
}

/** The same words at the same time twice are two messages; the next file tells them apart by their number. */
function keyedMessages(messages: z.infer<typeof conversationRow>['messages']): object[] {
  const seen = new Map<string, number>();
  return messages.map(({ role, content, timestamp }) => {
    const digest = sha256(JSON.stringify([role, timestamp, content])).slice(0, 24);
    const number = seen.get(digest) ?? 0;
    seen.set(digest, number + 1);
    return { key: `${digest}.${number}`, role, content, ts_ms: timestamp };
  });
}
