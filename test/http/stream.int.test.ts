/** Watching what happens: resumed trades, newest values, slow readers and a clean end. */

import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/http/event-queue.ts';
import { type HttpServer, startHttp } from '../../src/http/server.ts';
import type { Resources } from '../../src/resources.ts';
import { createRun, type TestRun } from '../harness.ts';
import { INCEPTION_MS, MODELS, seed } from './arena.ts';

const [FIRST] = MODELS;

let arena: TestRun;
let server: HttpServer;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  server = await startHttp(arena.resources, { host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await server?.close();
  await arena?.close();
});

type Received = { readonly event: string; readonly id: string | null; readonly data: Record<string, unknown> };

/** A client that reads events until it has as many as it wants. */
class Client {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort: AbortController;
  #text = '';

  private constructor(reader: ReadableStreamDefaultReader<Uint8Array>, abort: AbortController) {
    this.#reader = reader;
    this.#abort = abort;
  }

  static async open(query: string, lastEventId?: string): Promise<Client> {
    const abort = new AbortController();
    const headers: Record<string, string> = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
    const response = await fetch(`${server.url}/api/stream${query}`, { headers, signal: abort.signal });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    if (response.body === null) throw new Error('no body');
    return new Client(response.body.getReader(), abort);
  }

  /** The next event; null at the end of the stream. */
  async next(): Promise<Received | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? null;
        const [event, data] = [field('event'), field('data')];
        if (event !== null && data !== null) return { event, id: field('id'), data: JSON.parse(data) };
        continue;
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += new TextDecoder().decode(value);
    }
  }

  async take(count: number): Promise<Received[]> {
    const events: Received[] = [];
    while (events.length < count) {
      const event = await this.next();
      if (event === null) throw new Error(`the stream ended after ${events.length} events`);
      events.push(event);
    }
    return events;
  }

  close(): void {
    this.#abort.abort();
  }
}

let nextTrade = 0;

/** Publishes trades as the outbox does. */
async function publish({ stream }: Resources, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `t${nextTrade++}`);
  const row = (id: string) => ({
    ...{ id: 0, kind: 'stream' as const, target: FIRST, attempts: 0, createdAt: new Date() },
    payload: { event: 'trade', id, revision: 0, model_id: FIRST, pnl: 1.5, exit_reason: null },
  });
  await stream.publish(ids.map(row));
  return ids;
}

describe('trades', () => {
  it('come as they are published, with ids, to every client', async () => {
    const clients = await Promise.all([Client.open('?topics=trades'), Client.open('?topics=trades')]);
    for (const client of clients)
      expect(await client.take(1)).toMatchObject([{ event: 'open', data: { topics: ['trades'] } }]);
    const ids = await publish(arena.resources, 3);
    for (const client of clients) {
      const events = await client.take(3);
      expect(events.map(({ event, data }) => [event, data.id])).toEqual(ids.map((id) => ['trades', id]));
      expect(events[0]?.data).toMatchObject({ event: 'trade', revision: 0, pnl: 1.5, exit_reason: null });
      expect(events.every(({ id }) => /^\d+-\d+$/.test(id ?? ''))).toBe(true);
      client.close();
    }
  });

  it('missed while away come once and in order, also while more are published', async () => {
    const seen: string[] = [];
    const all: string[] = [];
    let last: string | undefined;
    const opened = await Client.open('?topics=trades');
    last = (await opened.take(1))[0]?.id ?? undefined;
    opened.close();
    // Each time some are published before it comes back, and some at the same moment.
    for (let round = 0; round < 8; round += 1) {
      all.push(...(await publish(arena.resources, round)));
      const publishing = publish(arena.resources, 5);
      const client = await Client.open('?topics=trades', last);
      all.push(...(await publishing));
      await client.take(1);
      const wanted = all.length - seen.length - (round % 2);
      for (const event of await client.take(wanted)) {
        seen.push(String(event.data.id));
        last = event.id ?? last;
      }
      client.close();
    }
    const client = await Client.open('?topics=trades', last);
    await client.take(1);
    const [mark] = await publish(arena.resources, 1);
    for (let event = await client.next(); event !== null; event = await client.next()) {
      seen.push(String(event.data.id));
      if (event.data.id === mark) break;
    }
    client.close();
    expect(seen).toEqual([...all, mark]);
  });

  it('that the stream no longer tells are said to be missing', async () => {
    const { queueRedis, keys } = arena.resources;
    await publish(arena.resources, 5);
    const [first] = await queueRedis.xrange(keys.tradeStream(), '-', '+', 'COUNT', 1);
    await queueRedis.xtrim(keys.tradeStream(), 'MAXLEN', 2);
    for (const unknown of [first?.[0] ?? '', 'nonsense', '99999999999999-0']) {
      const client = await Client.open('?topics=trades', unknown);
      const [begin] = await client.take(1);
      expect(begin?.event, unknown).toBe('reset');
      const ids = await publish(arena.resources, 1);
      expect((await client.take(1))[0]?.data.id).toBe(ids[0]);
      client.close();
    }
  });
});

