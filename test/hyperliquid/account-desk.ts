/** An account at the exchange on loopback: it takes orders at the venue's prices, keeps positions and standing orders, and tells its fills. */

import type { StandIn } from './stand-in.ts';
import type { Venue } from './venue.ts';

type WireOrder = {
  readonly a: number;
  readonly b: boolean;
  readonly p: string;
  readonly s: string;
  readonly r: boolean;
  readonly t: { readonly limit?: { readonly tif: string }; readonly trigger?: { triggerPx: string; tpsl: string } };
  readonly c: string;
};
type Standing = { readonly oid: number; readonly order: WireOrder };
type Action = { readonly type: string } & Record<string, unknown>;
type Fill = { readonly time: number; readonly [field: string]: unknown };

const CASH_USD = 10_000;
const FEE_USD = 0.05;

export class AccountDesk {
  readonly standing = new Map<number, Standing>();
  readonly positions = new Map<string, number>();
  readonly fills: Fill[] = [];
  /** The share of a market order that is filled. */
  depth = 1;
  /** Hangs up after it has acted, so often. */
  deafAnswers = 0;
  readonly #venue: Venue;
  readonly #ended = new Map<string, { oid: number; order: WireOrder; state: string; filled: number }>();
  readonly #nonces = new Set<number>();
  readonly #leverages = new Map<number, number>();
  #oids = 100;
  #cashUsd = CASH_USD;

  constructor(venue: Venue) {
    this.#venue = venue;
  }

