/** One WebSocket to Hyperliquid: kept alive, opened again for ever, every subscription renewed, strange names kept apart. */

import { WebSocketTransport, type WebSocketTransportOptions } from '@nktkas/hyperliquid';
import WebSocket from 'ws';
import { messageOf } from '../../errors.ts';

export type Subscription = { readonly type: string } & Readonly<Record<string, string>>;

export type SocketOptions = {
  readonly url: string;
  readonly subscriptions: readonly Subscription[];
  /** The server must be heard at least this often, ms. It closes a connection that says nothing for 60 s. */
  readonly heartbeatMs: number;
  /** Base of the pauses between connections, ms. */
  readonly reconnectMs: number;
  onText(text: string): void;
  /** Everything that can be subscribed is. */
  onUp(): void;
  onDown(reason: 'closed' | 'silent'): void;
  /** A subscription that the server does not bear: it is left out from now on. */
  onQuarantine(subscription: Subscription, reason: string): void;
};

type SocketClass = NonNullable<NonNullable<WebSocketTransportOptions['reconnect']>['WebSocket']>;

const CLOSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** Connections that end while the same subscription is asked for: the first may be chance. */
const STRIKES = 2;

/** Closing waits for the other side's goodbye, which a dead connection never says. */
class ImpatientSocket extends WebSocket {
  override close(code?: number, reason?: string): void {
    super.close(code, reason);
    setTimeout(() => this.terminate(), CLOSE_MS).unref();
  }
}

export class FeedSocket {
  readonly #options: SocketOptions;
  readonly #strikes = new Map<Subscription, number>();
  #transport: WebSocketTransport;
  readonly #heartbeat: NodeJS.Timeout;
  #heardAt = performance.now();
  #isUp = false;
  #closing = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#transport = this.#connect();
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs / 3);
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#heartbeat);
    await this.#transport.close();
  }

  #connect(): WebSocketTransport {
    const { url, reconnectMs } = this.#options;
    const transport = new WebSocketTransport({
      url,
      // Renewed here, one after the other, to see which one the server does not bear.
      resubscribe: false,
      timeout: this.#options.heartbeatMs,
      reconnect: {
        WebSocket: ImpatientSocket as unknown as SocketClass,
        maxRetries: Number.POSITIVE_INFINITY,
        connectionTimeout: this.#options.heartbeatMs,
        reconnectionDelay: (attempt) => Math.min(reconnectMs * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2),
      },
    });
    // Its own types know these events only where a browser's library is loaded.
    const events: EventTarget = transport.socket;
    events.addEventListener('open', () => void this.#subscribeAll(transport));
    events.addEventListener('close', () => this.#down('closed'));
    events.addEventListener('message', (event) => {
      this.#heardAt = performance.now();
      this.#options.onText('data' in event ? String(event.data) : '');
    });
    transport.socket.terminationSignal.addEventListener('abort', () => {
      // The library gives up on faults that it does not know; the feed does not.
      if (!this.#closing) setTimeout(() => this.#reopen(), reconnectMs).unref();
    });
    return transport;
  }

  #reopen(): void {
    if (!this.#closing) this.#transport = this.#connect();
  }

  #down(reason: 'closed' | 'silent'): void {
    if (this.#closing || !this.#isUp) return;
    this.#isUp = false;
    this.#options.onDown(reason);
  }

  #beat(): void {
    const { socket } = this.#transport;
    if (socket.readyState !== WebSocket.OPEN) {
      this.#heardAt = performance.now();
    } else if (performance.now() - this.#heardAt > this.#options.heartbeatMs) {
      this.#down('silent');
      socket.close(undefined, undefined, false);
    } else socket.send('{"method":"ping"}');
  }

  /** Those that were in doubt come last, so that they cost the others nothing but a reconnection. */
  async #subscribeAll(transport: WebSocketTransport): Promise<void> {
    this.#heardAt = performance.now();
    const strikesOf = (each: Subscription) => this.#strikes.get(each) ?? 0;
    const wanted = this.#options.subscriptions.filter((each) => strikesOf(each) < STRIKES);
    for (const each of wanted.toSorted((a, b) => strikesOf(a) - strikesOf(b)))
      if (!(await this.#subscribe(transport, each))) return;
    if (this.#closing || transport.socket.readyState !== WebSocket.OPEN) return;
    this.#isUp = true;
    this.#options.onUp();
  }

  /** False when the connection is gone. */
  async #subscribe(transport: WebSocketTransport, subscription: Subscription): Promise<boolean> {
    try {
      await transport.subscribe(subscription.type, subscription, () => {});
      this.#strikes.delete(subscription);
      return true;
    } catch (error) {
      const reason = messageOf(error);
      if (reason.startsWith('Already subscribed')) return true;
      const strikes = (this.#strikes.get(subscription) ?? 0) + 1;
      this.#strikes.set(subscription, strikes);
      if (strikes >= STRIKES && !this.#closing) this.#options.onQuarantine(subscription, reason);
      return transport.socket.readyState === WebSocket.OPEN;
    }
  }
}
