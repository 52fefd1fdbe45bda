/** Participants come and go: adding one of the arena file to a run that is under way, and retiring one for good. */

import { closest } from '../domain/closest.ts';
import { ordered } from '../domain/trader-state.ts';
import { CodedError } from '../errors.ts';
import type { AccountState } from '../exchange/exchange.ts';
import { audit } from '../store/audit.ts';
import { leaveArena, modelIds } from '../store/models.ts';
import type { RunRow } from '../store/runs.ts';
import { isReplay } from '../store/runs.ts';
import { changeWithin, traderStates } from '../store/trader-state.ts';
import { crossing } from '../telemetry/boundaries.ts';
import { underLease } from './control-lease.ts';
import type { Desk } from './control-positions.ts';
import { pauseModels } from './control-traders.ts';
import { type Closing, closeOut } from './flatten.ts';
import { registerArena } from './register-arena.ts';

export type Added = { readonly model: string; readonly added: boolean };

/**
 * Takes a model of the arena file into a run that is under way: account, trader, settings and schedules. Workers that began before it was
 * in the file leave its cycles to others until they are restarted. Throws NOF0_MODEL_UNKNOWN for one that the file does not name.
 */
export async function addModel({ control, stories }: Desk, run: RunRow, model: string): Promise<Added> {
  const { db, who } = control;
  const listed = stories.config.arena.models.map(({ id }) => id);
  if (!listed.includes(model)) {
    const guess = closest(model, listed);
    throw new CodedError(
      'NOF0_MODEL_UNKNOWN',
      `the arena file names no model "${model}": write it there first, then add it${guess ? `; did you mean ${guess}?` : ''}`,
    );
  }
  if ((await modelIds(db)).includes(model)) return { model, added: false };
  await registerArena(stories, run, isReplay(run) ? (run.startMs ?? 0) : await db.nowMs(), who);
  await audit(db, { who, what: 'add', target: `model:${model}`, after: { state: 'running' } });
  return { model, added: true };
}

export type Retirement = {
  readonly model: string;
  /** Whether it is retired now, by this call or before. */
  readonly retired: boolean;
  readonly changed: boolean;
  /** What was closed on the way, and what is left; null when nothing was to be closed. */
  readonly closing: Closing | null;
};

/**
 * Retires a model for good: it decides nothing any more, has no schedules, and its history stays. It leaves flat: with positions or orders
 * it is refused, unless `close` says that they are to be closed at the market first. One that cannot be closed is paused and not retired;
 * the same call goes on. Under the trader's lease, so no cycle opens anything in between. Throws NOF0_MODEL_NOT_FLAT, NOF0_TRADER_BUSY.
 */
export async function retireModel(desk: Desk, model: string, close: boolean, waitMs: number): Promise<Retirement> {
  const { control, stories, signal } = desk;
  const [trader] = await traderStates(control.db, [model]);
  if (trader === undefined) throw new CodedError('NOF0_MODEL_UNKNOWN', `no trader "${model}" takes part`);
  if (trader.state === 'retired') return { model, retired: true, changed: false, closing: null };
  if (close) await pauseModels(control, [model]);
  return underLease(stories, model, { waitMs, seize: close }, async () => {
    const scope = { model, symbol: null, who: control.who, what: 'retire' };
    const closing = close ? await closeOut(stories, scope, signal) : null;
    if (closing?.flat === false) return { model, retired: false, changed: false, closing };
    assertFlat(model, await crossing('call exchange.accountState', () => stories.exchange.accountState(model)));
    return { model, retired: true, changed: await leave(desk, model), closing };
  });
}

function assertFlat(model: string, { positions, openOrders }: AccountState): void {
  const held = positions.filter(({ quantity }) => quantity !== 0);
  if (held.length === 0 && openOrders.length === 0) return;
  const said = [...held.map(({ symbol, quantity }) => `${quantity} ${symbol}`), `${openOrders.length} orders`];
  throw new CodedError(
    'NOF0_MODEL_NOT_FLAT',
    `"${model}" still has ${said.join(', ')}: it leaves flat. Say that they are to be closed at the market (--close), or close them yourself`,
  );
}

/** One commit: the state, the history, the schedules, the audit row. */
async function leave({ control }: Desk, model: string): Promise<boolean> {
  const { db, who } = control;
  const { changes, effects } = await db.transaction(async (tx) => {
    const changed = await changeWithin(tx, [model], (before) => ordered(before, 'retire', who), {
      who,
      what: 'retire',
    });
    if (changed.changes.length > 0) await leaveArena(tx, model, who);
    return changed;
  });
  await control.drain(effects);
  return changes.length > 0;
}
