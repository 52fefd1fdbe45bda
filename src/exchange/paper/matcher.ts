/**
 * Works through ticks and funding prints in the order they were ingested. The cursor and the fills it causes are one commit, so a
 * tick acts once, whatever crashes.
 */

import type { Queryable } from '../../store/database.ts';
import * as books from '../../store/paper-books.ts';
import { AccountBook, bookChange, type PaperFees, takerPrice, triggered } from './account-book.ts';

const BATCH = 5000;

type Terms = ReadonlyMap<string, { sizeDecimals: number; maxLeverage: number }>;

/**
 * One transaction of the matcher. Returns how many events it worked through: 0 when there is nothing to do.
 */
export async function matchEvents(tx: Queryable, provider: string, terms: Terms, fees: PaperFees): Promise<number> {
  const cursor = await books.claimCursor(tx, provider);
  const events = await books.eventsAfter(tx, provider, cursor, BATCH);
  const last = events.at(-1);
  if (last === undefined) return 0;
  const marks = new Map((await books.marks(tx, provider)).map((mark) => [mark.symbol, mark]));
  const symbols = [...new Set(events.map((event) => event.symbol))];
  const resting = await books.restingOrders(tx, symbols);
  const floor = new Map([...marks].map(([symbol, mark]) => [symbol, mark.tsMs]));
  if (needsBooks(events, resting, floor)) {
    await matchAccounts(tx, events, resting, floor, symbols, terms, fees);
  }
  await books.moveCursor(tx, provider, last.seq, last.tsMs, newMarks(events, marks));
  return events.length;
}

/** Whether any account can be touched at all; most batches only move the marks. */
function needsBooks(
  events: readonly books.MarketEvent[],
  resting: readonly books.PaperOrderRow[],
  floor: ReadonlyMap<string, number>,
): boolean {
  if (events.some((event) => event.kind === 'funding' && event.rate !== 0)) return true;
  return events.some((event) => fresh(event, floor) && resting.some((order) => touch(order, event) !== null));
}

async function matchAccounts(
  tx: Queryable,
  events: readonly books.MarketEvent[],
  resting: readonly books.PaperOrderRow[],
  floor: ReadonlyMap<string, number>,
  symbols: readonly string[],
  terms: Terms,
  fees: PaperFees,
): Promise<void> {
  const names = [...new Set([...resting.map((order) => order.account), ...(await books.holders(tx, symbols))])];
  const rows = await books.lockAccounts(tx, names);
  // Orders and positions are read again under the locks: a placement may have committed in between.
  const orders = (await books.restingOrders(tx, symbols)).map((order) => ({ ...order }));
  const positions = await books.positionsOf(tx, names);
  const accountBooks = new Map(
    rows.map((row) => {
      const own = positions
        .filter((p) => p.account === row.account)
        .map((p) => [p.symbol, { size: p.size, entryPrice: p.entryPrice, leverage: p.leverage }] as const);
      return [row.account, new AccountBook(row, new Map(own), (symbol) => terms.get(symbol)?.sizeDecimals ?? 8, fees)];
    }),
  );
  const changed = new Set<books.PaperOrderRow>();
  const times = new Map(floor);
  for (const event of events) {
    if (event.kind === 'funding') {
      for (const book of accountBooks.values()) book.fund(event.symbol, event.rate, event.price, event.tsMs);
    } else if (fresh(event, times)) {
      times.set(event.symbol, event.tsMs);
      for (const order of orders) executeIfTouched(order, event, accountBooks, orders, changed, terms, fees);
    }
  }
  const touched = [...accountBooks.values()].filter((book) => book.newFills.length > 0);
  if (touched.length > 0 || changed.size > 0) await books.writeBooks(tx, bookChange(touched, [...changed]));
}

/** A tick older than the symbol's last matched one never triggers anything. */
function fresh(event: books.MarketEvent, times: ReadonlyMap<string, number>): boolean {
  return event.kind === 'tick' && event.tsMs >= (times.get(event.symbol) ?? 0);
}

function touch(order: books.PaperOrderRow, event: books.MarketEvent): number | null {
  if (order.status !== 'resting' || order.symbol !== event.symbol || order.tpsl === null || order.triggerPrice === null)
    return null;
  // Only ticks that came after the placement may fill it: learnt after it, and not from a moment before it.
  if (event.seq <= order.placedSeq || event.tsMs < order.tsMs) return null;
  return triggered({ side: order.side, tpsl: order.tpsl, triggerPrice: order.triggerPrice }, event.price);
}

function executeIfTouched(
  order: books.PaperOrderRow,
  event: books.MarketEvent,
  accountBooks: ReadonlyMap<string, AccountBook>,
  orders: readonly books.PaperOrderRow[],
  changed: Set<books.PaperOrderRow>,
  terms: Terms,
  fees: PaperFees,
): void {
  const meets = touch(order, event);
  const book = accountBooks.get(order.account);
  if (meets === null || book === undefined) return;
  changed.add(order);
  const held = book.size(order.symbol);
  const size = Math.min(order.size, order.side === 'sell' ? Math.max(0, held) : Math.max(0, -held));
  if (size === 0) {
    order.status = 'canceled';
    return;
  }
  const price = takerPrice(meets, order.side, fees.slippageBps, terms.get(order.symbol)?.sizeDecimals ?? 0);
  book.execute({
    oid: order.oid,
    cloid: order.cloid,
    symbol: order.symbol,
    side: order.side,
    size,
    price,
    leverage: order.leverage ?? 1,
    tsMs: event.tsMs,
  });
  Object.assign(order, { status: 'filled', filledSize: size, avgPrice: price });
  if (book.size(order.symbol) !== 0) return;
  for (const other of orders) {
    if (other.account === order.account && other.symbol === order.symbol && other.status === 'resting') {
      other.status = 'canceled';
      changed.add(other);
    }
  }
}

function newMarks(
  events: readonly books.MarketEvent[],
  marks: ReadonlyMap<string, books.MarkRow>,
): (books.MarkRow & { seq: number })[] {
  const newest = new Map<string, books.MarkRow & { seq: number }>();
  for (const event of events) {
    if (event.kind !== 'tick') continue;
    const known = newest.get(event.symbol)?.tsMs ?? marks.get(event.symbol)?.tsMs ?? 0;
    if (event.tsMs >= known)
      newest.set(event.symbol, { symbol: event.symbol, price: event.price, tsMs: event.tsMs, seq: event.seq });
  }
  return [...newest.values()];
}
