/** A real exchange: perpetuals of Hyperliquid, one account a model, signed by an agent of the account. */

import { z } from 'zod';
import { CodedError } from '../../errors.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { PROVIDER } from '../../hyperliquid/provider.ts';
import { decimal } from '../../hyperliquid/wire.ts';
import type {
  AccountState,
  CancelResult,
  Exchange,
  ExchangeFill,
  MarginMode,
  OrderIntent,
  OrderResult,
  OrderTarget,
  PreparedOrders,
} from '../exchange.ts';
import { accountBody, openOrdersBody, toAccountState, toOpenOrders } from './account.ts';
import {
  type Action,
  cancelActions,
  type InstrumentTerms,
  isClose,
  leverageAction,
  modifyAction,
  orderActions,
} from './actions.ts';
import { exchangeAnswer, resultOf, type Status, statusesOf } from './answers.ts';
import { Delivery, wirePackage } from './delivery.ts';
import { entriesSince, openingEntries } from './ledger.ts';
import { requestError, wordsOf } from './order-errors.ts';
import { type LiveAccount, type Seat, Seats, signed } from './seats.ts';
import { instrumentTerms } from './terms.ts';

export type { LiveAccount } from './seats.ts';

export type HyperliquidExchangeOptions = {
  readonly accounts: readonly LiveAccount[];
  /** Moment at which an account's ledger began, ms; null while it is empty. */
  readonly ledgerBeganMs: (account: string) => Promise<number | null>;
};

const EXPIRES_AFTER_MS = 10_000;
/** Entries of one moment are not all answered at the same time: a sync looks back a little, and what is known changes nothing. */
const LOOK_BACK_MS = 120_000;

const mids = z.record(z.string(), decimal);

export class HyperliquidExchange implements Exchange {
  readonly provider = PROVIDER;
  readonly tellsHead = false;
  readonly #client: HyperliquidClient;
  readonly #delivery: Delivery;
  readonly #ledgerBeganMs: HyperliquidExchangeOptions['ledgerBeganMs'];
  readonly #seats: Seats;
  #terms: ReadonlyMap<string, InstrumentTerms> = new Map();
  #prices: Readonly<Record<string, number>> = {};

  private constructor(client: HyperliquidClient, options: HyperliquidExchangeOptions) {
    this.#client = client;
    this.#ledgerBeganMs = options.ledgerBeganMs;
    this.#delivery = new Delivery(client);
    this.#seats = new Seats(options.accounts, client.addresses.network);
  }

  /** Learns the instruments, so that preparing orders needs nobody. */
  static async open(client: HyperliquidClient, options: HyperliquidExchangeOptions): Promise<HyperliquidExchange> {
    const exchange = new HyperliquidExchange(client, options);
    exchange.#terms = await instrumentTerms(client);
    return exchange;
  }

  /** Asks for every account: one that the exchange does not know is told before anything is traded. */
  async openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void> {
    for (const { account } of accounts) await this.#state(this.#seats.of(account));
  }

  async accountState(account: string): Promise<AccountState> {
    const seat = this.#seats.of(account);
    const request = { type: 'frontendOpenOrders', user: seat.address };
    const [state, orders, prices] = await Promise.all([
      this.#state(seat),
      this.#client.info(request, openOrdersBody, 'exchange'),
      this.#client.info({ type: 'allMids' }, mids, 'exchange'),
    ]);
    this.#prices = prices;
    return toAccountState(state, toOpenOrders(orders));
  }

