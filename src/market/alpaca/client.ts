/**
 * Requests to a stock data API that speaks Alpaca's Market Data protocol: within the shared budget, tried again where that can help,
 * refused with a coded error. It only reads; nothing here can place an order.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { causeOf, collectBytes, retryAfter } from '../../domain/http-answer.ts';
import { uniform } from '../../domain/random.ts';
import { CodedError } from '../../errors.ts';
import type { WeightBudget } from '../../hyperliquid/client.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** Name of the provider in metrics, limits and logs. */
export const ALPACA = 'alpaca';
/** The public address of its data. */
export const ALPACA_URL = 'https://data.alpaca.markets';

export type AlpacaKey = { readonly id: string; readonly secret: string };

export type AlpacaClientOptions = {
  /** Base address, without `/v2/…`. */
  readonly url: string;
  /** Sent in headers; never in an address, a log or a message. */
  readonly key: AlpacaKey;
  readonly budget: WeightBudget;
  readonly metrics: Metrics;
  /** Ms that one request may take. */
  readonly timeoutMs?: number;
  /** First pause after a fault, ms; doubled with every further one. */
  readonly retryMs?: number;
  /** Wall time, ms. */
  readonly now?: () => number;
};

export type Query = Readonly<Record<string, string>>;

const TIMEOUT_MS = 10_000;
const RETRY_MS = 250;
const TRIES = 4;
/** A full page of bars is about 1.5 MB. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_SAID = 300;
/** How long everybody waits after a 429 that does not say it, and the longest that one may say. */
const LIMITED_MS = 15_000;
const MAX_LIMITED_MS = 120_000;
/** A key that is refused is not asked with again sooner. */
const REFUSED_MS = 60_000;

export class AlpacaClient {
  readonly #options: AlpacaClientOptions;

  constructor(options: AlpacaClientOptions) {
    this.#options = options;
  }

  now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  /** Counts a part of an answer that is left out because of its shape. */
  refused(what: string): void {
    this.#options.metrics.providerRefused.inc({ provider: ALPACA, what });
  }

  /**
   * Asks for a path. 5xx, lost connections and silence are tried again, each time after a longer pause. Throws NOF0_MARKET_UNAVAILABLE
   * when that does not help; NOF0_RATE_LIMITED after a 429 and NOF0_MARKET_REFUSED for a key or a request that is refused, both with the
   * time to wait; NOF0_MARKET_DATA with every fault and its path for an answer of another shape.
   */
  async get<T>(path: string, query: Query, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    const { budget, retryMs = RETRY_MS } = this.#options;
    for (let attempt = 1; ; attempt++) {
      await budget.take(1, { urgent: true, signal });
      try {
        return this.#parse(path, schema, await this.#request(path, query, signal));
      } catch (error) {
        signal?.throwIfAborted();
        const again = error instanceof CodedError && error.code === 'NOF0_MARKET_UNAVAILABLE' && attempt < TRIES;
        if (!again) throw error;
        // Processes that met the same fault do not come back at the same moment.
        const part = 0.5 + uniform(ALPACA, path, attempt, process.pid, this.now());
        await sleep(retryMs * 2 ** (attempt - 1) * part, undefined, signal ? { signal } : {});
      }
    }
  }

