/**
 * Looks at every open position, signals what should be closed, and puts all signals that wait before the desk's model: the cycle of the
 * same slot is promised by the commit that stores them. Near the close it closes what is left without asking, and after the bell what a
 * session left behind in whose end nobody looked.
 */

import { openSession, type Session } from '../../domain/desk/calendar.ts';
import { type Look, lookAt } from '../../domain/desk/monitoring.ts';
import { refresh } from '../../domain/published-keys.ts';
import { CodedError } from '../../errors.ts';
import { enqueueEffect } from '../../jobs/registry.ts';
import { closedByExchange, type LookRow, latestLooks, saveLooks } from '../../store/desk/looks.ts';
import { addSignals, putBefore, type SignalRow } from '../../store/desk/signals.ts';
import type { NewEffect } from '../../store/effects.ts';
import { isLeased } from '../../store/leases.ts';
import { type MarkedPosition, openPositions } from '../../store/positions.ts';
import { latestPrices } from '../../store/prices.ts';
import { type Desk, done, type Outcome, type Stories, skipped, snoozed } from '../context.ts';
import { underLease } from '../control-lease.ts';
import { closeOut } from '../flatten.ts';
import type { Charts } from './charts.ts';
import { commitWithEffects, deskOf, isTold, untold } from './desk-story.ts';

/** An entry that waited longer than this for a decision is no entry any more. */
const FRESH_MS = 3 * 60_000;
/** How long the cycle in flight may keep the desk from closing everything. */
const LEASE_WAIT_MS = 5000;
const BUSY_MS = 1000;
const WHO = 'position-monitor';

/** Run again for the same slot it stores the same looks and signals, and asks nothing twice. */
export async function monitorPositions(
  stories: Stories,
  charts: Charts,
  slotMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const desk = deskOf(stories);
  const open = () => openPositions(stories.db, stories.market.provider, [desk.modelId]);
  const session = openSession(slotMs);
  if (session === null) return skipped('no session runs');
  // In real time it looks at what is known: positions must not be left alone because a price is missing.
  if (stories.clock.repeats && !(await isTold(stories, slotMs))) return untold();
  let positions = await open();
  const { flat } = desk.settings;
  if (flat !== null && slotMs >= session.closeMs - flat && !(await isClosed(stories, desk, positions)))
    return closeAll(stories, desk, signal);
  const overdue = flat === null ? [] : await leftBehind(stories, positions, session);
  if (overdue.length > 0) {
    const outcome = await closeEach(stories, desk, overdue, signal);
    if (outcome.kind === 'snoozed') return outcome;
    positions = await open();
  }
  const looked = await lookAtAll(stories, desk, charts, positions, session, slotMs);
  const exits = [...looked.flatMap(({ exit }) => exit ?? []), ...(await exchangeExits(stories, desk, session, slotMs))];
  let asked = 0;
  await commitWithEffects(stories, 'position-monitor', async (tx) => {
    await saveLooks(
      tx,
      looked.map(({ row }) => row),
    );
    const added = await addSignals(tx, exits);
    asked = await putBefore(tx, slotMs, slotMs - FRESH_MS);
    const effects: NewEffect[] = added.map(({ type, symbol }) => refresh('stockSignal', type, symbol));
    if (looked.length > 0) effects.push(refresh('stockMonitoring'));
    if (asked > 0) effects.push(enqueueEffect('decision-cycle', { modelId: desk.modelId, slotMs }));
    return effects;
  });
  return done({ positions: positions.length, exits: exits.length, asked });
}

type Looked = { readonly row: LookRow; readonly exit: SignalRow | null };

