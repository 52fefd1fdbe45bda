/** When a model may enter nothing for a while: it lost too much today, or its returns are too bad for their risk. */

/** Why and until when entries are refused. Exits are not. */
export type EntryPause = { readonly code: 'DAILY_LOSS' | 'SHARPE_PAUSE'; readonly untilMs: number };

export type PauseRules = {
  readonly maxDailyLoss: number;
  readonly minSharpe: number;
  /** Before an account is this old its Sharpe ratio says nothing. */
  readonly sharpeAfterMs: number;
  readonly sharpePauseMs: number;
};

export type Standing = {
  readonly nowMs: number;
  readonly ageMs: number;
  readonly equityUsd: number;
  /** Equity at the start of the UTC day, transfers since then taken into account. */
  readonly dayStartEquityUsd: number;
  /** Of the newest snapshot; null before the first. */
  readonly sharpeRatio: number | null;
  /** The last pause, over or not. */
  readonly last: EntryPause | null;
};

const DAY_MS = 86_400_000;

/**
 * The pause that holds now; the last one, over, when none does. A daily loss pauses until the day ends. A low Sharpe ratio pauses for a
 * while, and is judged again only when as much time as the pause took has passed since: the model gets the chance to better it.
 */
export function entryPause(standing: Standing, rules: PauseRules): EntryPause | null {
  const { nowMs, last } = standing;
  if (last !== null && nowMs < last.untilMs) return last;
  if (dailyLoss(standing) >= rules.maxDailyLoss)
    return { code: 'DAILY_LOSS', untilMs: (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS };
  const judged = standing.sharpeRatio !== null && standing.ageMs >= rules.sharpeAfterMs;
  const onTrial = last?.code === 'SHARPE_PAUSE' && nowMs < last.untilMs + rules.sharpePauseMs;
  if (judged && !onTrial && (standing.sharpeRatio ?? 0) < rules.minSharpe)
    return { code: 'SHARPE_PAUSE', untilMs: nowMs + rules.sharpePauseMs };
  return last;
}

/** Loss since the start of the day as a fraction of its equity; negative for a gain. */
export function dailyLoss({ equityUsd, dayStartEquityUsd }: Pick<Standing, 'equityUsd' | 'dayStartEquityUsd'>): number {
  return dayStartEquityUsd <= 0 ? 0 : 1 - equityUsd / dayStartEquityUsd;
}
