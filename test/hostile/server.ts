/**
 * Language models that mean no good: what the n-th question of a model is answered with depends on the seed alone. Some answers are
 * orders like any other, some lie just beside a limit, most are none at all.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { uniform } from '../../src/domain/random.ts';

export type HostileServer = {
  /** Base address of a model. `steady` is the one that always answers at once, and sensibly. */
  baseUrl(model: string): string;
  /** How often each kind of answer was given. */
  readonly given: Map<string, number>;
  close(): Promise<void>;
};

export const STEADY = 'steady';

/** One question: who asks, the prices it was told, and chance. */
type Question = { readonly prices: ReadonlyMap<string, number>; readonly chance: (purpose: string) => number };
type Reply = (response: ServerResponse, question: Question) => void | Promise<void>;

/** Kinds of answers with their weights. */
const KINDS: Readonly<Record<string, readonly [number, Reply]>> = {
  orders: [30, (r, q) => says(r, { reasoning: 'so be it', decisions: anyDecisions(q) })],
  inverted: [4, (r, q) => says(r, { decisions: decisions(q, (p) => ({ stop_loss: p * 1.05, take_profit: p * 0.9 })) })],
  huge: [4, (r, q) => says(r, { decisions: decisions(q, () => ({ position_size_usd: 1e300, leverage: 100 })) })],
  tiny: [2, (r, q) => says(r, { decisions: decisions(q, () => ({ position_size_usd: 1e-12, stop_loss: 1e-12 })) })],
  noStop: [3, (r, q) => says(r, { decisions: decisions(q, () => ({ stop_loss: null, take_profit: null })) })],
  unknownSymbols: [
    4,
    (r, q) =>
      says(r, {
        decisions: ['PEPE', '__proto__', 'constructor', 'BTC; DROP TABLE fills', 'btc'].flatMap((symbol) =>
          decisions(q, () => ({ symbol })).slice(0, 1),
        ),
      }),
  ],
  twice: [4, (r, q) => says(r, { decisions: [...decisions(q), ...decisions(q, () => ({ action: 'open_short' }))] })],
  closesNothing: [3, (r, q) => says(r, { decisions: decisions(q, () => ({ action: 'close_short' })) })],
  wrongTypes: [
    5,
    (r, q) =>
      says(r, { decisions: decisions(q, () => ({ position_size_usd: '1000', confidence: 'very', leverage: [2] })) }),
  ],
  outOfRange: [
    4,
    (r, q) => says(r, { decisions: decisions(q, () => ({ confidence: 7, leverage: -3, stop_loss: -1 })) }),
  ],
  infinite: [
    3,
    (r, q) => text(r, JSON.stringify({ decisions: decisions(q) }).replaceAll(/"leverage":\d+/g, '"leverage":1e999')),
  ],
  tooMany: [2, (r, q) => says(r, { decisions: Array.from({ length: 40 }, () => decisions(q)).flat() })],
  anotherShape: [3, (r) => says(r, { action: 'buy', coin: 'BTC', amount: 'all of it' })],
  noList: [2, (r) => says(r, { decisions: { BTC: 'open_long' } })],
  prose: [5, (r) => text(r, 'I would rather not trade today. Markets are like the sea: {deep}, [wide] and "salty".')],
  fenced: [
    4,
    (r, q) => text(r, `Sure!\n\`\`\`json\n${JSON.stringify({ decisions: anyDecisions(q) })}\n\`\`\`\nGood luck!`),
  ],
  halfJson: [4, (r, q) => text(r, JSON.stringify({ decisions: decisions(q) }).slice(0, 60))],
  garbage: [3, (r) => send(r, 200, Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 97 + 13) % 256)))],
  html: [2, (r) => send(r, 200, '<html><body>Please log in</body></html>', 'text/html')],
  empty: [2, (r) => send(r, 200, '')],
  noChoices: [2, (r) => send(r, 200, JSON.stringify({ id: 'x', choices: [] }))],
  nullContent: [2, (r) => text(r, null)],
  large: [1, (r) => text(r, 'x'.repeat(5_000_000))],
  limited: [4, (r) => send(r, 429, '{"error":{"message":"slow down"}}', 'application/json', { 'retry-after': '1' })],
  limitedLong: [1, (r) => send(r, 429, '{}', 'application/json', { 'retry-after': '86400' })],
  broken: [4, (r) => send(r, 500, '{"error":{"message":"oh no"}}')],
  unavailable: [2, (r) => send(r, 503, 'upstream connect error')],
  forbidden: [1, (r) => send(r, 401, '{"error":{"message":"who are you?"}}')],
  elsewhere: [1, (r) => send(r, 302, '', 'text/plain', { location: 'http://127.0.0.1:9/' })],
  hang: [3, () => {}],
  halfBody: [
    3,
    (r) => {
      r.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' });
      r.write('{"id":"x","choices":[{"index":0,"mess');
      r.destroy();
    },
  ],
  hangsHalfway: [
    2,
    (r) => {
      r.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' });
      r.write('{"id":"x","choices":[');
    },
  ],
  slow: [
    3,
    async (r, q) => {
      await sleep(200 + 2500 * q.chance('slow'));
      says(r, { decisions: anyDecisions(q) });
    },
  ],
};

