/** The arena's ranking. */

import { CodedError } from '../errors.ts';

/** A model's standing. `winDollars` sums the trades with net > 0, `loseDollars` all others (never positive); all USD. */
export type Standing = {
  readonly modelId: string;
  readonly initialEquityUsd: number;
  readonly equityUsd: number;
  readonly sharpe: number;
  readonly numTrades: number;
  readonly numWins: number;
  readonly numLosses: number;
  readonly winDollars: number;
  readonly loseDollars: number;
};

/** One row of `/api/leaderboard`; the names are the original API's. */
export type LeaderboardRow = {
  readonly id: string;
  readonly num_trades: number;
  readonly sharpe: number;
  readonly win_dollars: number;
  readonly num_losses: number;
  readonly lose_dollars: number;
  readonly return_pct: number;
  readonly equity: number;
  readonly num_wins: number;
};

/**
 * Return since inception in percent, as the original shows it: the fraction rounded to four decimals, times 100.
 *
 * @throws CodedError NOF0_INPUT_INVALID when the initial equity is not positive: there is no return on nothing.
 */
export function returnPct(equityUsd: number, initialEquityUsd: number): number {
  if (!(initialEquityUsd > 0)) {
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `Initial equity is ${initialEquityUsd} USD; expected more than 0. Correct the account's initial equity.`,
    );
  }
  // toFixed rounds the exact binary value; scaling it first would add an error of its own. Adding 0 makes −0 a 0.
  return Number((equityUsd / initialEquityUsd - 1).toFixed(4)) * 100 + 0;
}

/**
 * The leaderboard row of a model, from aggregated trades.
 *
 * @throws CodedError NOF0_INPUT_INVALID when the initial equity is not positive.
 */
export function leaderboardRow(standing: Standing): LeaderboardRow {
  return {
    id: standing.modelId,
    num_trades: standing.numTrades,
    sharpe: standing.sharpe,
    win_dollars: standing.winDollars,
    num_losses: standing.numLosses,
    lose_dollars: standing.loseDollars,
    return_pct: returnPct(standing.equityUsd, standing.initialEquityUsd),
    equity: standing.equityUsd,
    num_wins: standing.numWins,
  };
}

/** A sorted copy: best return first; equal returns by id (code units), so that the order never flickers. */
export function rank(rows: readonly LeaderboardRow[]): LeaderboardRow[] {
  return rows.toSorted((a, b) => b.return_pct - a.return_pct || (a.id < b.id ? -1 : Number(a.id > b.id)));
}
