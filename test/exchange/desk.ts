/** A trader of the paper exchange whose market moves when the test says so. */

import { clientOrderId } from '../../src/domain/ids.ts';
import type {
  Exchange,
  ExchangeFill,
  ExchangePosition,
  OrderIntent,
  OrderResult,
} from '../../src/exchange/exchange.ts';
import { type Arena, feed, never, T0, tick } from '../engine/arena.ts';

export type Intent = Partial<OrderIntent> & Pick<OrderIntent, 'side' | 'size'>;

export class Desk {
  readonly arena: Arena;
  readonly exchange: Exchange;
  #accounts = 0;
  #orders = 0;
  #clockMs = T0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.exchange = arena.stories.exchange;
  }

  get nowMs(): number {
    return this.#clockMs;
  }

  /** Market time only moves forward, also from one test to the next. */
  later(ms = 1000): number {
    this.#clockMs += ms;
    return this.#clockMs;
  }

  async open(initialUsd = 10_000): Promise<string> {
    this.#accounts += 1;
    const account = `account-${this.#accounts}`;
    await this.exchange.openAccounts([{ account, initialUsd }]);
    return account;
  }

  /** Stores ticks at the next moment without matching them. */
  async ingest(prices: Record<string, number>): Promise<number> {
    const tsMs = this.later();
    await feed(this.arena.db, { ticks: Object.entries(prices).map(([symbol, price]) => tick(symbol, tsMs, price)) });
    return tsMs;
  }

  async match(): Promise<void> {
    await this.exchange.match?.(never);
  }

  /** Ticks at the next moment, matched. */
  async quote(prices: Record<string, number>): Promise<number> {
    const tsMs = await this.ingest(prices);
    await this.match();
    return tsMs;
  }

  intent(fields: Intent): OrderIntent {
    this.#orders += 1;
    return {
      cloid: clientOrderId('desk', T0 + this.#orders, 'entry', 'BTC'),
      symbol: 'BTC',
      kind: 'market',
      triggerPrice: null,
      reduceOnly: fields.kind === 'stop' || fields.kind === 'target',
      leverage: 2,
      ...fields,
    };
  }

  async send(account: string, ...intents: Intent[]): Promise<OrderResult[]> {
    const nowMs = this.later(1);
    const prepared = this.exchange.prepare(
      account,
      intents.map((each) => this.intent(each)),
      nowMs,
      nowMs + 10_000,
    );
    return this.exchange.send(prepared, nowMs, never);
  }

  fills(account: string): Promise<ExchangeFill[]> {
    return this.exchange.fillsSince(account, 0);
  }

  async positions(account: string): Promise<readonly ExchangePosition[]> {
    return (await this.exchange.accountState(account)).positions;
  }

  async resting(account: string): Promise<string[]> {
    return (await this.exchange.accountState(account)).openOrders.map(({ kind }) => kind);
  }
}
