/**
 * The market as it happens. Prices come over the WebSocket; once a minute, and after every connection, what only an answer can say for
 * sure is asked for: closed bars, contexts, funding prints, and what happened while nobody listened.
 */

import type { AssetContext } from '../../domain/market.ts';
import { CANDLE_INTERVAL_MS } from '../../domain/market.ts';
import { slotAt } from '../../domain/time.ts';
import { messageOf } from '../../errors.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { PROVIDER } from '../../hyperliquid/provider.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { FeedSink, MarketData, MarketFeed } from '../market-data.ts';
import { FeedSocket, type Subscription } from './feed-socket.ts';
import { readFrame } from './frames.ts';

export type FeedOptions = {
  readonly symbols: readonly string[];
  /** Accounts whose executions are listened for: address (lower case) → name on this platform. */
  readonly accounts: ReadonlyMap<string, string>;
  /** Up to when everything has been told, ms; null: nothing has. */
  readonly fromMs: number | null;
  readonly metrics: Metrics;
  readonly log: (message: string, details: Record<string, unknown>) => void;
  readonly heartbeatMs?: number;
  readonly reconnectMs?: number;
  /** Ms between two looks at what is due. */
  readonly beatMs?: number;
};

const HEARTBEAT_MS = 20_000;
const RECONNECT_MS = 200;
const BEAT_MS = 250;
/** Contexts change with every trade; once in a while is often enough. */
const CONTEXT_EVERY_MS = 5000;

export class HyperliquidFeed implements MarketFeed {
  readonly #market: Pick<MarketData, 'fetch'>;
  readonly #client: HyperliquidClient;
  readonly #sink: FeedSink;
  readonly #options: FeedOptions;
  readonly #socket: FeedSocket;
  readonly #beat: NodeJS.Timeout;
  readonly #stop = new AbortController();
  readonly #contextAtMs = new Map<string, number>();
  #isUp = false;
  /** Everything that answers say has been told up to here. */
  #filledMs: number | null;
  #filling: Promise<void> | null = null;
  /** A connection came up, or a minute ended, since the last answers. */
  #wantsFill = false;

  constructor(market: Pick<MarketData, 'fetch'>, client: HyperliquidClient, sink: FeedSink, options: FeedOptions) {
    this.#market = market;
    this.#client = client;
    this.#sink = sink;
    this.#options = options;
    this.#filledMs = options.fromMs;
    const { feedReconnects } = options.metrics;
    this.#socket = new FeedSocket({
      url: client.addresses.wsUrl,
      subscriptions: this.#subscriptions(),
      heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
      reconnectMs: options.reconnectMs ?? RECONNECT_MS,
      onText: (text) => this.#hear(text),
      onUp: () => {
        this.#isUp = true;
        this.#wantsFill = true;
      },
      onDown: (reason) => {
        this.#isUp = false;
        feedReconnects.inc({ provider: PROVIDER, reason });
        options.log('the feed lost its connection', { reason });
      },
      onQuarantine: (subscription, reason) => {
        client.refused('subscription', JSON.stringify(subscription));
        options.log('the provider does not bear this subscription; it is left out', { ...subscription, reason });
      },
    });
    this.#beat = setInterval(() => this.#look(), options.beatMs ?? BEAT_MS);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#beat);
    await Promise.all([this.#socket.close(), this.#filling]);
  }

  #subscriptions(): Subscription[] {
    const { symbols, accounts } = this.#options;
    return [
      ...symbols.flatMap((coin) => [
        { type: 'bbo', coin },
        { type: 'activeAssetCtx', coin },
      ]),
      ...[...accounts.keys()].map((user) => ({ type: 'userFills', user })),
    ];
  }

  #hear(text: string): void {
    const nowMs = this.#client.now();
    const heard = readFrame(text, nowMs);
    const { feedFrames } = this.#options.metrics;
    feedFrames.inc({ provider: PROVIDER, channel: heard.kind });
    if (heard.kind === 'refused') this.#client.refused(heard.what, heard.fault);
    else if (heard.kind === 'tick' && heard.tick !== null) this.#sink.rows({ ticks: [heard.tick] });
    else if (heard.kind === 'context') this.#hearContext(heard.context);
    else if (heard.kind === 'account') {
      const account = this.#options.accounts.get(heard.address);
      if (account !== undefined) this.#sink.account(account);
    }
  }

  #hearContext(context: AssetContext): void {
    const { symbol, tsMs } = context;
    if (tsMs - (this.#contextAtMs.get(symbol) ?? 0) < CONTEXT_EVERY_MS) return;
    this.#contextAtMs.set(symbol, tsMs);
    this.#sink.rows({ contexts: [context] });
  }

  /** Asks when it is time to; says how far everything is known. */
  #look(): void {
    const nowMs = this.#client.now();
    // While answers are awaited the minute they were asked for is still open.
    if (!this.#isUp || this.#filling !== null) return;
    if (this.#filledMs !== null && slotAt(nowMs, CANDLE_INTERVAL_MS) > this.#filledMs) this.#wantsFill = true;
    if (this.#wantsFill) this.#startFill(nowMs);
    else this.#sink.covered(nowMs);
  }

  #startFill(nowMs: number): void {
    this.#filling = this.#fill(nowMs).finally(() => {
      this.#filling = null;
    });
  }

  async #fill(nowMs: number): Promise<void> {
    this.#wantsFill = false;
    try {
      const batch = await this.#market.fetch(this.#filledMs, nowMs, this.#stop.signal);
      this.#sink.rows(batch);
      this.#filledMs = nowMs;
      this.#sink.covered(nowMs);
    } catch (error) {
      this.#wantsFill = true;
      if (this.#stop.signal.aborted) return;
      this.#options.metrics.swallowed.inc({ reason: 'feed_fill' });
      this.#options.log('what the feed missed could not be asked for yet', { error: messageOf(error) });
    }
  }
}
