/**
 * The paper exchange: perpetual futures accounts on our own ticks. Market orders meet the mark plus slippage, stops and targets rest
 * until a later tick touches them, funding is paid at every print. An order is never filled at a price its sender named.
 */

import { z } from 'zod';
import { CodedError } from '../../errors.ts';
import type { Database, Queryable } from '../../store/database.ts';
import * as books from '../../store/paper-books.ts';
import type {
  AccountState,
  CancelResult,
  Exchange,
  ExchangeFill,
  OrderIntent,
  OrderResult,
  OrderTarget,
  PreparedOrders,
} from '../exchange.ts';
import { AccountBook, bookChange, type PaperFees, takerPrice } from './account-book.ts';
import { matchEvents } from './matcher.ts';

const MIN_NOTIONAL_USD = 10;

const wireSchema = z.object({
  account: z.string(),
  nonce: z.number(),
  expiresAtMs: z.number(),
  orders: z.array(
    z.object({
      cloid: z.string(),
      symbol: z.string(),
      side: z.enum(['buy', 'sell']),
      size: z.number().positive(),
      kind: z.enum(['market', 'limit', 'stop', 'target']),
      triggerPrice: z.number().positive().nullable(),
      reduceOnly: z.boolean(),
      leverage: z.number().min(1),
    }),
  ),
});

export class PaperExchange implements Exchange {
  readonly provider = 'paper';
  readonly #db: Database;
  readonly #marketProvider: string;
  readonly #fees: PaperFees;
  #terms: Map<string, { sizeDecimals: number; maxLeverage: number }> | null = null;

  constructor(db: Database, marketProvider: string, fees: PaperFees) {
    this.#db = db;
    this.#marketProvider = marketProvider;
    this.#fees = fees;
  }

  async openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void> {
    await this.#db.transaction((tx) => books.openAccounts(tx, accounts));
  }

