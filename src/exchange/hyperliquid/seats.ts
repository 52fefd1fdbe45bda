/** Who sends: the accounts of the models, each with its signer and the number of its last request. */

import { CodedError } from '../../errors.ts';
import type { SignedRequest } from './delivery.ts';
import { Signer } from './signer.ts';

export type LiveAccount = {
  /** Name of the account on this platform. */
  readonly account: string;
  /** Of the account itself, not of its agent. */
  readonly address: string;
  readonly key: string;
  /** The address is a vault or a sub-account, which the agent's owner leads. */
  readonly isVault: boolean;
  /** What the platform says it began with. */
  readonly initialUsd: number;
};

/** An account without its key: that is with the signer. */
export type Seat = Omit<LiveAccount, 'key'> & { readonly signer: Signer; lastNonce: number };

export class Seats {
  readonly #seats: ReadonlyMap<string, Seat>;

  constructor(accounts: readonly LiveAccount[], network: ConstructorParameters<typeof Signer>[1]) {
    this.#seats = new Map(
      accounts.map(({ key, ...account }) => [
        account.account,
        { ...account, address: account.address.toLowerCase(), signer: new Signer(key, network), lastNonce: 0 },
      ]),
    );
  }

  /** Throws NOF0_EXCHANGE_ACCOUNT for a model without an account. */
  of(account: string): Seat {
    const seat = this.#seats.get(account);
    if (seat === undefined)
      throw new CodedError('NOF0_EXCHANGE_ACCOUNT', `no account at Hyperliquid is configured for "${account}"`);
    return seat;
  }
}

/** The request as it is sent: a vault's or sub-account's carries its address. */
export function signed(
  seat: Seat,
  action: Record<string, unknown>,
  nonce: number,
  expiresAfter: number,
): SignedRequest {
  const vaultAddress = seat.isVault ? seat.address : null;
  const signature = seat.signer.sign(action, { nonce, vaultAddress, expiresAfter });
  return { action: { type: String(action.type), ...action }, nonce, signature, vaultAddress, expiresAfter };
}
