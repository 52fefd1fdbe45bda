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
import { Delivery, type SignedRequest, wirePackage } from './delivery.ts';
import { entriesSince, openingEntries } from './ledger.ts';
import { requestError, wordsOf } from './order-errors.ts';
import { Signer } from './signer.ts';

export type LiveAccount = {
  /** Name of the account on this platform. */
  readonly account: string;
  /** Of the account itself, not of its agent. */
  readonly address: string;
  readonly key: string;
  /** The address is a vault or a sub-account, which the agent's owner leads. */
  readonly isVault: boolean;
  /** What the platform says it began with. */
  readonly initialUsd: number;
};

export type HyperliquidExchangeOptions = {
  readonly accounts: readonly LiveAccount[];
  /** Moment at which an account's ledger began, ms; null while it is empty. */
  readonly ledgerBeganMs: (account: string) => Promise<number | null>;
};

const EXPIRES_AFTER_MS = 10_000;
/** Entries of one moment are not all answered at the same time: a sync looks back a little, and what is known changes nothing. */
const LOOK_BACK_MS = 120_000;

const universe = z.object({ universe: z.array(z.unknown()) });
const instrument = z.object({ name: z.string(), szDecimals: z.int().min(0).max(6) });
const mids = z.record(z.string(), decimal);

/** An account without its key: that is with the signer. */
type Seat = Omit<LiveAccount, 'key'> & { readonly signer: Signer; lastNonce: number };

export class HyperliquidExchange implements Exchange {
  readonly provider = PROVIDER;
  readonly tellsHead = false;
  readonly #client: HyperliquidClient;
  readonly #delivery: Delivery;
  readonly #ledgerBeganMs: HyperliquidExchangeOptions['ledgerBeganMs'];
  readonly #seats: ReadonlyMap<string, Seat>;
  #terms = new Map<string, InstrumentTerms>();
  #prices: Readonly<Record<string, number>> = {};

  private constructor(client: HyperliquidClient, options: HyperliquidExchangeOptions) {
    this.#client = client;
    this.#ledgerBeganMs = options.ledgerBeganMs;
    this.#delivery = new Delivery(client);
    this.#seats = new Map(options.accounts.map((account) => [account.account, this.#seat(account)]));
  }

  /** Learns the instruments, so that preparing orders needs nobody. */
  static async open(client: HyperliquidClient, options: HyperliquidExchangeOptions): Promise<HyperliquidExchange> {
    const exchange = new HyperliquidExchange(client, options);
    await exchange.#learnTerms();
    return exchange;
  }

  /** Asks for every account: one that the exchange does not know is told before anything is traded. */
  async openAccounts(accounts: readonly { account: string; initialUsd: number }[]): Promise<void> {
    for (const { account } of accounts) await this.#state(this.#seatOf(account));
  }

  async accountState(account: string): Promise<AccountState> {
    const seat = this.#seatOf(account);
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
    const seat = this.#seatOf(account);
    const expiresAfter = expiresAtMs + this.#client.skewMs;
    const placed = orderActions(
      orders,
      (symbol) => this.#termsOf(symbol),
      (symbol) => this.#prices[symbol] ?? null,
    );
    const requests = this.#withLeverages(placed, orders).map(({ body, cloids }, i) => ({
      request: this.#signed(seat, body, nonce + i, expiresAfter),
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
    return this.#delivery.lookup(this.#seatOf(account).address, cloids);
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
    const seat = this.#seatOf(account);
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

  async #learnTerms(): Promise<void> {
    const body = await this.#client.info({ type: 'meta' }, universe, 'exchange');
    const terms = body.universe.flatMap((row, asset): [string, InstrumentTerms][] => {
      const { data } = instrument.safeParse(row);
      if (data === undefined) this.#client.refused('meta.universe');
      return data === undefined ? [] : [[data.name, { asset, sizeDecimals: data.szDecimals }]];
    });
    this.#terms = new Map(terms);
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
    const seat = this.#seatOf(account);
    seat.lastNonce = Math.max(seat.lastNonce + 1, Date.now());
    const request = this.#signed(seat, body, seat.lastNonce, nowMs + EXPIRES_AFTER_MS + this.#client.skewMs);
    const raw = await this.#client.post(request, String(body.type), actions, signal);
    const answer = this.#client.parse(exchangeAnswer, raw, String(body.type), 'exchange');
    if (answer.status === 'err') throw requestError(answer.response);
    return answer;
  }

  #signed(seat: Seat, action: Record<string, unknown>, nonce: number, expiresAfter: number): SignedRequest {
    const vaultAddress = seat.isVault ? seat.address : null;
    const signature = seat.signer.sign(action, { nonce, vaultAddress, expiresAfter });
    return { action: { type: String(action.type), ...action }, nonce, signature, vaultAddress, expiresAfter };
  }

  #seat({ key, ...account }: LiveAccount): Seat {
    const signer = new Signer(key, this.#client.addresses.network);
    return { ...account, address: account.address.toLowerCase(), signer, lastNonce: 0 };
  }

  #seatOf(account: string): Seat {
    const seat = this.#seats.get(account);
    if (seat === undefined)
      throw new CodedError('NOF0_EXCHANGE_ACCOUNT', `no account at Hyperliquid is configured for "${account}"`);
    return seat;
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