type Fields = Record<string, unknown>;

/** An entry on each known symbol, as it would be accepted, with some fields different. */
function decisions({ prices }: Question, differs: (price: number) => Fields = () => ({})): Fields[] {
  return [...prices].map(([symbol, price]) => ({
    ...{ symbol, action: 'open_long', position_size_usd: 900, leverage: 2, entry_price: price, confidence: 0.8 },
    ...{ stop_loss: price * 0.97, take_profit: price * 1.05, risk_usd: 27, reasoning: 'because', ...differs(price) },
  }));
}

/** Entries and exits of any size, leverage and distance, on both sides of every limit. */
function anyDecisions(question: Question): Fields[] {
  const { chance, prices } = question;
  return [...prices].flatMap(([symbol, price]): Fields[] => {
    const of = (purpose: string, from: number, to: number) => from + (to - from) * chance(`${symbol} ${purpose}`);
    const what = of('what', 0, 1);
    if (what < 0.25)
      return [
        { symbol, action: 'close_long', confidence: 1 },
        { symbol, action: 'close_short', confidence: 1 },
      ];
    if (what < 0.45) return [];
    const sign = of('side', 0, 1) < 0.5 ? 1 : -1;
    const stop = of('near', 0, 1) < 0.2 ? of('stop', 0, 0.001) : of('stop', 0.001, 0.4);
    return [
      {
        ...{ symbol, action: sign > 0 ? 'open_long' : 'open_short' },
        position_size_usd: of('size', 0, 1) < 0.2 ? of('usd', 0, 30) : of('usd', 20, 20_000),
        ...{
          leverage: of('leverage', 0.9, 7),
          entry_price: price * of('price', 0.1, 3),
          confidence: of('confidence', 0.3, 1),
        },
        ...{
          stop_loss: price * (1 - sign * stop),
          take_profit: Math.max(1e-9, price * (1 + sign * stop * of('reward', 0.3, 4))),
        },
      },
    ];
  });
}

function says(response: ServerResponse, answer: object): void {
  text(response, JSON.stringify(answer));
}

function text(response: ServerResponse, content: string | null): void {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  const usage = { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 };
  send(
    response,
    200,
    JSON.stringify({ id: 'x', object: 'chat.completion', created: 0, model: 'hostile', choices, usage }),
  );
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  type = 'application/json',
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(body);
}

const TOTAL = Object.values(KINDS).reduce((sum, [weight]) => sum + weight, 0);

function kindAt(draw: number): string {
  let left = draw * TOTAL;
  for (const [kind, [weight]] of Object.entries(KINDS)) {
    left -= weight;
    if (left < 0) return kind;
  }
  return 'orders';
}

export async function openHostile(seed: string): Promise<HostileServer> {
  const asked = new Map<string, number>();
  const given = new Map<string, number>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const model = request.url?.split('/')[1] ?? '';
    const nth = (asked.get(model) ?? 0) + 1;
    asked.set(model, nth);
    const prices = pricesIn(Buffer.concat(chunks).toString());
    const question: Question = { prices, chance: (purpose) => uniform(seed, purpose, model, nth, '') };
    const kind = model === STEADY ? STEADY : kindAt(question.chance('kind'));
    given.set(kind, (given.get(kind) ?? 0) + 1);
    if (model === STEADY) says(response, { reasoning: 'steady', decisions: [] });
    else await KINDS[kind]?.[1](response, question);
  };
  const server = createServer((request, response) => {
    // A connection that the asker has cut is what some of these answers are about.
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: (model) => `http://127.0.0.1:${port}/${model}/v1`,
    given,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The market table of the prompt. */
function pricesIn(body: string): Map<string, number> {
  const rows = body.replaceAll('\\n', '\n').matchAll(/^\| (\w+) \| ([\d.e-]+) \|/gm);
  return new Map([...rows].map(([, symbol = '', price]) => [symbol, Number(price)]));
}
