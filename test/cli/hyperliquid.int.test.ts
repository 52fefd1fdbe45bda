import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.ts';
import { AccountDesk } from '../hyperliquid/account-desk.ts';
import { type StandIn, startStandIn } from '../hyperliquid/stand-in.ts';
import { STEP_MS, Venue } from '../hyperliquid/venue.ts';
import { type Nof0, nof0, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const KEY = `0x${'7'.repeat(64)}`;
const USER = `0x${'a'.repeat(40)}`;
const SYMBOLS = ['BTC', 'ETH'];

let dir = '';
let env: Record<string, string> = {};
let standIn: StandIn;
let venue: Venue;
let account: AccountDesk;
let pushing: NodeJS.Timeout;
const running: Nof0[] = [];

beforeAll(async () => {
  dir = await tempDir('nof0-hyperliquid-');
  standIn = await startStandIn();
  venue = new Venue({ startMs: Date.now(), speed: 1, symbols: SYMBOLS, user: USER });
  venue.serve(standIn, [], () => undefined);
  account = new AccountDesk(venue);
  pushing = setInterval(() => {
    for (const symbol of SYMBOLS)
      standIn.push('bbo', symbol, venue.bbo(symbol, Math.floor((venue.now() - venue.startMs) / STEP_MS)));
  }, 200);
  const arena = path.join(dir, 'arena.yaml');
  const live = { address: USER, keyEnv: 'KEY_HOLDER' };
  const models = [{ id: 'holder', strategy: 'buy-and-hold', live }];
  const fast = { price: '1s', decision: '2s', snapshot: '2s', analytics: '1m' };
  const guardrails = { minVolume24hUsd: 0, minOpenInterestUsd: 0 };
  const file = { models, hyperliquid: { symbols: SYMBOLS }, history: '30m', paces: { hyperliquid: fast }, guardrails };
  await writeFile(arena, JSON.stringify(file));
  env = {
    NOF0_DATA_DIR: dir,
    NOF0_ARENA: arena,
    KEY_HOLDER: KEY,
    HYPERLIQUID_API_URL: standIn.addresses.apiUrl,
    HYPERLIQUID_WS_URL: standIn.addresses.wsUrl,
  };
});

afterAll(async () => {
  clearInterval(pushing);
  for (const process of running) {
    if (process.process.exitCode === null) process.process.kill('SIGINT');
    await process.ended;
  }
  await standIn.close();
  await rm(dir, { recursive: true, force: true });
});

const start = (args: string[], more: Record<string, string> = {}) => {
  const started = nof0(args, { ...env, ...more });
  running.push(started);
  return started;
};

describe('nof0 up --market hyperliquid', () => {
  let url = '';

  it('listens to the market and decides on it; nothing is sent to the exchange', async () => {
    const up = start(['up', '--market', 'hyperliquid', '--run', 'real', '--port', '0']);
    url = (await up.printed(/arena\s+(http:\/\/[^/\s]+)/))[1] ?? '';
    const get = async (route: string) => (await fetch(`${url}${route}`)).json();
    const prices = await eventually('prices', async () => {
      const answer = (await get('/api/crypto-prices')) as { prices: Record<string, { price: number }> };
      return Object.keys(answer.prices).length === 2 && answer.prices;
    });
    expect(Object.keys(prices).sort()).toEqual(SYMBOLS);
    await eventually('decisions and heard prices', async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return (
        /job="decision-cycle",outcome="done"\} [1-9]/.test(text) &&
        /nof0_feed_frames_total\{[^}]*channel="tick"\} [1-9]/.test(text)
      );
    });
    const log = await readFile(path.join(dir, 'real/nof0.log'), 'utf8');
    expect(log).toContain('this process holds the feed');
    expect(standIn.posted).toEqual([]);
  });

  it('lets `nof0 feed` stand by while it holds the feed itself', async () => {
    const feed = start(['feed', '--run', 'real']);
    const metricsUrl = (await feed.printed(/metrics\s+(http:\/\/\S+)/))[1] ?? '';
    expect(await (await fetch(metricsUrl)).text()).not.toMatch(/channel="tick"\} [1-9]/);
    expect(standIn.sockets.size).toBe(1);
    feed.process.kill('SIGTERM');
    expect(await feed.ended).toBe(0);
  });

  it('goes on as what it was begun, and shows no key', async () => {
    const [up] = running;
    up?.process.kill('SIGINT');
    expect(await up?.ended).toBe(0);
    const asLive = await runNof0(['up', '--run', 'real', '--port', '0'], { ...env, TRADING_MODE: 'live' });
    expect(asLive.code).toBe(1);
    expect(asLive.output).toContain('NOF0_RUN_MISMATCH');
    const log = await readFile(path.join(dir, 'real/nof0.log'), 'utf8');
    expect([asLive.output, up?.output() ?? '', log].join('\n')).not.toContain(KEY.slice(2, 20));
  });
});

describe('nof0 up, trading live', () => {
  const names = () => [...account.positions].filter(([, quantity]) => quantity !== 0).map(([symbol]) => symbol);

  it('trades the account with its stops, until somebody closes one position and flattens the rest', async () => {
    account.serve(standIn);
    // At a pace that the provider's budget bears.
    const arena = path.join(dir, 'live.yaml');
    const paced = { price: '5s', decision: '1m', snapshot: '1m', analytics: '1m' };
    const file = JSON.parse(await readFile(path.join(dir, 'arena.yaml'), 'utf8'));
    await writeFile(arena, JSON.stringify({ ...file, paces: { hyperliquid: paced } }));
    const live = { TRADING_MODE: 'live', NOF0_ARENA: arena };
    const up = start(['up', '--market', 'hyperliquid', '--run', 'live', '--port', '0'], live);
    await up.printed(/ready/, 60_000);
    await eventually(
      'positions with stops and targets',
      async () => names().length === 2 && account.standing.size === 4,
      60_000,
    );
    const one = await runNof0(['close', 'holder', 'BTC', '--run', 'live', '--yes'], { ...env, ...live });
    expect(one.code, one.output).toBe(0);
    // The model goes on, and may enter again.
    expect(account.fills).toContainEqual(expect.objectContaining({ coin: 'BTC', side: 'A' }));
    const closed = await runNof0(['flatten', 'holder', '--run', 'live', '--yes', '--json'], { ...env, ...live });
    expect(closed.code, closed.output).toBe(0);
    expect(names()).toEqual([]);
    expect(account.standing.size).toBe(0);
    const verified = await runNof0(['verify', '--run', 'live'], { ...env, ...live });
    expect(verified.output).toContain('everything agrees');
    up.process.kill('SIGINT');
    expect(await up.ended).toBe(0);
    const log = await readFile(path.join(dir, 'live/nof0.log'), 'utf8');
    expect(log).toContain('live trading');
    for (const text of [log, up.output(), closed.output, ...standIn.posted])
      expect(text).not.toContain(KEY.slice(2, 20));
  }, 180_000);
});
