/** Requests to Hyperliquid over HTTP: within the shared budget, tried again where that is safe, refused with a coded error. */

import { setTimeout as sleep } from 'node:timers/promises';
import { HttpRequestError, HttpTransport } from '@nktkas/hyperliquid';
import type { z } from 'zod';
import { CodedError, type ErrorCode, messageOf } from '../errors.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { PROVIDER, type ProviderAddresses } from './provider.ts';
import { actionWeight, infoWeight, rowWeight } from './weights.ts';
import { parseBody } from './wire.ts';

/** The part of a shared budget that a client needs. */
export interface WeightBudget {
  take(weight: number, options: { urgent: boolean; signal?: AbortSignal | undefined }): Promise<void>;
  charge(weight: number): Promise<void>;
  block(ms: number): Promise<void>;
}

export type ClientOptions = {
  readonly addresses: ProviderAddresses;
  readonly budget: WeightBudget;
  readonly metrics: Metrics;
  /** Ms that one request may take. */
  readonly timeoutMs?: number;
  /** First pause after a fault, ms; doubled with every further one. */
  readonly retryMs?: number;
  /** Wall time, ms; a test may let it run faster. */
  readonly now?: () => number;
  /** Hears of what is left out because of its shape, with its path; of each kind once a minute. */
  readonly onRefused?: (what: string, fault: string) => void;
};

/** Who asks decides what a fault is called and whether the reserve of the budget may be touched. */
export type Caller = 'market' | 'exchange';

export type InfoRequest = { readonly type: string } & Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 10_000;
const RETRY_MS = 250;
const TRIES = 4;
const MAX_SKEW_MS = 60_000;
const TELL_EVERY_MS = 60_000;
const UNAVAILABLE: Readonly<Record<Caller, ErrorCode>> = {
  market: 'NOF0_MARKET_UNAVAILABLE',
  exchange: 'NOF0_EXCHANGE_UNAVAILABLE',
};
const UNEXPECTED: Readonly<Record<Caller, ErrorCode>> = { market: 'NOF0_MARKET_DATA', exchange: 'NOF0_EXCHANGE_DATA' };

