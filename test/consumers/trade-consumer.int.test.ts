import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConsumerPace, openGroup, redeliver, startTradeConsumer } from '../../src/consumers/trade-consumer.ts';
import { webhook, webhookSignature } from '../../src/consumers/webhook.ts';
import type { EffectRow } from '../../src/store/effects.ts';
import { until } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';
import { script } from '../processes.ts';
import { type Reaction, type Receiver, startReceiver } from './receiver.ts';

const SECRET = 'a secret of this test';
const PACE: ConsumerPace = { attempts: 4, backoffMs: 5, capMs: 20, abandonedMs: 300 };

let run: TestRun;
let receiver: Receiver;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  run = await createRun();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await receiver.close();
  await run.close();
});

async function publish(...ids: string[]): Promise<void> {
  const rows = ids.map((id) => ({
    payload: { event: 'trade', id, revision: 0, model_id: 'm', symbol: 'BTC', pnl: 1.5 },
  }));
  await run.resources.stream.publish(rows as unknown as EffectRow[]);
}

async function consume(options: { from?: 'next' | 'oldest'; pace?: Partial<ConsumerPace>; member?: string } = {}) {
  const consumer = await startTradeConsumer(
    { ...run.resources, worker: options.member ?? 'first' },
    webhook({ url: receiver.url, secret: SECRET, timeoutMs: 200 }),
    { ...PACE, ...options.pace },
    options.from ?? 'oldest',
  );
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= consumer.stop();
    return stopped;
  };
  stops.push(stop);
  return { stop };
}

const receive = async (...reactions: Reaction[]) => {
  receiver = await startReceiver(...reactions);
};
const pending = async (): Promise<number> => {
  const [count] = (await run.resources.queueRedis.xpending(run.resources.keys.tradeStream(), 'webhook')) as [number];
  return count;
};
const settled = (count: number) =>
  until(`${count} posts and nothing left`, async () => receiver.received.length === count && (await pending()) === 0);
/** An outcome is counted behind its acknowledgement, which somebody else may see first: poll. */
const outcomes = async () =>
  Object.fromEntries(
    (await run.resources.metrics.consumed.get()).values.map(({ labels, value }) => [labels.outcome, value]),
  );
const graves = async () => {
  const { group, redis } = await openGroup({ ...run.resources, worker: 'looker' }, 'webhook', PACE.abandonedMs);
  const buried = await group.buried();
  redis.disconnect();
  return buried;
};

describe('handing trades over', () => {
  it('posts each once, in order, signed', async () => {
    await receive();
    await publish('a', 'b');
    await consume();
    await settled(2);
    await publish('c');
    await settled(3);
    expect(receiver.ids()).toEqual(['a:0', 'b:0', 'c:0']);
    const [first] = receiver.received;
    const seconds = Number(first?.headers['webhook-timestamp']);
    expect(first?.headers['webhook-signature']).toBe(webhookSignature(SECRET, 'a:0', seconds, first?.body ?? ''));
    expect(JSON.parse(first?.body ?? '')).toEqual({
      type: 'trade',
      data: { id: 'a', revision: 0, model_id: 'm', symbol: 'BTC', pnl: 1.5 },
    });
    await expect.poll(outcomes).toEqual({ delivered: 3 });
  });

  it('begins with the next trade unless told otherwise, and goes on where it stopped', async () => {
    await receive();
    await publish('old');
    const { stop } = await consume({ from: 'next' });
    await publish('new');
    await settled(1);
    await stop();
    await publish('meanwhile');
    await consume({ from: 'next' });
    await settled(2);
    expect(receiver.ids()).toEqual(['new:0', 'meanwhile:0']);
  });

  it('tries again what failed, hung or was cut, with the same bytes and id', async () => {
    await receive(
      503,
      () => {},
      (response) => response.destroy(),
    );
    await publish('a', 'b');
    await consume();
    await settled(5);
    expect(receiver.ids()).toEqual(['a:0', 'a:0', 'a:0', 'a:0', 'b:0']);
    expect(new Set(receiver.received.slice(0, 4).map(({ body }) => body)).size).toBe(1);
    await expect.poll(outcomes).toEqual({ failed: 3, delivered: 2 });
  });

  it('does not follow a redirect', async () => {
    await receive((response) => response.writeHead(307, { location: '/elsewhere' }).end());
    await publish('a');
    await consume();
    await settled(2);
    expect(receiver.received.map(({ path }) => path)).toEqual(['/hook', '/hook']);
  });

  it('gives up what is refused for good or too often, goes on, and hands it over again when asked', async () => {
    await receive(422, 500, 500, 500, 500);
    await publish('refused', 'broken', 'fine');
    await consume();
    await settled(6);
    expect((await graves()).map(({ fields, attempts, reason }) => [fields.id, attempts, reason])).toEqual([
      ['refused', 1, 'answered 422'],
      ['broken', 4, 'answered 500'],
    ]);
    await expect.poll(outcomes).toEqual({ failed: 5, buried: 2, delivered: 1 });
    const { group, redis } = await openGroup({ ...run.resources, worker: 'redriver' }, 'webhook', PACE.abandonedMs);
    const consumer = webhook({ url: receiver.url, secret: SECRET, timeoutMs: 200 });
    expect(await redeliver(group, consumer)).toEqual({ taken: 2, refused: 0 });
    redis.disconnect();
    expect(await graves()).toEqual([]);
    expect(receiver.ids().slice(-2)).toEqual(['refused:0', 'broken:0']);
  });
});

describe('processes that die', () => {
  it('killed between the post and its acknowledgement: another posts it again under the same id', async () => {
    let kill = () => {};
    await receive((response) => {
      // The receiver has taken it; the sender never hears of that.
      kill();
      response.writeHead(204).end();
    });
    await publish('a', 'b');
    const child = script('test/consumers/child.ts', {
      CHILD_SETTINGS: JSON.stringify({
        queueRedisUrl: run.servers.queueRedisUrl,
        prefix: run.prefix,
        url: receiver.url,
      }),
    });
    kill = () => child.process.kill('SIGKILL');
    expect(await child.ended).toBe('SIGKILL');
    expect(receiver.ids()).toEqual(['a:0']);
    expect(await pending()).toBe(1);
    await consume({ member: 'second' });
    await settled(3);
    expect([...receiver.ids()].sort()).toEqual(['a:0', 'a:0', 'b:0']);
  });

  it('stopped while it waits for another try: the next one goes on counting', async () => {
    await receive(500);
    await publish('a');
    const { stop } = await consume({ pace: { backoffMs: 60_000, capMs: 60_000 } });
    await until('the first try', async () => (await outcomes()).failed === 1);
    await stop();
    expect(await pending()).toBe(1);
    await consume({ member: 'second' });
    await settled(2);
    await expect.poll(outcomes).toMatchObject({ delivered: 1 });
  });

  it('two members share the stream and post nothing twice', async () => {
    await receive();
    const ids = Array.from({ length: 40 }, (_, i) => `t${i}`);
    await Promise.all([consume({ member: 'first' }), consume({ member: 'second' })]);
    await publish(...ids);
    await settled(40);
    expect(new Set(receiver.ids()).size).toBe(40);
  });

  it('begins anew when the queue role has lost its data', async () => {
    await receive();
    await consume();
    await publish('a');
    await settled(1);
    await run.resources.queueRedis.del(run.resources.keys.tradeStream());
    await publish('b');
    await until('the trade after the loss', async () => receiver.ids().includes('b:0'));
  });
});