  /** Numbers count up from `nonce`, one a request; the caller leaves them free until the next. */
  prepare(account: string, orders: readonly OrderIntent[], nonce: number, expiresAtMs: number): PreparedOrders {
    const seat = this.#seats.of(account);
    const expiresAfter = expiresAtMs + this.#client.skewMs;
    const placed = orderActions(
      orders,
      (symbol) => this.#termsOf(symbol),
      (symbol) => this.#prices[symbol] ?? null,
    );
    const requests = this.#withLeverages(placed, orders).map(({ body, cloids }, i) => ({
      request: signed(seat, body, nonce + i, expiresAfter),
      cloids,
    }));
    return {
      account,
      nonce,
      expiresAtMs,
      bytes: JSON.stringify({ user: seat.address, cloids: orders.map((order) => order.cloid), requests }),
    };
  }

  async send(prepared: PreparedOrders, _nowMs: number, signal: AbortSignal): Promise<OrderResult[]> {
    const wire = wirePackage.parse(JSON.parse(prepared.bytes));
    return this.#delivery.deliver(wire, { expiresAtMs: prepared.expiresAtMs, signal });
  }

  lookup(account: string, cloids: readonly string[]): Promise<OrderResult[]> {
    return this.#delivery.lookup(this.#seats.of(account).address, cloids);
  }

  async cancel(
    account: string,
    targets: readonly OrderTarget[],
    nowMs: number,
    signal: AbortSignal,
  ): Promise<CancelResult[]> {
    const results: CancelResult[] = targets.map(() => ({ error: null }));
    for (const { body, places } of cancelActions(targets, (symbol) => this.#termsOf(symbol))) {
      const answer = await this.#act(account, body, places.length, nowMs, signal);
      const statuses = statusesOf(answer, places.length);
      for (const [i, place] of places.entries()) results[place] = { error: cancelError(statuses[i]) };
    }
    return results;
  }

  async modify(
    account: string,
    target: OrderTarget,
    order: OrderIntent,
    nowMs: number,
    signal: AbortSignal,
  ): Promise<OrderResult> {
    const [known] = await this.lookup(account, [order.cloid]);
    if (known !== undefined) return known;
    const prices = (symbol: string) => this.#prices[symbol] ?? null;
    const body = modifyAction(target, order, (symbol) => this.#termsOf(symbol), prices);
    const answer = await this.#act(account, body, 1, nowMs, signal);
    const [status] = statusesOf(answer, 1);
    if (status !== undefined) return resultOf(order.cloid, status);
    const [placed] = await this.lookup(account, [order.cloid]);
    return placed ?? { cloid: order.cloid, status: 'resting', oid: null, filledSize: 0, avgPrice: null, error: null };
  }

  async setLeverage(
    account: string,
    symbol: string,
    setting: { readonly leverage: number; readonly marginMode: MarginMode },
    nowMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const body = leverageAction(this.#termsOf(symbol).asset, setting.leverage, setting.marginMode);
    await this.#act(account, body, 1, nowMs, signal);
  }

  /** Entries from a little before `seq` (ms) on: what is known already changes nothing. An empty ledger begins with what is there. */
  async fillsSince(account: string, seq: number): Promise<ExchangeFill[]> {
    const seat = this.#seats.of(account);
    const beganMs = seq === 0 ? null : await this.#ledgerBeganMs(account);
    if (seq === 0) {
      const state = await this.#state(seat);
      return openingEntries(seat, seat.initialUsd, state, state.time ?? Date.now() + this.#client.skewMs);
    }
    return entriesSince(this.#client, seat, Math.max(seq - LOOK_BACK_MS, (beganMs ?? 0) + 1));
  }

  /** Nobody counts here; the feed hears of executions, and every cycle and snapshot asks. */
  async fillHeads(): Promise<Map<string, number>> {
    return new Map();
  }

  async #state(seat: Seat) {
    const askedMs = Date.now();
    const request = { type: 'clearinghouseState', user: seat.address };
    const state = await this.#client.info(request, accountBody, 'exchange');
    if (state.time !== undefined) this.#client.measureSkew(state.time, askedMs);
    return state;
  }

  /** A change of leverage before a symbol is entered, behind whatever closes it; where it is refused, the entry is not sent. */
  #withLeverages(actions: readonly Action[], orders: readonly OrderIntent[]): Action[] {
    const set = new Set<string>();
    return actions.flatMap((action) => {
      const entry = orders.find((order) => !order.reduceOnly && action.cloids.includes(order.cloid));
      if (entry === undefined || set.has(entry.symbol)) return [action];
      set.add(entry.symbol);
      const { asset } = this.#termsOf(entry.symbol);
      const body = leverageAction(asset, Math.max(1, Math.floor(entry.leverage)), entry.marginMode ?? 'cross');
      const dependent = orders.filter((order) => order.symbol === entry.symbol && !isClose(order));
      return [{ body, cloids: dependent.map((order) => order.cloid) }, action];
    });
  }

  /** Signs and posts now, with a number of its own. Throws the coded error of an answer that is none. */
  async #act(account: string, body: Record<string, unknown>, actions: number, nowMs: number, signal: AbortSignal) {
    const seat = this.#seats.of(account);
    seat.lastNonce = Math.max(seat.lastNonce + 1, Date.now());
    const request = signed(seat, body, seat.lastNonce, nowMs + EXPIRES_AFTER_MS + this.#client.skewMs);
    const raw = await this.#client.post(request, String(body.type), actions, signal);
    const answer = this.#client.parse(exchangeAnswer, raw, String(body.type), 'exchange');
    if (answer.status === 'err') throw requestError(answer.response);
    return answer;
  }

  #termsOf(symbol: string): InstrumentTerms {
    const terms = this.#terms.get(symbol);
    if (terms === undefined) throw new CodedError('NOF0_SYMBOL_UNKNOWN', `Hyperliquid does not list ${symbol}`);
    return terms;
  }
}

/** In the exchange's words; null when the order is canceled. */
function cancelError(status: Status | undefined): string | null {
  if (status === undefined) return 'The exchange answered nothing about this order.';
  return typeof status === 'object' && 'error' in status ? wordsOf(status.error) : null;
}