  async accountState(account: string): Promise<AccountState> {
    const {
      account: row,
      positions,
      marks,
      resting,
    } = await books.accountView(this.#db, this.#marketProvider, account);
    if (row === null) throw new CodedError('NOF0_EXCHANGE_REJECTED', `paper account "${account}" does not exist`);
    const markOf = new Map(marks.map((mark) => [mark.symbol, mark.price]));
    const book = await this.#book(row, positions);
    const mark = (symbol: string) => markOf.get(symbol);
    const equityUsd = book.equity(mark);
    const marginUsedUsd = book.marginUsed(mark);
    return {
      equityUsd,
      marginUsedUsd,
      availableUsd: Math.max(0, equityUsd - marginUsedUsd),
      positions: positions.map((p) => ({
        symbol: p.symbol,
        quantity: p.size,
        entryPrice: p.entryPrice,
        leverage: p.leverage,
        markPrice: mark(p.symbol) ?? p.entryPrice,
        marginMode: 'cross' as const,
        marginUsedUsd: (Math.abs(p.size) * (mark(p.symbol) ?? p.entryPrice)) / p.leverage,
        liquidationPrice: null,
      })),
      openOrders: resting.map((o) => ({
        oid: o.oid,
        cloid: o.cloid,
        symbol: o.symbol,
        side: o.side,
        kind: o.tpsl ?? ('limit' as const),
        size: o.size - o.filledSize,
        limitPrice: null,
        triggerPrice: o.triggerPrice,
        reduceOnly: o.reduceOnly,
        waitsForFill: false,
      })),
      maintenanceMarginUsd: 0,
    };
  }

  prepare(account: string, orders: readonly OrderIntent[], nonce: number, expiresAtMs: number): PreparedOrders {
    return { account, nonce, expiresAtMs, bytes: JSON.stringify({ account, nonce, expiresAtMs, orders }) };
  }

  async send(prepared: PreparedOrders, nowMs: number, signal: AbortSignal): Promise<OrderResult[]> {
    const request = wireSchema.parse(JSON.parse(prepared.bytes));
    signal.throwIfAborted();
    return this.#db.transaction(async (tx) => {
      const placedSeq = await books.shareCursor(tx, this.#marketProvider);
      const [row] = await books.lockAccounts(tx, [request.account]);
      if (row === undefined)
        throw new CodedError('NOF0_EXCHANGE_REJECTED', `paper account "${request.account}" does not exist`);
      const known = new Map(
        (
          await books.ordersByCloid(
            tx,
            request.account,
            request.orders.map((o) => o.cloid),
          )
        ).map((order) => [order.cloid, order]),
      );
      if (known.size === request.orders.length)
        return request.orders.map((order) => result(known.get(order.cloid), order.cloid));
      if (nowMs > request.expiresAtMs)
        return request.orders.map((order) =>
          result(known.get(order.cloid), order.cloid, 'Order expired before it reached the exchange.'),
        );
      const placed = await this.#place(
        tx,
        row,
        request.orders.filter((order) => !known.has(order.cloid)),
        placedSeq,
        nowMs,
      );
      const byCloid = new Map([...known, ...placed.map((order) => [order.cloid, order] as const)]);
      return request.orders.map((order) => result(byCloid.get(order.cloid), order.cloid));
    });
  }

  async lookup(account: string, cloids: readonly string[]): Promise<OrderResult[]> {
    return (await books.ordersByCloid(this.#db, account, cloids)).map((order) => result(order, order.cloid));
  }

  async cancel(
    account: string,
    targets: readonly OrderTarget[],
    _nowMs: number,
    signal: AbortSignal,
  ): Promise<CancelResult[]> {
    signal.throwIfAborted();
    return this.#db.transaction(async (tx) => {
      await books.shareCursor(tx, this.#marketProvider);
      await books.lockAccounts(tx, [account]);
      const resting = await books.restingOrdersOf(tx, account);
      const found = targets.map((target) =>
        resting.find((order) => ('oid' in target ? order.oid === target.oid : order.cloid === target.cloid)),
      );
      const canceled = [...new Set(found)].flatMap((order) =>
        order ? [{ ...order, status: 'canceled' as const }] : [],
      );
      if (canceled.length > 0) await books.writeBooks(tx, bookChange([], canceled));
      return found.map((order) => ({
        error: order ? null : 'Order was never placed, already canceled, or filled.',
      }));
    });
  }

  modify(): Promise<OrderResult> {
    return Promise.reject(new CodedError('NOF0_EXCHANGE_REJECTED', 'the paper exchange cannot modify orders yet'));
  }

  setLeverage(): Promise<void> {
    return Promise.reject(new CodedError('NOF0_EXCHANGE_REJECTED', 'the paper exchange takes leverage from the order'));
  }

  async fillsSince(account: string, seq: number): Promise<ExchangeFill[]> {
    const rows = await books.fillsAfter(this.#db, account, seq);
    return rows.map(({ account: owner, ...fill }) => ({
      ...fill,
      id: `${this.provider}:${owner}:${fill.seq}`,
      provider: this.provider,
      tid: fill.seq,
      crossed: true,
      liquidation: false,
    }));
  }

  async fillHeads(): Promise<Map<string, number>> {
    return new Map((await books.fillHeads(this.#db)).map((head) => [head.account, head.seq]));
  }

  async match(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const terms = await this.#assets();
      const worked = await this.#db.transaction((tx) => matchEvents(tx, this.#marketProvider, terms, this.#fees));
      if (worked === 0) return;
    }
  }

  /** Places orders one after the other, so that a close frees the margin of the entry behind it. */
  async #place(
    tx: Queryable,
    row: books.PaperAccountRow,
    orders: z.infer<typeof wireSchema>['orders'],
    placedSeq: number,
    nowMs: number,
  ): Promise<books.PaperOrderRow[]> {
    const marks = new Map((await books.marks(tx, this.#marketProvider)).map((mark) => [mark.symbol, mark.price]));
    const book = await this.#book(row, await books.positionsOf(tx, [row.account]));
    const terms = await this.#assets();
    const placed: books.PaperOrderRow[] = [];
    for (const order of orders) {
      const base = {
        oid: book.takeOid(),
        account: row.account,
        cloid: order.cloid,
        symbol: order.symbol,
        side: order.side,
        size: order.size,
        filledSize: 0,
        avgPrice: null,
        triggerPrice: order.triggerPrice,
        tpsl: order.kind === 'stop' || order.kind === 'target' ? order.kind : null,
        reduceOnly: order.reduceOnly,
        leverage: order.leverage,
        error: null,
        placedSeq,
        tsMs: nowMs,
      };
      const mark = marks.get(order.symbol);
      const size = order.reduceOnly ? Math.min(order.size, closable(book, order)) : order.size;
      const error = this.#refusal(book, order, size, mark, marks);
      if (error !== null || mark === undefined) {
        placed.push({ ...base, status: 'rejected', error: error ?? 'Unknown asset.' });
      } else if (order.kind !== 'market') {
        placed.push({ ...base, size, status: 'resting' });
      } else {
        const price = takerPrice(mark, order.side, this.#fees.slippageBps, terms.get(order.symbol)?.sizeDecimals ?? 0);
        book.execute({
          oid: base.oid,
          cloid: order.cloid,
          symbol: order.symbol,
          side: order.side,
          size,
          price,
          leverage: order.leverage,
          tsMs: nowMs,
        });
        placed.push({ ...base, size, filledSize: size, avgPrice: price, status: 'filled' });
      }
    }
    const orphans = await this.#orphans(tx, book);
    await books.writeBooks(tx, bookChange([book], [...placed, ...orphans]));
    return placed;
  }

  /** Why an order is refused, in the real exchange's words; null when it is not. */
  #refusal(
    book: AccountBook,
    order: { symbol: string; side: 'buy' | 'sell'; reduceOnly: boolean; leverage: number },
    size: number,
    mark: number | undefined,
    marks: ReadonlyMap<string, number>,
  ): string | null {
    if (mark === undefined) return 'Unknown asset.';
    if (order.reduceOnly) return size > 0 ? null : 'Reduce only order would increase position.';
    if (size * mark < MIN_NOTIONAL_USD) return 'Order must have minimum value of $10.';
    const required = (book.increase(order.symbol, order.side, size) * mark) / order.leverage;
    const markOf = (symbol: string) => marks.get(symbol);
    return required > book.equity(markOf) - book.marginUsed(markOf) ? 'Insufficient margin to place order.' : null;
  }

  /** Stops and targets of positions that are gone now are canceled with them. */
  async #orphans(tx: Queryable, book: AccountBook): Promise<books.PaperOrderRow[]> {
    const resting = await books.restingOrdersOf(tx, book.account);
    const closedNow = new Set(book.newFills.map((fill) => fill.symbol).filter((symbol) => book.size(symbol) === 0));
    return resting
      .filter((order) => closedNow.has(order.symbol))
      .map((order) => ({ ...order, status: 'canceled' as const }));
  }

  async #book(row: books.PaperAccountRow, positions: readonly books.PaperPositionRow[]): Promise<AccountBook> {
    const terms = await this.#assets();
    return new AccountBook(
      row,
      new Map(positions.map((p) => [p.symbol, { size: p.size, entryPrice: p.entryPrice, leverage: p.leverage }])),
      (symbol) => terms.get(symbol)?.sizeDecimals ?? 8,
      this.#fees,
    );
  }

  async #assets(): Promise<Map<string, { sizeDecimals: number; maxLeverage: number }>> {
    // An empty list is not remembered: the assets are ingested after this exchange was opened.
    if (this.#terms === null || this.#terms.size === 0)
      this.#terms = await books.sizeDecimalsOf(this.#db, this.#marketProvider);
    return this.#terms;
  }
}

function closable(book: AccountBook, order: { symbol: string; side: 'buy' | 'sell' }): number {
  const held = book.size(order.symbol);
  return (order.side === 'sell' ? held : -held) > 0 ? Math.abs(held) : 0;
}

function result(
  order: books.PaperOrderRow | undefined,
  cloid: string,
  otherwise = 'Order was never placed.',
): OrderResult {
  if (order === undefined)
    return { cloid, status: 'rejected', oid: null, filledSize: 0, avgPrice: null, error: otherwise };
  return {
    cloid,
    status: order.status,
    oid: order.oid,
    filledSize: order.filledSize,
    avgPrice: order.avgPrice,
    error: order.error,
  };
}