async function lookAtAll(
  stories: Stories,
  desk: Desk,
  charts: Charts,
  positions: readonly MarkedPosition[],
  session: Session,
  slotMs: number,
): Promise<Looked[]> {
  if (positions.length === 0) return [];
  const before = new Map(
    (await latestLooks(stories.db, desk.modelId)).map((look) => [look.positionId, look.bestPrice]),
  );
  const known = await charts.of(
    positions.map(({ symbol }) => symbol),
    slotMs,
  );
  const { trailing, flat, sessionEnd } = desk.settings;
  // Where positions may stay overnight, the end of a session ends nothing.
  const rules = { trailing, sessionEndMs: flat === null ? null : session.closeMs - sessionEnd };
  return positions.flatMap((position) => {
    const chart = known.get(position.symbol);
    if (chart === undefined) return [];
    const { id, symbol, markPrice: price } = position;
    const look = lookAt({ ...position, price, bestPrice: before.get(id) ?? null }, chart, slotMs, rules);
    const { bestPrice, monitoring } = look;
    const indicators = { macd: rounded(chart.macd5m, 4), rsi: rounded(chart.rsi1m, 2) };
    return [
      {
        row: { positionId: id, symbol, tsMs: slotMs, bestPrice, monitoring },
        exit: look.exit === null ? null : exitSignal(position, look.exit, price, slotMs, indicators),
      },
    ];
  });
}

function exitSignal(
  { id, symbol }: Pick<MarkedPosition, 'id' | 'symbol'>,
  { reason, confidence }: NonNullable<Look['exit']>,
  price: number,
  tsMs: number,
  indicators: SignalRow['indicators'],
): SignalRow {
  return { type: 'exit', symbol, tsMs, reason, price, confidence, positionId: id, indicators };
}

/** What the exchange closed by itself is a signal, too, though nobody need decide on it any more. */
async function exchangeExits(
  { db }: Stories,
  { modelId }: Desk,
  session: Session,
  slotMs: number,
): Promise<SignalRow[]> {
  const closed = await closedByExchange(db, modelId, session.openMs, slotMs);
  return closed.map(({ positionId: id, symbol, reason, price }) => ({
    isDecided: true,
    ...exitSignal(
      { id, symbol },
      { reason: reason === 'take_profit' ? 'target_reached' : reason, confidence: 1 },
      price,
      slotMs,
      { macd: null, rsi: null },
    ),
  }));
}

/** Nothing is open, and nobody died over the closing: orders of positions that are gone may be left, and the lease. */
async function isClosed({ db }: Stories, { modelId }: Desk, positions: readonly MarkedPosition[]): Promise<boolean> {
  return positions.length === 0 && !(await isLeased(db, modelId));
}

/** Stocks of positions that are older than the session, and that have traded in it: before they have, nobody knows what they cost. */
async function leftBehind(
  { db, market }: Stories,
  positions: readonly MarkedPosition[],
  session: Session,
): Promise<string[]> {
  const old = positions.filter(({ entryTsMs }) => entryTsMs < session.openMs).map(({ symbol }) => symbol);
  if (old.length === 0) return [];
  const prices = await latestPrices(db, market.provider);
  return prices
    .filter(({ symbol, tsMs }) => old.includes(symbol) && tsMs >= session.openMs)
    .map(({ symbol }) => symbol);
}

async function closeAll(stories: Stories, desk: Desk, signal: AbortSignal): Promise<Outcome> {
  return closing(stories, desk, async () => {
    const scope = { model: desk.modelId, symbol: null, who: WHO, what: 'flat before the close' };
    const { flat, closed } = await closeOut(stories, scope, signal);
    return done({ flat, closed: closed.length });
  });
}

async function closeEach(
  stories: Stories,
  desk: Desk,
  symbols: readonly string[],
  signal: AbortSignal,
): Promise<Outcome> {
  return closing(stories, desk, async () => {
    for (const symbol of symbols)
      await closeOut(stories, { model: desk.modelId, symbol, who: WHO, what: 'left by a session before' }, signal);
    return done({ overdue: symbols.length });
  });
}

/** Closes under the trader's lease. What could not be closed is tried again with the next look. */
async function closing(stories: Stories, { modelId }: Desk, work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await underLease(stories, modelId, { waitMs: LEASE_WAIT_MS, seize: false }, work);
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NOF0_TRADER_BUSY') return snoozed(BUSY_MS, error.message);
    throw error;
  }
}

function rounded(value: number | null, decimals: number): number | null {
  return value === null ? null : Number(value.toFixed(decimals));
}
