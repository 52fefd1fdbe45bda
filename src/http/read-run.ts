/** What is run here, for whoever looks at it: whether money is real, where prices come from, how often is decided. */

import { isReplay, readRun as storedRun } from '../store/runs.ts';
import { listSchedules } from '../store/schedules.ts';
import type { Reader } from './known-models.ts';

/** `mode` says in one word what a trade of this run is worth; only `live` moves money that somebody can lose. */
export async function readRun({ db, run }: Reader) {
  const [stored, schedules] = await Promise.all([storedRun(db), listSchedules(db)]);
  const intervals = schedules.flatMap(({ job, spec }) =>
    job === 'decision-cycle' && 'everyMs' in spec ? [spec.everyMs] : [],
  );
  return {
    run: {
      name: run.name,
      kind: run.kind,
      mode: modeOf(run),
      state: stored?.state ?? run.state,
      decision_every_ms: intervals.length === 0 ? null : Math.min(...intervals),
      market_now: stored?.marketNowMs ?? null,
    },
  };
}

export const MODES = ['paper', 'testnet', 'live', 'replay'] as const;

function modeOf(run: Reader['run']): (typeof MODES)[number] {
  const { settings } = run;
  if (isReplay(run)) return 'replay';
  if (settings.trading !== 'live') return 'paper';
  return settings.network === 'mainnet' ? 'live' : 'testnet';
}
