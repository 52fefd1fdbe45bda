/**
 * The paper exchange: perpetual futures accounts on our own ticks. Market orders meet the book or the mark plus slippage, limits rest,
 * stops and targets sleep until a later tick touches them, funding is paid at every print, and whoever cannot keep the maintenance
 * margin is liquidated. An order is never filled at a price its sender hoped for.
 */

import type { OrderBook } from '../../domain/order-book.ts';
import { REFUSALS } from '../../domain/order-rules.ts';
import type { BookOrder } from '../../domain/paper-book.ts';
import { CodedError } from '../../errors.ts';
import type { Database } from '../../store/database.ts';
import * as store from '../../store/paper-books.ts';
import { Questions } from '../../store/questions.ts';
import type {
  AccountState,
  CancelResult,
  Exchange,
  ExchangeFill,
  LeverageSetting,
  OrderIntent,
  OrderResult,
  OrderTarget,
  PreparedOrders,
} from '../exchange.ts';
import type { AccountBook } from './account-book.ts';
import { accountStateOf } from './account-view.ts';
import { boardFrom, booksFrom, changeOf } from './books.ts';
import { liquidate } from './liquidation.ts';
import { BATCH, matchEvents } from './matcher.ts';
import { type MarkBoard, marksOf } from './matching.ts';
import { type PaperRules, type PaperSettings, paperRules } from './paper-rules.ts';
import { cancelOrder, type MarketView, placeOrders, refusedOrder } from './placement.ts';
import { changeLeverage } from './set-leverage.ts';
import { settleAccount } from './settle.ts';
import { decodeRequest, encodeRequest } from './wire.ts';

/** Where the paper exchange gets a book from; without one the slippage of the settings stands for it. */
export type BookSource = (symbol: string, signal: AbortSignal) => Promise<OrderBook | null>;

/** One account while its row is locked. */
type Opened = {
  readonly book: AccountBook;
  readonly board: MarkBoard;
  readonly seq: number;
  readonly known: readonly BookOrder[];
};

export class PaperExchange implements Exchange {
  readonly provider = 'paper';
  readonly tellsHead = true;
  readonly #db: Database;
  readonly #marketProvider: string;
  readonly #settings: PaperSettings;
  readonly #bookOf: BookSource | null;
  readonly #states: Questions<string, AccountState | null>;
  readonly #fills: Questions<store.FillsAfter, store.FillRow[]>;
  #rules: PaperRules | null = null;

  constructor(db: Database, marketProvider: string, settings: PaperSettings, bookOf: BookSource | null = null) {
    this.#db = db;
    this.#marketProvider = marketProvider;
    this.#settings = settings;
    this.#bookOf = bookOf;
    this.#states = new Questions((accounts) => this.#accountStates(accounts));
    this.#fills = new Questions((asked) => store.fillsAfter(db, asked));
  }

  async openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void> {
    await this.#db.transaction((tx) => store.openAccounts(tx, accounts));
  }

  async accountState(account: string): Promise<AccountState> {
    const state = await this.#states.ask(account);
    if (state === null) throw missing(account);
    return state;
  }

  prepare(account: string, orders: readonly OrderIntent[], nonce: number, expiresAtMs: number): PreparedOrders {
    return encodeRequest(account, orders, nonce, expiresAtMs);
  }

