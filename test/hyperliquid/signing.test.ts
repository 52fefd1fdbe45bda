import { inspect } from 'node:util';
import { createL1ActionHash } from '@nktkas/hyperliquid/signing';
import { describe, expect, it } from 'vitest';
import { Signer } from '../../src/exchange/hyperliquid/signer.ts';
import { hasRecorded, recorded } from './recorded.ts';

const KEY = '0x0123456789012345678901234567890123456789012345678901234567890123';

type Vector = {
  name: string;
  kind: string;
  privateKey: string;
  action: Record<string, unknown>;
  nonce: number;
  vaultAddress: string | null;
  isMainnet: boolean;
  signature: { r: string; s: string; v: number };
  connectionId?: `0x${string}`;
};
const padded = (hex: string) => `0x${hex.slice(2).padStart(64, '0')}`;

describe.skipIf(!hasRecorded)('the official signing vectors', () => {
  const vectors: Vector[] = hasRecorded ? recorded('signing.vectors.json') : [];

  it('pass, all of those for actions of the exchange', () => {
    const actions = vectors.filter(({ kind }) => kind === 'l1');
    expect(actions.length).toBeGreaterThanOrEqual(16);
    for (const { name, privateKey, action, nonce, vaultAddress, isMainnet, signature } of actions) {
      const signer = new Signer(privateKey, isMainnet ? 'mainnet' : 'testnet');
      expect(signer.sign(action, { nonce, vaultAddress }), `${name} ${isMainnet}`).toEqual({
        r: padded(signature.r),
        s: padded(signature.s),
        v: signature.v,
      });
    }
  });

  it('pass for the hash of an action', () => {
    const hashes = vectors.filter(({ kind }) => kind === 'l1-hash');
    expect(hashes).toHaveLength(1);
    for (const { action, nonce, connectionId } of hashes)
      expect(createL1ActionHash({ action, nonce })).toBe(connectionId);
  });
});

describe('a signature', () => {
  const action = { type: 'scheduleCancel', time: 123_456_789 };
  const sign = (nonce: number, expiresAfter?: number, vaultAddress?: string) =>
    new Signer(KEY, 'testnet').sign(action, {
      nonce,
      ...(expiresAfter === undefined ? {} : { expiresAfter }),
      ...(vaultAddress ? { vaultAddress } : {}),
    });

  it('covers number, expiry, vault and network, and is the same every time', () => {
    const mainnet = new Signer(KEY, 'mainnet').sign(action, { nonce: 1 });
    const all = [sign(1), sign(2), sign(1, 5), sign(1, 6), sign(1, 5, `0x${'1'.repeat(40)}`), mainnet];
    expect(new Set(all.map(({ r }) => r)).size).toBe(all.length);
    expect(sign(1, 5)).toEqual(sign(1, 5));
  });
});

describe('a key', () => {
  it('does not come out of its signer, however it is looked at', () => {
    const signer = new Signer(KEY, 'testnet');
    const seen = [JSON.stringify(signer), inspect(signer, { depth: 9, showHidden: true }), String(signer)].join('\n');
    expect(seen).not.toContain(KEY.slice(2, 12));
    expect(signer.address).toMatch(/^0x[0-9a-f]{40}$/);
  });

  it.each(['', 'secret', `0x${'g'.repeat(64)}`, KEY.slice(2)])(
    'that is none is refused without being shown: %j',
    (key) => {
      expect(() => new Signer(key, 'testnet')).toThrow(/64 hex digits/);
      if (key.length > 4) {
        try {
          new Signer(key, 'testnet');
        } catch (error) {
          expect(String(error)).not.toContain(key);
        }
      }
    },
  );
});
