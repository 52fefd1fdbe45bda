/** What stands at the edges of a story: an endpoint that speaks the OpenAI chat protocol, and doors that fail when the test says so. */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Stories, Trader } from '../../src/engine/context.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';

export type Endpoint = {
  readonly baseUrl: string;
  /** Bodies of the requests so far. */
  readonly asked: { readonly messages: readonly { role: string; content: string }[] }[];
  /** What the next requests are answered with. */
  reply: (response: ServerResponse) => void | Promise<void>;
  close(): Promise<void>;
};

export const USAGE = { prompt_tokens: 900, completion_tokens: 60, total_tokens: 960 };

export function completion(content: string): (response: ServerResponse) => void {
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' };
  return json(200, { id: 'x', object: 'chat.completion', created: 0, model: 'm', choices: [choice], usage: USAGE });
}

export function json(status: number, body: unknown): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

export async function openEndpoint(): Promise<Endpoint> {
  const asked: Endpoint['asked'] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      asked.push(JSON.parse(text));
      void endpoint.reply(response);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)));
  const endpoint: Endpoint = {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked,
    reply: json(500, { error: { message: 'nothing to say yet' } }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return endpoint;
}

/** The stories with some doors of their exchange replaced. */
export function withExchange(stories: Stories, doors: Partial<Exchange>): Stories {
  const { exchange } = stories;
  const same: Exchange = {
    provider: exchange.provider,
    tellsHead: exchange.tellsHead,
    openAccounts: (accounts) => exchange.openAccounts(accounts),
    accountState: (account) => exchange.accountState(account),
    prepare: (...order) => exchange.prepare(...order),
    send: (...request) => exchange.send(...request),
    lookup: (account, cloids) => exchange.lookup(account, cloids),
    cancel: (...request) => exchange.cancel(...request),
    modify: (...request) => exchange.modify(...request),
    setLeverage: (...request) => exchange.setLeverage(...request),
    fillsSince: (account, seq) => exchange.fillsSince(account, seq),
    fillHeads: () => exchange.fillHeads(),
    match: async (signal) => exchange.match?.(signal),
    matchedUntil: async () => exchange.matchedUntil?.() ?? Number.POSITIVE_INFINITY,
  };
  return { ...stories, exchange: { ...same, ...doors } };
}

/** The stories in which something happens while the model thinks. */
export function whileDeciding(stories: Stories, modelId: string, happens: () => Promise<void>): Stories {
  const trader = stories.traders.get(modelId);
  if (trader === undefined) throw new Error(`no trader ${modelId}`);
  const { model } = trader;
  const decide: typeof model.decide = async (request, signal) => {
    const reply = await model.decide(request, signal);
    await happens();
    return reply;
  };
  const thinking: Trader = { ...trader, model: { ...model, decide } };
  return { ...stories, traders: new Map([...stories.traders, [modelId, thinking]]) };
}
