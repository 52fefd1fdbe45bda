/** What a session brought, from its closed trades. Pure. */

import { isoTime, type Performance } from './published.ts';

/** `netPnls`: of every trade that was closed in the session. `equityUsd`: before it began. */
export function performanceOf(netPnls: readonly number[], equityUsd: number, nowMs: number): Performance {
  const wins = netPnls.filter((pnl) => pnl > 0);
  const losses = netPnls.filter((pnl) => pnl <= 0);
  const pnl = sum(netPnls);
  return {
    daily_pnl: cents(pnl),
    daily_pnl_pct: equityUsd > 0 ? cents((100 * pnl) / equityUsd) : 0,
    win_count: wins.length,
    loss_count: losses.length,
    win_rate: netPnls.length === 0 ? 0 : Math.round((10_000 * wins.length) / netPnls.length) / 10_000,
    avg_win: wins.length === 0 ? 0 : cents(sum(wins) / wins.length),
    avg_loss: losses.length === 0 ? 0 : cents(sum(losses) / losses.length),
    largest_win: cents(Math.max(0, ...wins)),
    largest_loss: cents(Math.min(0, ...losses)),
    timestamp: isoTime(nowMs),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** −0 is no amount. */
const cents = (value: number): number => Math.round(value * 100) / 100 + 0;
