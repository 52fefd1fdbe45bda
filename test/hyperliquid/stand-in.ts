/** The exchange on loopback: HTTP and WebSocket that answer what a test puts there. Never the real one. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ProviderAddresses } from '../../src/hyperliquid/provider.ts';

export type Request = { readonly type: string } & Record<string, unknown>;
/** `undefined` hangs up without an answer; `{ http }` answers a status with a text. */
export type Answer = unknown | { readonly http: { status: number; body: string; contentType?: string } };
type InfoHandler = (request: Request) => Answer;
/** `raw` is the very text that was sent. */
type ExchangeHandler = (request: Record<string, unknown>, raw: string) => Answer | Promise<Answer>;
export type Socket = { readonly raw: WebSocket; readonly subscriptions: Map<string, Record<string, unknown>> };
type SubscribeHandler = (socket: Socket, subscription: Record<string, unknown>) => void;

export type StandIn = Awaited<ReturnType<typeof startStandIn>>;

export async function startStandIn() {
  const info = new Map<string, InfoHandler>();
  const asked: Request[] = [];
  const posted: string[] = [];
  const sockets = new Set<Socket>();
  const state = {
    exchange: ((): Answer => ({ status: 'err', response: 'nothing is prepared' })) as ExchangeHandler,
    /** Coins that a subscription may name; any other closes the socket, as the real one does. Null: all. */
    coins: null as ReadonlySet<string> | null,
    onSubscribe: (() => {}) as SubscribeHandler,
    answersPings: true,
  };
  const server = createServer((request, response) => void serve(request, response));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks).toString();
    const body = JSON.parse(raw);
    if (request.url === '/info') {
      asked.push(body);
      const handler = info.get(body.type);
      const unknown = { http: { status: 422, body: 'Failed to deserialize the JSON body into the target type' } };
      return reply(response, handler ? handler(body) : unknown);
    }
    posted.push(raw);
    return reply(response, await state.exchange(body, raw));
  }

  function reply(response: ServerResponse, answer: Answer): void {
    if (answer === undefined) {
      response.destroy();
      return;
    }
    const special = isHttp(answer) ? answer.http : null;
    response.writeHead(special?.status ?? 200, { 'content-type': special?.contentType ?? 'application/json' });
    response.end(special ? special.body : JSON.stringify(answer));
  }

  const ws = new WebSocketServer({ server, path: '/ws' });
  ws.on('connection', (raw) => {
    const socket: Socket = { raw, subscriptions: new Map() };
    sockets.add(socket);
    raw.on('close', () => sockets.delete(socket));
    raw.on('error', () => {});
    raw.on('message', (data) => hear(socket, String(data)));
  });

  function hear(socket: Socket, text: string): void {
    const { method, subscription } = JSON.parse(text);
    if (method === 'ping') {
      if (state.answersPings) send(socket, { channel: 'pong' });
      return;
    }
    const coin = subscription?.coin;
    if (method === 'subscribe' && typeof coin === 'string' && state.coins !== null && !state.coins.has(coin)) {
      socket.raw.terminate();
      return;
    }
    const id = JSON.stringify(subscription);
    if (method === 'unsubscribe') socket.subscriptions.delete(id);
    send(socket, { channel: 'subscriptionResponse', data: { method, subscription } });
    if (method !== 'subscribe') return;
    socket.subscriptions.set(id, subscription);
    state.onSubscribe(socket, subscription);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const addresses: ProviderAddresses = {
    network: 'testnet',
    apiUrl: `http://127.0.0.1:${port}`,
    wsUrl: `ws://127.0.0.1:${port}/ws`,
  };
  return {
    addresses,
    /** What `/info` was asked, oldest first. */
    asked,
    /** What was posted to `/exchange`, as text. */
    posted,
    sockets,
    state,
    /** Answers a type of `/info`. */
    answer(type: string, handler: InfoHandler) {
      info.set(type, handler);
    },
    /** What answers a type of `/info` now. */
    answerTo: (type: string) => info.get(type),
    /** Sends a frame to every socket that has a subscription of the type (and coin). */
    push(type: string, coin: string | null, frame: unknown) {
      for (const socket of sockets) if (subscribed(socket, type, coin)) send(socket, frame);
    },
    send,
    async close() {
      for (const { raw } of sockets) raw.terminate();
      ws.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function isHttp(answer: unknown): answer is { http: { status: number; body: string; contentType?: string } } {
  return typeof answer === 'object' && answer !== null && 'http' in answer;
}

function subscribed(socket: Socket, type: string, coin: string | null): boolean {
  return [...socket.subscriptions.values()].some((each) => each.type === type && (coin === null || each.coin === coin));
}

/** A frame as JSON; a text as it is. */
export function send(socket: Socket, frame: unknown): void {
  if (socket.raw.readyState === socket.raw.OPEN)
    socket.raw.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
}
