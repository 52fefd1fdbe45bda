/** The stock data API on loopback, which answers what a test puts there in the documented shape. Never the real one. */

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AlpacaClient, type AlpacaClientOptions } from '../../src/market/alpaca/client.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';

export const BARS = '/v2/stocks/bars';
export const QUOTES = '/v2/stocks/quotes/latest';
export const NEWS = '/v1beta1/news';
export const KEY = { id: 'PKTESTKEYID0001', secret: 'stand-in-secret-that-nobody-has' };
export const MINUTE_MS = 60_000;

export type Asked = {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
};
/** `text` and `status` as they are; `cut` ends the connection in the middle of the body; `hang` never answers. */
export type Odd = {
  readonly status?: number;
  readonly text?: string;
  readonly headers?: Record<string, string>;
  readonly cut?: true;
  readonly hang?: true;
};
export class Special {
  readonly odd: Odd;
  constructor(odd: Odd) {
    this.odd = odd;
  }
}
type Handler = (asked: Asked) => unknown;

export async function startStandIn() {
  const handlers = new Map<string, Handler>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const one = { path: url.pathname, query: Object.fromEntries(url.searchParams), headers: request.headers };
    asked.push(one);
    const handler = handlers.get(url.pathname);
    reply(
      response,
      handler === undefined ? new Special({ status: 404, text: '{"message":"Not Found"}' }) : handler(one),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was asked, oldest first. */
    asked,
    to: (path: string) => asked.filter((one) => one.path === path),
    answer: (path: string, handler: Handler) => void handlers.set(path, handler),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type StandIn = Awaited<ReturnType<typeof startStandIn>>;

function reply(response: ServerResponse, answer: unknown): void {
  const { status = 200, text, headers, cut, hang } = answer instanceof Special ? answer.odd : ({} as Odd);
  if (hang) return;
  const body = text ?? JSON.stringify(answer);
  response.writeHead(status, {
    'content-type': 'application/json',
    ...headers,
    ...(cut ? { 'content-length': '5000' } : {}),
  });
  if (!cut) return void response.end(body);
  response.write(body, () => response.destroy());
}

/** A client of the stand-in whose budget is never short and that counts what is taken from it. */
export function openClient(standIn: StandIn, more: Partial<AlpacaClientOptions> = {}) {
  const spent = { taken: 0, blockedMs: [] as number[] };
  const budget = {
    take: async (weight: number) => {
      spent.taken += weight;
    },
    charge: async () => {},
    block: async (ms: number) => void spent.blockedMs.push(ms),
  };
  const metrics = createMetrics(false);
  const client = new AlpacaClient({ url: standIn.url, key: KEY, budget, metrics, timeoutMs: 500, retryMs: 1, ...more });
  const refused = async () =>
    Object.fromEntries((await metrics.providerRefused.get()).values.map(({ labels, value }) => [labels.what, value]));
  return { client, spent, refused };
}

export const iso = (tsMs: number) => new Date(tsMs).toISOString();

/** A bar in the documented shape. */
export function bar(openMs: number, close = 100, volume = 1000) {
  return {
    t: iso(openMs).replace('.000Z', 'Z'),
    o: 100,
    h: Math.max(100, close) + 1,
    l: Math.min(100, close) - 1,
    c: close,
    v: volume,
    n: 12,
    vw: 100.1,
  };
}

/** A quote in the documented shape; its time has nanoseconds. */
export function quote(tsMs: number, bid = 99.99, ask = 100.01) {
  const t = iso(tsMs).replace('Z', '456789Z');
  return { t, ax: 'V', ap: ask, as: 2, bx: 'V', bp: bid, bs: 3, c: ['R'], z: 'C' };
}

export function story(id: number, tsMs: number, symbols: readonly string[], more: Record<string, unknown> = {}) {
  const at = iso(tsMs).replace('.000Z', 'Z');
  return {
    ...{ id, headline: `Company beats estimates ${id}`, author: 'A. Writer', created_at: at, updated_at: at },
    ...{ summary: '', content: '', url: `https://example.com/${id}`, images: [], symbols, source: 'benzinga' },
    ...more,
  };
}

export const pages = <Row>(rows: readonly Row[], size: number, token: string | undefined) => {
  const from = token === undefined ? 0 : Number(token);
  const next = from + size < rows.length ? String(from + size) : null;
  return { rows: rows.slice(from, from + size), next };
};
