/** What a backtest came to. Two runs on the same data and seed share it byte for byte: it holds no wall-clock time and no serial id. */

import { leaderboardRow, rank } from '../domain/leaderboard.ts';
import { equityUsd, unrealizedPnl } from '../domain/ledger.ts';
import { type PublishedTrade, publishedTrade } from '../domain/published.ts';
import type { Database } from '../store/database.ts';
import { type Account, accounts, equityPoints } from '../store/equity.ts';
import { allMetrics, type StoredMetrics } from '../store/equity-metrics.ts';
import { fillsOf } from '../store/ledger.ts';
import { openPositions } from '../store/positions.ts';
import type { RunRow } from '../store/runs.ts';
import { closedTrades } from '../store/trades.ts';
import { runCounts } from '../store/verify.ts';

/** One entry of a ledger as a report shows it; times are Unix ms of market time, money is USD. */
export type ReportedFill = {
  readonly time: number;
  readonly symbol: string;
  readonly kind: string;
  readonly side: string;
  readonly price: number;
  readonly size: number;
  readonly start_position: number | null;
  readonly fee: number;
  /** Gross profit of an execution; cash received of funding and transfers. */
  readonly closed_pnl: number;
  readonly oid: number | null;
  readonly cloid: string | null;
  readonly crossed: boolean;
  readonly liquidation: boolean;
};

export type BacktestModel = {
  readonly id: string;
  /** Equity at the start and at the end, open positions marked with the last price. */
  readonly initial: number;
  readonly equity: number;
  readonly fills: readonly ReportedFill[];
  readonly trades: readonly PublishedTrade[];
  /** `[time, equity]` of every snapshot. */
  readonly curve: readonly (readonly [number, number])[];
  readonly open: readonly { symbol: string; quantity: number; entry_price: number; mark_price: number }[];
  /** Figures of the leaderboard, sums of the ledger, risk of the whole hours; percentages 0–100. */
  readonly metrics: Readonly<Record<string, number>>;
  /** 95 % intervals of return and Sharpe; null before there are enough hours. */
  readonly intervals: StoredMetrics['intervals'];
};

export type BacktestReport = {
  readonly seed: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly counts: Awaited<ReturnType<typeof runCounts>>;
  /** Best return first. */
  readonly models: readonly BacktestModel[];
};

export async function backtestReport(db: Database, run: RunRow, provider: string): Promise<BacktestReport> {
  const owners = await accounts(db);
  const risk = await allMetrics(db);
  const models = await Promise.all(owners.map((owner) => modelReport(db, provider, owner, risk.get(owner.modelId))));
  const order = new Map(rank(models.map((model) => model.standing)).map((row, place) => [row.id, place]));
  return {
    seed: run.seed,
    from: run.startMs,
    to: run.endMs,
    counts: await runCounts(db),
    models: models.map(({ report }) => report).toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)),
  };
}

async function modelReport(db: Database, provider: string, owner: Account, risk: StoredMetrics | undefined) {
  const id = owner.modelId;
  const open = await openPositions(db, provider, [id]);
  const equity = equityUsd({
    initialUsd: owner.initialEquityUsd,
    grossPnl: owner.realizedUsd,
    feesUsd: owner.feesUsd,
    fundingUsd: owner.fundingUsd,
    transfersUsd: owner.transfersUsd,
    unrealizedUsd: open.reduce((sum, p) => sum + unrealizedPnl(p.quantity, p.entryPrice, p.markPrice), 0),
  });
  const trades = (await closedTrades(db, id)).map(publishedTrade);
  const wins = trades.filter((trade) => trade.realized_net_pnl > 0);
  const losses = trades.filter((trade) => trade.realized_net_pnl <= 0);
  const { intervals, ...ratios } = risk ?? { intervals: null };
  const standing = leaderboardRow({
    modelId: id,
    initialEquityUsd: owner.initialEquityUsd,
    equityUsd: equity,
    sharpe: risk?.sharpe ?? 0,
    numTrades: trades.length,
    numWins: wins.length,
    numLosses: losses.length,
    winDollars: wins.reduce((sum, trade) => sum + trade.realized_net_pnl, 0),
    loseDollars: losses.reduce((sum, trade) => sum + trade.realized_net_pnl, 0),
  });
  const { id: _id, equity: _equity, sharpe: _sharpe, ...figures } = standing;
  const sums = { fees: owner.feesUsd, funding: owner.fundingUsd, turnover: owner.turnoverUsd };
  const report: BacktestModel = {
    id,
    initial: owner.initialEquityUsd,
    equity,
    metrics: { ...ratios, ...figures, ...sums },
    intervals,
    open: open.map((p) => ({
      symbol: p.symbol,
      quantity: p.quantity,
      entry_price: p.entryPrice,
      mark_price: p.markPrice,
    })),
    curve: (await equityPoints(db, id)).map(({ tsMs, equityUsd: value }) => [tsMs, value] as const),
    trades,
    fills: (await fillsOf(db, id)).map((fill) => ({
      time: fill.tsMs,
      symbol: fill.symbol,
      kind: fill.kind,
      side: fill.side,
      price: fill.price,
      size: fill.size,
      start_position: fill.startPosition,
      fee: fill.feeUsd,
      closed_pnl: fill.closedPnl,
      oid: fill.oid,
      cloid: fill.cloid,
      crossed: fill.crossed,
      liquidation: fill.liquidation,
    })),
  };
  return { report, standing };
}
