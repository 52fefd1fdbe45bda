/** Signatures of one agent. The key stays in here: nothing prints, logs or serialises it. */

import { createL1ActionHash } from '@nktkas/hyperliquid/signing';
import { addr, signTyped } from 'micro-eth-signer';
import { CodedError } from '../../errors.ts';
import type { Network } from '../../hyperliquid/provider.ts';

export type Signature = { readonly r: string; readonly s: string; readonly v: number };

/** What a signature covers beside the action itself. The order of the action's keys counts. */
export type SigningTerms = {
  readonly nonce: number;
  readonly vaultAddress?: string | null;
  /** Provider ms after which the request is refused. */
  readonly expiresAfter?: number;
};

const HEX_KEY = /^0x[0-9a-fA-F]{64}$/;
const DOMAIN = {
  name: 'Exchange',
  version: '1',
  // Not a chain: actions of the exchange are signed for this number on every network.
  chainId: 1337n,
  verifyingContract: '0x0000000000000000000000000000000000000000',
} as const;
const TYPES = {
  EIP712Domain: [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' },
    { name: 'verifyingContract', type: 'address' },
  ],
  Agent: [
    { name: 'source', type: 'string' },
    { name: 'connectionId', type: 'bytes32' },
  ],
} as const;

type Hex = `0x${string}`;

export class Signer {
  /** Of the agent, not of the account it acts for. */
  readonly address: string;
  readonly #key: Hex;
  readonly #source: 'a' | 'b';

  /** Throws NOF0_EXCHANGE_SIGNATURE for a key that is none; the message does not show it. */
  constructor(key: string, network: Network) {
    if (!HEX_KEY.test(key))
      throw new CodedError('NOF0_EXCHANGE_SIGNATURE', 'a private key is 0x and 64 hex digits; what was given is not');
    this.#key = key as Hex;
    this.#source = network === 'mainnet' ? 'a' : 'b';
    this.address = addr.fromPrivateKey(this.#key).toLowerCase();
  }

  /** Signs an action. The same input gives the same signature, always. */
  sign(action: Record<string, unknown>, terms: SigningTerms): Signature {
    const connectionId = createL1ActionHash({
      action,
      nonce: terms.nonce,
      ...(terms.vaultAddress ? { vaultAddress: terms.vaultAddress as Hex } : {}),
      ...(terms.expiresAfter === undefined ? {} : { expiresAfter: terms.expiresAfter }),
    });
    const message = { source: this.#source, connectionId: Uint8Array.from(Buffer.from(connectionId.slice(2), 'hex')) };
    const hex = signTyped({ domain: DOMAIN, types: TYPES, primaryType: 'Agent', message }, this.#key, false);
    return {
      r: `0x${hex.slice(2, 66)}`,
      s: `0x${hex.slice(66, 130)}`,
      v: Number.parseInt(hex.slice(130, 132), 16),
    };
  }
}
