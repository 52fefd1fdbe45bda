/** Seasons: what each model made of the equity it entered with. Pure. */

import { returnPct } from './leaderboard.ts';

export const SEASON_STATES = ['running', 'ended', 'frozen'] as const;
export type SeasonState = (typeof SEASON_STATES)[number];

/** A model's part in a season; all USD. */
export type SeasonStanding = {
  readonly modelId: string;
  /** When it entered, and with what. */
  readonly openingUsd: number;
  /** At its closing snapshot, or the newest one while the season runs. */
  readonly equityUsd: number;
  /** Deposits less withdrawals meanwhile: nobody earns by them. */
  readonly transfersUsd: number;
  readonly numTrades: number;
  readonly numWins: number;
  /** Σ net of the trades with net > 0, and of all others (never positive). */
  readonly winDollars: number;
  readonly loseDollars: number;
  readonly feesUsd: number;
};

/** A place in the ranking, as it is published. */
export type SeasonPlace = {
  readonly place: number;
  readonly id: string;
  readonly return_pct: number;
  readonly opening_equity: number;
  readonly equity: number;
  readonly transfers: number;
  readonly num_trades: number;
  readonly num_wins: number;
  readonly num_losses: number;
  readonly win_dollars: number;
  readonly lose_dollars: number;
  readonly fees: number;
};

/** Best return on the opening equity first, transfers apart; equal returns share a place and stand in the order of their ids. */
export function rankSeason(standings: readonly SeasonStanding[]): SeasonPlace[] {
  const rows = standings
    .filter(({ openingUsd }) => openingUsd > 0)
    .map((row) => ({ row, returned: returnPct(row.equityUsd - row.transfersUsd, row.openingUsd) }))
    .sort((a, b) => b.returned - a.returned || (a.row.modelId < b.row.modelId ? -1 : 1));
  return rows.map(({ row, returned }) => ({
    place: 1 + rows.findIndex((other) => other.returned === returned),
    id: row.modelId,
    return_pct: returned,
    opening_equity: row.openingUsd,
    equity: row.equityUsd,
    transfers: row.transfersUsd,
    num_trades: row.numTrades,
    num_wins: row.numWins,
    num_losses: row.numTrades - row.numWins,
    win_dollars: row.winDollars,
    lose_dollars: row.loseDollars,
    fees: row.feesUsd,
  }));
}