  /** Answers for the account, over what the venue says of the market. */
  serve(standIn: StandIn): void {
    standIn.state.exchange = ({ action, nonce }) => {
      const answer = this.#post(action as Action, Number(nonce));
      if (this.deafAnswers === 0) return answer;
      this.deafAnswers -= 1;
      return undefined;
    };
    standIn.answer('clearinghouseState', () => this.#state());
    standIn.answer('frontendOpenOrders', () => [...this.standing.values()].map((each) => this.#row(each)));
    standIn.answer('orderStatus', ({ oid }) => this.#status(String(oid)));
    standIn.answer('userFillsByTime', ({ startTime }) => this.fills.filter(({ time }) => time >= Number(startTime)));
    standIn.answer('userFunding', () => []);
  }

  quantity(symbol: string): number {
    return this.positions.get(symbol) ?? 0;
  }

  /** The market touches the stop of a symbol. The exchange tells the fill by the number of the order alone. */
  touchStop(symbol: string): void {
    for (const { oid, order } of [...this.standing.values()]) {
      if (order.t.trigger?.tpsl !== 'sl' || this.#coin(order) !== symbol) continue;
      this.standing.delete(oid);
      const { c, ...unnamed } = order;
      this.#ended.set(c, { oid, order, state: 'filled', filled: Number(order.s) });
      this.#execute({ ...unnamed, c: null }, oid, Number(order.s));
    }
  }

  /** Somebody trades the account by hand. */
  byHand(symbol: string, quantity: number): void {
    const order = { a: this.#venue.symbols.indexOf(symbol), b: quantity > 0, p: '0', s: '0', r: false, t: {}, c: null };
    this.#execute(order, ++this.#oids, Math.abs(quantity));
  }

  /** Somebody takes the stop of a symbol away. */
  loseStop(symbol: string): void {
    for (const each of [...this.standing.values()])
      if (each.order.t.trigger?.tpsl === 'sl' && this.#coin(each.order) === symbol) this.#end(each);
  }

  #post(action: Action, nonce: number): unknown {
    if (this.#nonces.has(nonce)) return { status: 'err', response: `Invalid nonce: duplicate nonce ${nonce}` };
    this.#nonces.add(nonce);
    if (action.type === 'updateLeverage') {
      this.#leverages.set(Number(action.asset), Number(action.leverage));
      return { status: 'ok', response: { type: 'default' } };
    }
    return { status: 'ok', response: { type: action.type, data: { statuses: this.#statuses(action) } } };
  }

  #statuses(action: Action): unknown[] {
    switch (action.type) {
      case 'order':
        return this.#placeAll(action);
      case 'cancel':
        return (action.cancels as { o: number }[]).map(({ o }) => this.#cancel(o));
      case 'cancelByCloid':
        return (action.cancels as { cloid: string }[]).map(({ cloid }) => this.#cancel(this.#oidOf(cloid)));
      case 'modify': {
        this.#cancel(typeof action.oid === 'number' ? action.oid : this.#oidOf(String(action.oid)));
        return [this.#place(action.order as WireOrder)];
      }
      default:
        throw new Error(`the desk knows no ${action.type}`);
    }
  }

  /** Children of an order are only said to wait, as the real one does. */
  #placeAll({ orders, grouping }: Action): unknown[] {
    const statuses = (orders as WireOrder[]).map((order) => this.#place(order));
    const taken = JSON.stringify(statuses[0]).includes('filled');
    if (grouping !== 'normalTpsl') return statuses;
    return statuses.map((status, i) => (i === 0 ? status : taken ? 'waitingForTrigger' : 'waitingForFill'));
  }

  #place(order: WireOrder): unknown {
    const oid = ++this.#oids;
    if (order.t.trigger !== undefined || order.t.limit?.tif === 'Gtc') {
      this.standing.set(oid, { oid, order });
      return { resting: { oid } };
    }
    const held = this.quantity(this.#coin(order));
    const most = order.r ? Math.min(Number(order.s), Math.abs(held)) : Number(order.s);
    const size = Math.round(most * this.depth * 10) / 10;
    this.#ended.set(order.c, { oid, order, state: size > 0 ? 'filled' : 'iocCancelRejected', filled: size });
    if (size === 0) return { error: `Order could not immediately match against any resting orders. asset=${order.a}` };
    return { filled: { oid, totalSz: size.toFixed(1), avgPx: this.#execute(order, oid, size) } };
  }

  #execute(order: Omit<WireOrder, 'c'> & { readonly c: string | null }, oid: number, size: number): string {
    const coin = this.#coin(order);
    const before = this.quantity(coin);
    const after = Math.round((before + (order.b ? size : -size)) * 10) / 10;
    const px = this.#venue.current(coin).toFixed(2);
    this.positions.set(coin, after);
    this.#cashUsd -= (order.b ? size : -size) * Number(px) + FEE_USD;
    this.fills.push({
      ...{ coin, px, sz: size.toFixed(1), side: order.b ? 'B' : 'A', time: this.#venue.now() },
      ...{ startPosition: before.toFixed(1), dir: 'whatever', closedPnl: '0.0', hash: `0x${oid}`, oid },
      ...{ crossed: true, fee: String(FEE_USD), tid: 9000 + oid, cloid: order.c },
    });
    // The last of a position takes its stops and targets with it.
    if (after === 0) for (const each of [...this.standing.values()]) if (this.#guards(each, coin)) this.#end(each);
    return px;
  }

  #guards({ order }: Standing, coin: string): boolean {
    return order.r && this.#coin(order) === coin;
  }

  #end({ oid, order }: Standing): void {
    this.standing.delete(oid);
    this.#ended.set(order.c, { oid, order, state: 'canceled', filled: 0 });
  }

  #cancel(oid: number): unknown {
    const found = this.standing.get(oid);
    if (found === undefined) return { error: 'Order was never placed, already canceled, or filled. asset=0' };
    this.#end(found);
    return 'success';
  }

  #coin(order: Pick<WireOrder, 'a'>): string {
    return this.#venue.symbols[order.a] ?? '';
  }

  #oidOf(cloid: string): number {
    return [...this.standing.values()].find(({ order }) => order.c === cloid)?.oid ?? -1;
  }

  #status(cloid: string): unknown {
    const found = this.standing.get(this.#oidOf(cloid));
    const ended = this.#ended.get(cloid);
    if (found === undefined && ended === undefined) return { status: 'unknownOid' };
    const { order, oid } = found ?? ended ?? { order: {} as WireOrder, oid: -1 };
    const left = Number(order.s) - (ended?.filled ?? 0);
    const row = { oid, sz: left.toFixed(1), origSz: order.s, isTrigger: order.t.trigger !== undefined };
    const status = found === undefined ? ended?.state : 'open';
    return { status: 'order', order: { order: row, status, statusTimestamp: this.#venue.now() } };
  }

  #row({ oid, order }: Standing): unknown {
    const { trigger } = order.t;
    const kind = trigger?.tpsl === 'sl' ? 'Stop Market' : 'Take Profit Market';
    return {
      ...{ coin: this.#coin(order), side: order.b ? 'B' : 'A', limitPx: order.p, sz: order.s, oid, cloid: order.c },
      ...{ isTrigger: trigger !== undefined, triggerPx: trigger?.triggerPx ?? '0.0', reduceOnly: order.r },
      ...{ isPositionTpsl: false, orderType: trigger === undefined ? 'Limit' : kind, children: [] },
    };
  }

  #state(): unknown {
    const assetPositions = [...this.positions].flatMap(([coin, quantity]) => {
      if (quantity === 0) return [];
      const mark = this.#venue.current(coin);
      const leverage = this.#leverages.get(this.#venue.symbols.indexOf(coin)) ?? 20;
      const value = Math.abs(quantity) * mark;
      const position = {
        ...{ coin, szi: quantity.toFixed(1), entryPx: mark.toFixed(2), positionValue: value.toFixed(6) },
        ...{ unrealizedPnl: '0.0', marginUsed: (value / leverage).toFixed(6), liquidationPx: null },
        leverage: { type: 'cross', value: leverage },
      };
      return [{ position }];
    });
    const held = [...this.positions].reduce((sum, [coin, quantity]) => sum + quantity * this.#venue.current(coin), 0);
    const accountValue = (this.#cashUsd + held).toFixed(6);
    return {
      marginSummary: { accountValue, totalMarginUsed: '0.0' },
      ...{ crossMaintenanceMarginUsed: '0.0', withdrawable: accountValue, time: this.#venue.now() },
      assetPositions,
    };
  }
}
