/** A venue whose truth is known: prices that walk by a hash, bars made of them, executions in a chain, on a clock of its own. */

import { uniform } from '../../src/domain/random.ts';
import { type Socket, type StandIn, send } from './stand-in.ts';

export const MINUTE = 60_000;
/** Market ms between two prices. */
export const STEP_MS = 2000;

export type Execution = {
  readonly coin: string;
  readonly px: string;
  readonly sz: string;
  readonly side: 'A' | 'B';
  readonly time: number;
  readonly startPosition: string;
  readonly dir: string;
  readonly closedPnl: string;
  readonly hash: string;
  readonly oid: number;
  readonly crossed: boolean;
  readonly fee: string;
  readonly tid: number;
};

export class Venue {
  readonly startMs: number;
  readonly speed: number;
  readonly symbols: readonly string[];
  readonly user: string;
  readonly #bornAt = performance.now();
  readonly executions: Execution[] = [];
  /** Market ms at which prices stand still. */
  endMs = Number.POSITIVE_INFINITY;
  #position = 0;
  #walks = new Map<string, number[]>();

  constructor(options: { startMs: number; speed: number; symbols: readonly string[]; user: string }) {
    this.startMs = options.startMs;
    this.speed = options.speed;
    this.symbols = options.symbols;
    this.user = options.user;
  }

  /** Market time, ms. */
  readonly now = (): number => Math.round(this.startMs + (performance.now() - this.#bornAt) * this.speed);

  #step(nowMs: number): number {
    return Math.floor((Math.min(nowMs, this.endMs) - this.startMs) / STEP_MS);
  }

  /** The mid at a step; steps before the start have prices too. */
  price(symbol: string, step: number): number {
    const walk = this.#walks.get(symbol) ?? [];
    this.#walks.set(symbol, walk);
    if (step < 0) return 100 + Math.round(uniform('before', symbol, String(step)) * 100) / 100;
    while (walk.length <= step) {
      const last = walk.at(-1) ?? 100;
      walk.push(Math.round((last + (uniform('walk', symbol, String(walk.length)) - 0.5) * 2) * 100) / 100);
    }
    return walk[step] ?? 0;
  }

  current(symbol: string): number {
    return this.price(symbol, this.#step(this.now()));
  }

  /** Bars that had begun, the open one too. */
  bars(symbol: string, startMs: number, endMs: number) {
    const nowMs = Math.min(this.now(), this.endMs);
    const bars = [];
    for (let t = Math.ceil(startMs / MINUTE) * MINUTE; t <= Math.min(endMs, nowMs) && bars.length < 500; t += MINUTE)
      bars.push(this.bar(symbol, t, nowMs));
    return bars;
  }

  bar(symbol: string, t: number, nowMs: number) {
    const first = Math.ceil((t - this.startMs) / STEP_MS);
    const last = Math.min(
      Math.ceil((t + MINUTE - this.startMs) / STEP_MS) - 1,
      Math.floor((nowMs - this.startMs) / STEP_MS),
    );
    const prices = Array.from({ length: Math.max(1, last - first + 1) }, (_, i) => this.price(symbol, first + i));
    const [o, c] = [prices[0] ?? 0, prices.at(-1) ?? 0];
    const text = (value: number) => value.toFixed(2);
    const figures = { o: text(o), c: text(c), h: text(Math.max(...prices)), l: text(Math.min(...prices)), v: '1.0' };
    return { t, T: t + MINUTE - 1, s: symbol, i: '1m', ...figures, n: prices.length };
  }

  bbo(symbol: string, step: number) {
    const price = this.price(symbol, step);
    const level = (px: number) => ({ px: px.toFixed(3), sz: '1.0', n: 1 });
    const time = this.startMs + step * STEP_MS;
    return { channel: 'bbo', data: { coin: symbol, time, bbo: [level(price - 0.01), level(price + 0.01)] } };
  }

  context(symbol: string) {
    const px = this.current(symbol).toFixed(2);
    return { funding: '0.0000125', openInterest: '10.0', dayNtlVlm: '1000.0', oraclePx: px, markPx: px, midPx: px };
  }

  /** Executes something now: a chain of positions that goes up, down, through zero. */
  execute(): Execution {
    const n = this.executions.length + 1;
    const buys = this.#position < 0 || (this.#position === 0 ? n % 2 === 0 : uniform('side', String(n)) > 0.55);
    const lots = 1 + Math.floor(uniform('size', String(n)) * 3);
    const execution: Execution = {
      coin: 'BTC',
      px: this.current('BTC').toFixed(2),
      sz: lots.toFixed(1),
      side: buys ? 'B' : 'A',
      time: this.now(),
      startPosition: this.#position.toFixed(1),
      dir: 'whatever',
      closedPnl: '0.0',
      hash: `0x${n}`,
      oid: 1000 + n,
      crossed: true,
      fee: '0.05',
      tid: 5000 + n,
    };
    this.#position += (buys ? 1 : -1) * lots;
    this.executions.push(execution);
    return execution;
  }

  /** Answers over HTTP from the truth. `broken` may replace an answer. */
  serve(
    standIn: StandIn,
    funding: readonly { coin: string; time: number; usdc: string }[],
    broken: () => unknown,
  ): void {
    const universe = this.symbols.map((name) => ({ name, szDecimals: 1, maxLeverage: 20 }));
    const since = (rows: readonly { time: number }[]) => (request: Record<string, unknown>) =>
      rows.filter(
        ({ time }) =>
          time >= Number(request.startTime) && time <= Math.min(Number(request.endTime ?? Infinity), this.now() - 1000),
      );
    const answers: Record<string, (request: Record<string, unknown>) => unknown> = {
      meta: () => ({ universe }),
      metaAndAssetCtxs: () => [{ universe }, this.symbols.map((symbol) => this.context(symbol))],
      l2Book: ({ coin }) => ({ coin, time: this.now(), levels: [[], []] }),
      candleSnapshot: ({ req }) => {
        const { coin, startTime, endTime } = req as { coin: string; startTime: number; endTime: number };
        return this.bars(coin, startTime, endTime);
      },
      fundingHistory: (request) =>
        since(funding)(request)
          .filter((row) => 'coin' in row && row.coin === request.coin)
          .map(({ time }) => ({ coin: request.coin, fundingRate: '0.0001', premium: '0.0', time })),
      clearinghouseState: () => ({
        marginSummary: { accountValue: '10000.0', totalMarginUsed: '0.0' },
        crossMaintenanceMarginUsed: '0.0',
        withdrawable: '10000.0',
        assetPositions: [],
        time: this.now(),
      }),
      frontendOpenOrders: () => [],
      allMids: () => Object.fromEntries(this.symbols.map((symbol) => [symbol, this.current(symbol).toFixed(2)])),
      userFillsByTime: (request) => since(this.executions)(request).slice(0, 2000),
      userFunding: (request) =>
        since(funding)(request).map((row) => ({
          time: row.time,
          hash: '0x0',
          delta: { type: 'funding', szi: '1.0', fundingRate: '0.0001', ...row },
        })),
      userNonFundingLedgerUpdates: () => [],
    };
    for (const [type, answer] of Object.entries(answers))
      standIn.answer(type, (request) => broken() ?? answer(request));
  }

  /** What a socket hears when it subscribes: the whole past of an account, again and again. */
  greet(socket: Socket, subscription: Record<string, unknown>): void {
    if (subscription.type !== 'userFills') return;
    send(socket, {
      channel: 'userFills',
      data: { isSnapshot: true, user: this.user, fills: this.executions.slice(-20) },
    });
  }
}