  async send(prepared: PreparedOrders, nowMs: number, signal: AbortSignal): Promise<OrderResult[]> {
    const { account, expiresAtMs, orders } = decodeRequest(prepared.bytes);
    signal.throwIfAborted();
    const depth = await this.#books(orders, signal);
    const cloids = orders.map((order) => order.cloid);
    return this.#withBook(account, cloids, ({ book, board, seq, known }) => {
      // Placed once, answered as often as it is asked.
      const before = new Map(known.map((order) => [order.cloid, order]));
      const market = { mark: marksOf(board), book: depth, seq, nowMs };
      if (nowMs > expiresAtMs)
        return orders.map((order) => before.get(order.cloid) ?? refusedOrder(book, order, market, REFUSALS.expired));
      const placed = placeOrders(book, orders, market, before);
      if (placed.every((order) => known.includes(order))) return placed;
      liquidate(book, market.mark, nowMs);
      return placed;
    }).then((placed) => placed.map(resultOf));
  }

  async lookup(account: string, cloids: readonly string[]): Promise<OrderResult[]> {
    return (await store.ordersByCloid(this.#db, account, cloids)).map(resultOf);
  }

  async cancel(
    account: string,
    targets: readonly OrderTarget[],
    _nowMs: number,
    signal: AbortSignal,
  ): Promise<CancelResult[]> {
    signal.throwIfAborted();
    return this.#withBook(account, [], ({ book }) =>
      targets.map((target) => ({ error: cancelOrder(book, find(book, target)) ? null : REFUSALS.missing })),
    );
  }

  async modify(
    account: string,
    target: OrderTarget,
    order: OrderIntent,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<OrderResult> {
    const depth = await this.#books([order], signal);
    const refused = Symbol('refused');
    let result = rejection(order.cloid, REFUSALS.modify);
    await this.#withBook(account, [order.cloid], ({ book, board, seq, known: [known] }) => {
      if (known !== undefined) result = resultOf(known);
      else if (cancelOrder(book, find(book, target))) {
        const market: MarketView = { mark: marksOf(board), book: depth, seq, nowMs };
        const [placed] = placeOrders(book, [order], market);
        if (placed !== undefined) result = resultOf(placed);
        // Nothing has happened then: the old order stands, since the transaction is rolled back.
        if (placed?.status === 'rejected') throw refused;
      }
    }).catch((error: unknown) => {
      if (error !== refused) throw error;
    });
    return result.status === 'rejected' ? { ...result, oid: null } : result;
  }

  async setLeverage(
    account: string,
    symbol: string,
    setting: LeverageSetting,
    _nowMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    await this.#withBook(account, [], ({ book, board }) => {
      const refusal = changeLeverage(book, symbol, setting, marksOf(board));
      if (refusal !== null) throw new CodedError('NOF0_EXCHANGE_REJECTED', refusal);
    });
  }

  async fillsSince(account: string, seq: number): Promise<ExchangeFill[]> {
    const rows = await this.#fills.ask({ account, seq });
    return rows.map(({ account: owner, ...fill }) => ({
      ...fill,
      id: `${this.provider}:${owner}:${fill.seq}`,
      provider: this.provider,
      tid: fill.seq,
    }));
  }

  async fillHeads(): Promise<Map<string, number>> {
    return new Map((await store.fillHeads(this.#db)).map((head) => [head.account, head.seq]));
  }

  async match(signal: AbortSignal): Promise<void> {
    const rules = await this.#paperRules();
    while (!signal.aborted) {
      if ((await matchEvents(this.#db, this.#marketProvider, rules)) < BATCH) return;
    }
  }

  async settle(accounts: readonly { account: string; usd: number }[], cause: string, nowMs: number): Promise<void> {
    const rules = await this.#paperRules();
    await this.#db.transaction(async (tx) => {
      const books: AccountBook[] = [];
      // In the order in which everybody locks them.
      for (const { account, usd } of accounts.toSorted((a, b) => (a.account < b.account ? -1 : 1))) {
        const rows = await store.openBook(tx, this.#marketProvider, account, []);
        const [book] = rows === null ? [] : booksFrom(rows, rules);
        if (book === undefined) throw missing(account);
        if (await store.hasFillOf(tx, account, cause)) continue;
        settleAccount(book, usd, cause, nowMs);
        books.push(book);
      }
      const change = changeOf(books);
      if (change !== null) await store.writeBooks(tx, change);
    });
  }

  matchedUntil(): Promise<number> {
    return store.matchedUntil(this.#db, this.#marketProvider);
  }

  async #accountStates(accounts: readonly string[]): Promise<(AccountState | null)[]> {
    const rules = await this.#paperRules();
    const books = await store.readBooks(this.#db, this.#marketProvider, accounts);
    const mark = marksOf(boardFrom(books.marks));
    const states = new Map(
      booksFrom(books, rules).map((book) => [book.account, accountStateOf(book, mark, books.matchedMs)]),
    );
    return accounts.map((account) => states.get(account) ?? null);
  }

  /** Opens an account's book under its lock, lets something happen to it and writes what did: one commit. */
  async #withBook<T>(account: string, cloids: readonly string[], act: (opened: Opened) => T): Promise<T> {
    const rules = await this.#paperRules();
    return this.#db.transaction(async (tx, last) => {
      const rows = await store.openBook(tx, this.#marketProvider, account, cloids);
      const [book] = rows === null ? [] : booksFrom(rows, rules);
      if (rows === null || book === undefined) throw missing(account);
      const result = act({ book, board: boardFrom(rows.marks), seq: rows.seq, known: rows.known });
      const change = changeOf([book]);
      if (change !== null) await store.writeBooks(last, change);
      return result;
    });
  }

  /** Books of what is about to be traded, fetched before any lock is held. */
  async #books(orders: readonly OrderIntent[], signal: AbortSignal): Promise<MarketView['book']> {
    const bookOf = this.#bookOf;
    if (bookOf === null) return () => null;
    const symbols = [...new Set(orders.map((order) => order.symbol))];
    const books = await Promise.all(symbols.map(async (symbol) => [symbol, await bookOf(symbol, signal)] as const));
    const known = new Map(books);
    return (symbol) => known.get(symbol) ?? null;
  }

  async #paperRules(): Promise<PaperRules> {
    if (this.#rules !== null) return this.#rules;
    const assets = await store.assetTerms(this.#db, this.#marketProvider);
    const rules = paperRules(this.#settings, assets);
    // An empty list is not remembered: the assets are ingested after this exchange was opened.
    if (assets.size > 0) this.#rules = rules;
    return rules;
  }
}

function missing(account: string): CodedError {
  return new CodedError('NOF0_EXCHANGE_REJECTED', `paper account "${account}" does not exist`);
}

function find(book: AccountBook, target: OrderTarget): BookOrder | undefined {
  if ('oid' in target) return book.orders.get(target.oid);
  return [...book.orders.values()].find((order) => order.cloid === target.cloid);
}

function rejection(cloid: string, error: string): OrderResult {
  return { cloid, status: 'rejected', oid: null, filledSize: 0, avgPrice: null, error };
}

function resultOf(order: BookOrder): OrderResult {
  const { cloid, oid, filledSize, avgPrice, error } = order;
  const status = order.status === 'waiting' ? 'resting' : order.status;
  return { cloid, status, oid: oid === 0 ? null : oid, filledSize, avgPrice, error };
}