describe('the newest values', () => {
  beforeEach(async () => {
    await arena.resources.db.query('UPDATE price_latest SET ts_ms = ts_ms + 1000');
  });

  it('come at the beginning, and then as they are written', async () => {
    const { db, prices, publisher } = arena.resources;
    const client = await Client.open('');
    const begin = await client.take(3 + MODELS.length);
    expect(begin.map(({ event }) => event).sort()).toEqual(
      ['open', 'prices', 'equity', ...MODELS.map(() => 'decisions')].sort(),
    );
    await db.query(`UPDATE price_latest SET price = 111111, ts_ms = ts_ms + 1 WHERE symbol = 'BTC'`);
    await prices.refresh();
    const [price] = await client.take(1);
    expect(price).toMatchObject({ event: 'prices', id: null, data: { prices: { BTC: { price: 111_111 } } } });
    await db.query(
      `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, success, decisions) VALUES ($1, $2, 77, 'done', true, '[]')`,
      [FIRST, INCEPTION_MS + 3_600_000],
    );
    await publisher.refresh([{ family: 'decisionLast', ids: [FIRST] }]);
    const [decision] = await client.take(1);
    expect(decision).toMatchObject({ event: 'decisions', data: { model_id: FIRST, cycle_number: 77 } });
    await db.query('UPDATE account_equity_snapshots SET equity_usd = 12345 WHERE model_id = $1', [FIRST]);
    await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
    const [equity] = await client.take(1);
    expect(equity?.event).toBe('equity');
    expect(JSON.stringify(equity?.data)).toContain('12345');
    client.close();
  });

  it('are told again when they come back to what they were', async () => {
    const { db, publisher } = arena.resources;
    const client = await Client.open('?topics=equity');
    await client.take(2);
    for (const equity of [20_001, 20_002, 20_001]) {
      await db.query('UPDATE account_equity_snapshots SET equity_usd = $2 WHERE model_id = $1', [FIRST, equity]);
      await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
      expect(JSON.stringify((await client.next())?.data)).toContain(String(equity));
    }
    client.close();
  });

  it('are no news when a key is written with what it held', async () => {
    const { publisher } = arena.resources;
    const client = await Client.open('?topics=equity,trades');
    await client.take(2);
    for (let i = 0; i < 3; i += 1) await publisher.refresh([{ family: 'leaderboardCache', ids: [] }]);
    const [mark] = await publish(arena.resources, 1);
    expect((await client.next())?.data.id).toBe(mark);
    client.close();
  });
});

describe('a client', () => {
  const clients = async () => (await arena.resources.metrics.streamClients.get()).values[0]?.value ?? 0;

  it('that goes away is forgotten', async () => {
    await expect.poll(clients).toBe(0);
    const client = await Client.open('?topics=trades');
    await client.take(1);
    expect(await clients()).toBe(1);
    client.close();
    await expect.poll(clients).toBe(0);
  });

  it('that does not read is cut off, and its memory given back', async () => {
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET /api/stream?topics=prices HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await expect.poll(clients).toBe(1);
    const padding = 'x'.repeat(200_000);
    for (let i = 0; (await clients()) > 0 && i < 500; i += 1) {
      const message = { topic: 'prices', of: '', data: JSON.stringify({ i, padding }) };
      await arena.resources.cacheRedis.publish(arena.resources.keys.liveChannel(), JSON.stringify(message));
    }
    await expect.poll(clients, { timeout: 10_000 }).toBe(0);
    socket.resume();
    await closed;
    expect((await arena.resources.metrics.streamsDropped.get()).values[0]?.value).toBe(1);
  });

  it('is told of a wrong topic, and HEAD opens no stream', async () => {
    const wrong = await fetch(`${server.url}/api/stream?topics=trades,weather`);
    expect(wrong.status).toBe(400);
    await wrong.arrayBuffer();
    expect((await fetch(`${server.url}/api/stream`, { method: 'HEAD' })).status).toBe(200);
    expect(await clients()).toBe(0);
  });

  it('sees the end when the server closes, which takes no longer for it', async () => {
    const { resources } = arena;
    const other = await startHttp(resources, { host: '127.0.0.1', port: 0 });
    const response = await fetch(`${other.url}/api/stream?topics=trades`);
    const started = performance.now();
    const closing = other.close();
    const text = await response.text();
    await closing;
    expect(text).toContain('event: open');
    expect(performance.now() - started).toBeLessThan(1500);
    expect(await clients()).toBe(0);
  });
});

describe('what waits for a client', () => {
  it('is bounded, counted until it is taken over, and joined', async () => {
    const queue = new EventQueue(10);
    let overflows = 0;
    queue.onOverflow = () => {
      overflows += 1;
    };
    queue.add('abc');
    queue.add('def');
    const texts = queue.texts();
    expect((await texts.next()).value).toBe('abcdef');
    queue.add('ghij');
    expect(overflows).toBe(0);
    queue.add('k');
    expect(overflows).toBe(1);
    expect((await texts.next()).done).toBe(true);
    queue.add('l');
    expect(overflows).toBe(1);
  });
});
