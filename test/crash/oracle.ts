/** A language model that answers by the slot alone, whatever its account looks like, and counts how often it is asked. */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const SLOT_MS = 180_000;
const THINKS_MS = 20;
/** Longer than a lease goes unrenewed. */
const THINKS_HARD_MS = 3300;

export type Oracle = {
  /** Base address for the arena file of a run. */
  baseUrl(run: string): string;
  /** How often a run asked in each slot. */
  asked(run: string): ReadonlyMap<number, number>;
  close(): Promise<void>;
};

type Decision = Record<string, string | number>;

/** One round of six slots: an entry whose stop is near, its close, a short entry, nothing, its close, no answer at all. */
function decide(slotMs: number, prices: ReadonlyMap<string, number>): Decision[] | null {
  const step = (slotMs / SLOT_MS) % 6;
  const btc = prices.get('BTC') ?? 0;
  const eth = prices.get('ETH') ?? 0;
  const entry = { position_size_usd: 2000, leverage: 2, confidence: 0.9 };
  if (step === 0)
    return [{ symbol: 'BTC', action: 'open_long', stop_loss: btc * 0.999, take_profit: btc * 1.02, ...entry }];
  if (step === 1) return [{ symbol: 'BTC', action: 'close_long', confidence: 1 }];
  if (step === 2)
    return [{ symbol: 'ETH', action: 'open_short', stop_loss: eth * 1.02, take_profit: eth * 0.98, ...entry }];
  if (step === 4) return [{ symbol: 'ETH', action: 'close_short', confidence: 1 }];
  return step === 5 ? null : [];
}

async function answer(prompt: string, slotMs: number, response: ServerResponse): Promise<void> {
  const rows = prompt.matchAll(/^\| (\w+) \| ([\d.]+) \|/gm);
  const decisions = decide(slotMs, new Map([...rows].map(([, symbol = '', price]) => [symbol, Number(price)])));
  await sleep((slotMs / SLOT_MS) % 6 === 3 ? THINKS_HARD_MS : THINKS_MS);
  response.writeHead(decisions === null ? 500 : 200, { 'content-type': 'application/json' });
  const message = { role: 'assistant', content: JSON.stringify({ reasoning: 'it is written', decisions }) };
  const body =
    decisions === null
      ? { error: { message: 'no answer in this slot' } }
      : {
          id: 'x',
          object: 'chat.completion',
          created: 0,
          model: 'oracle',
          choices: [{ index: 0, message, finish_reason: 'stop' }],
          usage: { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 },
        };
  response.end(JSON.stringify(body));
}

type Request = { readonly messages: readonly { readonly role: string; readonly content: string }[] };

export async function openOracle(): Promise<Oracle> {
  const counts = new Map<string, Map<number, number>>();
  const of = (run: string) => {
    const known = counts.get(run) ?? new Map<number, number>();
    counts.set(run, known);
    return known;
  };
  const server = createServer((request, response) => {
    const run = request.url?.split('/')[1] ?? '';
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      const prompt = (JSON.parse(text) as Request).messages.at(-1)?.content ?? '';
      const slotMs = Date.parse(/^Time: (\S+)/m.exec(prompt)?.[1] ?? '');
      of(run).set(slotMs, (of(run).get(slotMs) ?? 0) + 1);
      void answer(prompt, slotMs, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: (run) => `http://127.0.0.1:${port}/${run}/v1`,
    asked: of,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
