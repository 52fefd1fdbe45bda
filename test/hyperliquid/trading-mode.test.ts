import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { assertTrading, runSettings } from '../../src/doors.ts';
import { CodedError } from '../../src/errors.ts';
import type { RunRow } from '../../src/store/runs.ts';

const KEY = `0x${'7'.repeat(64)}`;
const OTHER = `0x${'8'.repeat(64)}`;
const ADDRESS = `0x${'a'.repeat(40)}`;
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'nof0-trading-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const live = (keyEnv: string, address = ADDRESS) => ({ address, keyEnv });
function load(env: Record<string, string>, models: object[] = [{ id: 'a', strategy: 'carry', live: live('KEY_A') }]) {
  const arenaFile = path.join(dir, 'arena.yaml');
  writeFileSync(arenaFile, JSON.stringify({ models }));
  return loadConfig({ env, cwd: dir, arenaFile });
}
function faultsOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CodedError) return JSON.stringify([error.message, error.faults]);
  }
  throw new Error('nothing was refused');
}
const run = (settings: RunRow['settings']): RunRow => ({
  name: 'x',
  kind: 'hyperliquid',
  settings,
  seed: 's',
  marketNowMs: null,
  startMs: null,
  endMs: null,
  state: 'running',
});

describe('the trading mode', () => {
  it('is paper on the testnet unless somebody says otherwise, and then no key is held', () => {
    const config = load({ KEY_A: KEY });
    expect(config.trading).toEqual({ mode: 'paper', accounts: {} });
    expect(config.hyperliquid).toEqual({ network: 'testnet', apiUrl: null, wsUrl: null });
    expect(JSON.stringify(config)).not.toContain(KEY);
  });

  it('live holds each account with its key', () => {
    const { trading } = load({ TRADING_MODE: 'live', KEY_A: KEY });
    expect(trading.accounts).toEqual({ a: { address: ADDRESS, privateKey: KEY, isVault: false } });
  });

  it('live needs an account and a key for every model, and tells what is missing without showing a key', () => {
    const models = [
      { id: 'a', strategy: 'carry' },
      { id: 'b', strategy: 'carry', live: live('KEY_B') },
    ];
    const faults = faultsOf(() => load({ TRADING_MODE: 'live', KEY_B: `${KEY}f` }, models));
    expect(faults).toContain('models.0.live');
    expect(faults).toContain('KEY_B');
    expect(faults).not.toContain(KEY);
  });

  it('live refuses a key that two models share: the numbers of their requests would collide', () => {
    const models = ['a', 'b'].map((id) => ({
      ...{ id, strategy: 'carry' },
      live: live(`KEY_${id.toUpperCase()}`, `0x${id.repeat(40)}`),
    }));
    expect(
      faultsOf(() => load({ TRADING_MODE: 'live', KEY_A: KEY, KEY_B: KEY.toUpperCase().replace('0X', '0x') }, models)),
    ).toContain('a key of its own');
    expect(() => load({ TRADING_MODE: 'live', KEY_A: KEY, KEY_B: OTHER }, models)).not.toThrow();
  });
});

describe('two live models', () => {
  const models = [
    { id: 'a', strategy: 'carry', live: live('KEY_A') },
    { id: 'b', strategy: 'carry', live: live('KEY_B', `0x${'A'.repeat(40)}`) },
  ];
  const keys = { KEY_A: KEY, KEY_B: OTHER };

  it('on one account of the exchange are refused, and both are named', () => {
    const faults = faultsOf(() => load({ TRADING_MODE: 'live', ...keys }, models));
    expect(faults).toContain('models.1.live.address');
    expect(faults).toContain(`\\"a\\" and \\"b\\" both name ${ADDRESS}`);
  });

  it('may stand in the file of a run on paper', () => {
    expect(() => load(keys, models)).not.toThrow();
  });
});

describe('a run', () => {
  it('keeps the mode and the network that it was begun with', () => {
    const paper = load({});
    const real = load({ TRADING_MODE: 'live', KEY_A: KEY, HYPERLIQUID_NETWORK: 'mainnet' });
    expect(runSettings({ kind: 'hyperliquid' }, paper)).toEqual({ network: 'testnet', trading: 'paper' });
    const begun = run(runSettings({ kind: 'hyperliquid' }, real));
    expect(() => assertTrading(begun, real)).not.toThrow();
    expect(faultsOf(() => assertTrading(begun, paper))).toMatch(/live run.*mainnet/);
    expect(faultsOf(() => assertTrading(run({ network: 'testnet', trading: 'paper' }), real))).toContain(
      'TRADING_MODE is live',
    );
  });

  it('on a market that is not real is never live', () => {
    const real = load({ TRADING_MODE: 'live', KEY_A: KEY });
    expect(faultsOf(() => assertTrading({ ...run({}), kind: 'synthetic' }, real))).toContain('--market hyperliquid');
  });
});
