/** What people let traders do: pause, resume, shadow. Each change leaves a row in the audit log; given twice, an order acts once. */

import { isHeld, ordered, type StateOrder } from '../domain/trader-state.ts';
import { changeTraders, type TraderRow, traderStates } from '../store/trader-state.ts';
import type { Control, Switched } from './control.ts';

/** Paused models decide nothing and send nothing; their cycles are recorded as held. Their positions keep their stops. */
export const pauseModels = (control: Control, ids: readonly string[]) => orderTraders(control, ids, 'pause');
/**
 * Lets paused models go on as what they were: trading, or in the shadow. `halted` true: those that a drawdown has halted too. A model
 * that a breaker has stopped is measured anew from its next snapshot on.
 */
export const resumeModels = (control: Control, ids: readonly string[], halted = false) =>
  orderTraders(control, ids, halted ? 'resume-halted' : 'resume');
/** Models in the shadow decide and send nothing. Held ones stay held and go on in the shadow once they are resumed. */
export const shadowModels = (control: Control, ids: readonly string[]) => orderTraders(control, ids, 'shadow');
/** Lets models out of the shadow. */
export const unshadowModels = (control: Control, ids: readonly string[]) => orderTraders(control, ids, 'trade');

const WORDS: Readonly<Record<StateOrder, string>> = {
  pause: 'pause',
  resume: 'resume',
  'resume-halted': 'resume',
  shadow: 'shadow',
  trade: 'shadow off',
  retire: 'retire',
};

async function orderTraders(control: Control, ids: readonly string[], order: StateOrder): Promise<Switched[]> {
  const { db, who } = control;
  const rule = (before: TraderRow) => ordered(before, order, who);
  const { changes, effects } = await changeTraders(db, ids, rule, { who, what: WORDS[order], rearm: true });
  await control.drain(effects);
  const changed = new Set(changes.map(({ id }) => id));
  const rows = new Map((await traderStates(db, ids)).map((row) => [row.traderId, row]));
  return ids.map((id) => ({ target: `model:${id}`, changed: changed.has(id), state: stateSaid(rows.get(id)) }));
}

/** `running`; `paused, goes on in the shadow`; `halted (drawdown breaker: …)`. */
function stateSaid(row: TraderRow | undefined): string {
  if (row === undefined) return 'without a trader';
  const { state, resumesAs, heldSinceMs, reason, pauseUntilMs } = row;
  const until = pauseUntilMs === null ? '' : ` until ${new Date(pauseUntilMs).toISOString()}`;
  const why = heldSinceMs === null || !isHeld(state) ? '' : ` (${reason})`;
  return `${state}${until}${why}${isHeld(state) && resumesAs === 'shadow' ? ', goes on in the shadow when resumed' : ''}`;
}