  #parse<T>(path: string, schema: z.ZodType<T>, body: unknown): T {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    this.refused(path);
    throw unexpected(
      path,
      parsed.error.issues.map((issue) => ({ at: issue.path, expected: issue.message })),
    );
  }

  async #request(path: string, query: Query, signal?: AbortSignal): Promise<unknown> {
    const { url, key, metrics, timeoutMs = TIMEOUT_MS } = this.#options;
    const count = (outcome: string) => metrics.providerRequests.inc({ provider: ALPACA, request: path, outcome });
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let bytes: Uint8Array | null;
    try {
      response = await fetch(`${url.replace(/\/+$/, '')}${path}?${new URLSearchParams(query)}`, {
        headers: { 'APCA-API-KEY-ID': key.id, 'APCA-API-SECRET-KEY': key.secret, accept: 'application/json' },
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        // Whoever the API points to was not given the key.
        redirect: 'manual',
      });
      bytes = await collectBytes(response.body, MAX_BODY_BYTES);
    } catch (error) {
      count('lost');
      const why = timeout.aborted ? `nothing within ${timeoutMs} ms` : causeOf(error);
      throw this.#error('NOF0_MARKET_UNAVAILABLE', path, why, { cause: error });
    }
    count(response.ok ? 'ok' : String(response.status));
    if (!response.ok) throw await this.#failed(path, response, bytes);
    if (bytes === null)
      throw this.#error('NOF0_MARKET_DATA', path, `more than ${MAX_BODY_BYTES} bytes, which are not read`);
    return this.#json(path, bytes);
  }

  #json(path: string, bytes: Uint8Array): unknown {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      // A gateway answers a page of its own, or the answer was cut off: nobody can read it, and the next one may be whole.
      this.refused(path);
      throw this.#error('NOF0_MARKET_UNAVAILABLE', path, `no JSON: "${this.#said(bytes)}"`);
    }
  }

  async #failed(path: string, response: Response, bytes: Uint8Array | null): Promise<CodedError> {
    const { status, headers } = response;
    const said = this.#said(bytes ?? new Uint8Array());
    const why = `HTTP ${status}: ${said || 'nothing more'}`;
    if (status >= 500 || status === 408) return this.#error('NOF0_MARKET_UNAVAILABLE', path, why);
    if (status === 429) return this.#waiting('NOF0_RATE_LIMITED', path, why, limitedMs(headers, this.now()));
    const isKey = status === 401 || status === 403;
    if (isKey)
      return this.#waiting(
        'NOF0_MARKET_REFUSED',
        path,
        `${why} (is the key right, and the feed in its plan?)`,
        REFUSED_MS,
      );
    return this.#error('NOF0_MARKET_REFUSED', path, why, { details: { statusCode: status, said } });
  }

  /** An error after which everybody who shares the budget waits, too. */
  async #waiting(code: 'NOF0_RATE_LIMITED' | 'NOF0_MARKET_REFUSED', path: string, why: string, retryAfterMs: number) {
    await this.#options.budget.block(retryAfterMs);
    return this.#error(code, path, why, { details: { retryAfterMs } });
  }

  #error(
    code: 'NOF0_MARKET_UNAVAILABLE' | 'NOF0_MARKET_DATA' | 'NOF0_MARKET_REFUSED' | 'NOF0_RATE_LIMITED',
    path: string,
    why: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ): CodedError {
    return new CodedError(code, `the stock data API answered ${path} with ${this.#redacted(why)}`, options);
  }

  #said(bytes: Uint8Array): string {
    const text = new TextDecoder().decode(bytes.subarray(0, 4 * MAX_SAID));
    return this.#redacted(text.replace(/\s+/g, ' ').trim()).slice(0, MAX_SAID);
  }

  /** An API may send back what it was sent. */
  #redacted(text: string): string {
    const { id, secret } = this.#options.key;
    return text.replaceAll(secret, '[key]').replaceAll(id, '[key]');
  }
}

/** NOF0_MARKET_DATA for an answer whose shape is not the documented one: every fault with its path, such as `/v2/stocks/bars: bars.AAPL[3].o`. */
export function unexpected(
  path: string,
  issues: readonly { readonly at: readonly PropertyKey[]; readonly expected: string }[],
): CodedError {
  const faults = issues.map(({ at, expected }) => ({ path: `${path}: ${pathText(at)}`, expected }));
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return new CodedError(
    'NOF0_MARKET_DATA',
    `the stock data API answered an unexpected shape: ${first?.path}: ${first?.expected}${more}`,
    { faults },
  );
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(whole)';
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );
}

/** Until when nobody may ask: what the answer says, else when its minute begins anew (`X-RateLimit-Reset`, Unix seconds), else a while. */
function limitedMs(headers: Headers, nowMs: number): number {
  const said = retryAfter(headers);
  const reset = headers.get('x-ratelimit-reset');
  const untilMs = reset !== null && /^\d{9,11}$/.test(reset) ? Number(reset) * 1000 - nowMs : LIMITED_MS;
  return Math.max(1000, Math.min(said ?? untilMs, MAX_LIMITED_MS));
}
