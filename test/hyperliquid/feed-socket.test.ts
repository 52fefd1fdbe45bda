import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pathOf } from '../../src/engine/price-buffer.ts';
import { FeedSocket, type Subscription } from '../../src/market/hyperliquid/feed-socket.ts';
import { eventually } from '../eventually.ts';
import { type StandIn, startStandIn } from './stand-in.ts';

let standIn: StandIn;
let socket: FeedSocket | null = null;
let events: string[];
beforeEach(async () => {
  standIn = await startStandIn();
  events = [];
});
afterEach(async () => {
  await socket?.close();
  await standIn.close();
});

function open(subscriptions: Subscription[], heartbeatMs = 5000): FeedSocket {
  return new FeedSocket({
    url: standIn.addresses.wsUrl,
    subscriptions,
    heartbeatMs,
    reconnectMs: 10,
    onText: () => {},
    onUp: () => events.push('up'),
    onDown: (reason) => events.push(reason),
    onQuarantine: ({ coin }) => events.push(`without ${coin}`),
  });
}
const bbo = (coin: string) => ({ type: 'bbo', coin });
const coins = () => [...standIn.sockets].flatMap((each) => [...each.subscriptions.values()].map(({ coin }) => coin));
const seen = (event: string) => eventually(event, async () => events.includes(event));

describe('a connection', () => {
  it('that ends is opened again, with everything that was subscribed', async () => {
    socket = open([bbo('BTC'), bbo('ETH')]);
    await seen('up');
    for (const each of standIn.sockets) each.raw.terminate();
    await eventually('up again', async () => events.join() === 'up,closed,up');
    expect(coins()).toEqual(['BTC', 'ETH']);
  });

  it('that says nothing any more is given up, though nobody closed it', async () => {
    standIn.state.answersPings = false;
    socket = open([bbo('BTC')], 300);
    await seen('silent');
    standIn.state.answersPings = true;
    await eventually('up again', async () => events.at(-1) === 'up');
  });

  it('loses a name that the server does not bear, and nothing else', async () => {
    standIn.state.coins = new Set(['BTC', 'ETH']);
    socket = open([bbo('BTC'), bbo('NOPE'), bbo('ETH')]);
    await seen('up');
    expect(events).toEqual(['without NOPE', 'up']);
    expect(coins().sort()).toEqual(['BTC', 'ETH']);
  });
});

describe('waiting ticks of a symbol', () => {
  const tick = (tsMs: number, price: number) => ({ symbol: 'BTC', tsMs, price, source: 'x' });

  it('under pressure become their path: first, extremes, last, in order', () => {
    const ticks = [tick(5, 12), tick(1, 10), tick(2, 15), tick(3, 9), tick(4, 11), tick(6, 12)];
    expect(pathOf(ticks).map(({ tsMs, price }) => [tsMs, price])).toEqual([
      [1, 10],
      [2, 15],
      [3, 9],
      [6, 12],
    ]);
  });
});