export class HyperliquidClient {
  readonly addresses: ProviderAddresses;
  readonly #http: HttpTransport;
  readonly #options: ClientOptions;
  #skewMs = 0;
  /** When a refusal of a kind was told, monotonic ms. */
  readonly #toldMs = new Map<string, number>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.addresses = options.addresses;
    this.#http = new HttpTransport({
      isTestnet: options.addresses.network === 'testnet',
      apiUrl: options.addresses.apiUrl,
      timeout: options.timeoutMs ?? TIMEOUT_MS,
    });
  }

  now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  /** The provider's clock less ours, ms, as last measured. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Remembers what an answer that carries the provider's time says about its clock. `askedMs`: our time before asking. */
  measureSkew(providerMs: number, askedMs: number): void {
    const skewMs = Math.round(providerMs - (askedMs + this.now()) / 2);
    this.#options.metrics.providerSkew.set({ provider: PROVIDER }, skewMs / 1000);
    // A dead book carries the time of its last change: no clock is that far off.
    if (Math.abs(skewMs) <= MAX_SKEW_MS) this.#skewMs = skewMs;
  }

  /**
   * Asks `/info`. 429, 5xx and lost connections are tried again. Throws NOF0_MARKET_UNAVAILABLE or NOF0_EXCHANGE_UNAVAILABLE when that
   * does not help, NOF0_RATE_LIMITED, NOF0_EXCHANGE_REJECTED for a request that it cannot read, and NOF0_MARKET_DATA or
   * NOF0_EXCHANGE_DATA with every fault for an answer of another shape.
   */
  async info<T>(request: InfoRequest, schema: z.ZodType<T>, caller: Caller, signal?: AbortSignal): Promise<T> {
    const { budget, retryMs = RETRY_MS } = this.#options;
    for (let attempt = 1; ; attempt++) {
      await budget.take(infoWeight(request.type), { urgent: caller === 'exchange', signal });
      try {
        const body = await this.#request('info', request.type, request, signal);
        await budget.charge(rowWeight(request.type, body));
        return this.parse(schema, body, request.type, caller);
      } catch (error) {
        const coded = this.#coded(error, caller, signal);
        if (!coded.retryable || attempt === TRIES || signal?.aborted) throw coded;
        await this.#pause(coded, retryMs * 2 ** (attempt - 1), signal);
      }
    }
  }

  /**
   * Posts a signed request to `/exchange` once and answers its body, whatever it says. Throws NOF0_RATE_LIMITED (it was not looked at)
   * or NOF0_EXCHANGE_UNAVAILABLE (nobody knows whether it was).
   */
  async post(request: object, name: string, actions: number, signal?: AbortSignal): Promise<unknown> {
    await this.#options.budget.take(actionWeight(actions), { urgent: true, signal });
    try {
      return await this.#request('exchange', name, request, signal);
    } catch (error) {
      const coded = this.#coded(error, 'exchange', signal);
      if (coded.code === 'NOF0_RATE_LIMITED')
        await this.#options.budget.block((this.#options.retryMs ?? RETRY_MS) * TRIES);
      throw coded;
    }
  }

  /** A body as its type; one of another shape is counted and thrown. */
  parse<T>(schema: z.ZodType<T>, body: unknown, name: string, caller: Caller): T {
    try {
      return parseBody(schema, body, name, UNEXPECTED[caller]);
    } catch (error) {
      this.refused(name, messageOf(error));
      throw error;
    }
  }

  /** Counts an answer, or a part of one, that is left out because of its shape. `fault`: what is wrong with it, and where. */
  refused(what: string, fault: string): void {
    this.#options.metrics.providerRefused.inc({ provider: PROVIDER, what });
    const nowMs = performance.now();
    if (nowMs - (this.#toldMs.get(what) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS) return;
    this.#toldMs.set(what, nowMs);
    this.#options.onRefused?.(what, fault);
  }

  async #request(endpoint: 'info' | 'exchange', name: string, payload: object, signal?: AbortSignal): Promise<unknown> {
    const { providerRequests } = this.#options.metrics;
    const count = (outcome: string) => providerRequests.inc({ provider: PROVIDER, request: name, outcome });
    try {
      const body = await this.#http.request<unknown>(endpoint, payload, signal);
      count('ok');
      return body;
    } catch (error) {
      count(error instanceof HttpRequestError && error.response ? String(error.response.status) : 'lost');
      throw error;
    }
  }

  async #pause(error: CodedError, ms: number, signal?: AbortSignal): Promise<void> {
    if (error.code === 'NOF0_RATE_LIMITED') {
      // Everybody shares the limit that was passed, so everybody waits.
      await this.#options.budget.block(ms * TRIES);
      return;
    }
    await sleep(ms, undefined, signal ? { signal } : {});
  }

  #coded(error: unknown, caller: Caller, signal?: AbortSignal): CodedError {
    if (error instanceof CodedError) return error;
    if (signal?.aborted) throw signal.reason;
    const status = error instanceof HttpRequestError ? error.response?.status : undefined;
    const where = this.addresses.apiUrl;
    if (status === 429)
      return new CodedError('NOF0_RATE_LIMITED', `Hyperliquid at ${where} asks for less (429)`, { cause: error });
    if (status !== undefined && status >= 400 && status < 500) {
      const message = `Hyperliquid could not read a request: ${messageOf(error)}`;
      return new CodedError('NOF0_EXCHANGE_REJECTED', message, { cause: error });
    }
    const cause = error instanceof HttpRequestError && error.cause !== undefined ? error.cause : error;
    return new CodedError(UNAVAILABLE[caller], `Hyperliquid at ${where} does not answer: ${messageOf(cause)}`, {
      cause: error,
    });
  }
}
