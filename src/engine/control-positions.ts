/** What people do to positions: close one, flatten a trader, halt the arena. */

import { closest } from '../domain/closest.ts';
import { CodedError, toCoded } from '../errors.ts';
import { marketAssets } from '../store/market.ts';
import type { Stories } from './context.ts';
import type { Control, Switched } from './control.ts';
import { underLease } from './control-lease.ts';
import { pauseModels } from './control-traders.ts';
import { type Closing, closeOut } from './flatten.ts';

export type Desk = { readonly control: Control; readonly stories: Stories; readonly signal: AbortSignal };

/** How many traders are flattened at a time. */
const CONCURRENCY = 4;

/**
 * Closes a model's position in one symbol with its orders. The model is left as it is and may open it again. Throws NOF0_TRADER_BUSY
 * when a cycle in flight does not end in `waitMs`, NOF0_SYMBOL_UNKNOWN for a symbol that is not traded here.
 */
export async function closePosition(desk: Desk, model: string, symbol: string, waitMs: number): Promise<Closing> {
  const { control, stories, signal } = desk;
  await assertSymbol(stories, symbol);
  const scope = { model, symbol, who: control.who, what: 'close' };
  return underLease(stories, model, { waitMs, seize: false }, () => closeOut(stories, scope, signal));
}

export type Flattened = {
  readonly model: string;
  readonly paused: Switched;
  /** Null when it failed as a whole: `error` says why, and nothing is known about what is left. */
  readonly closing: Closing | null;
  readonly error: { readonly code: string; readonly message: string } | null;
};

/**
 * Pauses traders, waits for their cycles in flight, cancels their orders, closes their positions and looks whether they are flat. All
 * are paused before the first is closed. One that fails keeps none of the others.
 */
export async function flattenModels(desk: Desk, models: readonly string[], waitMs: number): Promise<Flattened[]> {
  const paused = await pauseModels(desk.control, models);
  const waiting = models.map((model, index) => ({ model, paused: paused[index] as Switched }));
  const flattened: Flattened[] = [];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      flattened.push({ ...next, ...(await flattenOne(desk, next.model, waitMs)) });
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return models.flatMap((model) => flattened.find((each) => each.model === model) ?? []);
}

async function flattenOne(
  { control, stories, signal }: Desk,
  model: string,
  waitMs: number,
): Promise<Pick<Flattened, 'closing' | 'error'>> {
  const scope = { model, symbol: null, who: control.who, what: 'flatten' };
  try {
    const closing = await underLease(stories, model, { waitMs, seize: true }, () => closeOut(stories, scope, signal));
    return { closing, error: null };
  } catch (error) {
    const { code, message } = toCoded(error);
    return { closing: null, error: { code, message } };
  }
}

async function assertSymbol({ db, market }: Stories, symbol: string): Promise<void> {
  const symbols = (await marketAssets(db, market.provider)).map((asset) => asset.symbol);
  if (symbols.includes(symbol)) return;
  const guess = closest(symbol.toUpperCase(), symbols);
  throw new CodedError(
    'NOF0_SYMBOL_UNKNOWN',
    `"${symbol}" is not traded here; expected ${symbols.join(', ') || 'nothing yet'}${guess ? `; did you mean ${guess}?` : ''}`,
  );
}
