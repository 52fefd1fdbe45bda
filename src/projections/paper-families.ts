/** The key families of the paper exchange: what a trader has standing there, and what the account is worth. */

import { available, equity, marginUsedByAll } from '../domain/paper-balances.ts';
import { modelIds } from '../store/models.ts';
import { paperAccounts } from '../store/paper-books.ts';
import type { LoadContext, Projection } from './projection.ts';

type PaperAccount = Awaited<ReturnType<typeof paperAccounts>>[number];

/** One string a trader; nothing for one who trades elsewhere. */
function perTrader(family: 'simOrders' | 'simBalances', shown: (account: PaperAccount) => object): Projection {
  return {
    family,
    all: async ({ db }: LoadContext) => (await modelIds(db)).map((id) => [id]),
    async load({ db, provider }, ids) {
      const names = ids.map(([id]) => id ?? '');
      const accounts = new Map((await paperAccounts(db, provider, names)).map((account) => [account.account, account]));
      return names.map((name) => {
        const account = accounts.get(name);
        return account === undefined ? [] : [JSON.stringify(shown(account))];
      });
    },
  };
}

export const PAPER_PROJECTIONS: readonly Projection[] = [
  perTrader('simOrders', ({ orders }) => ({
    orders: orders.map((order) => ({
      oid: order.oid,
      cloid: order.cloid,
      symbol: order.symbol,
      side: order.side,
      kind: order.tpsl ?? 'limit',
      size: order.size,
      filled_size: order.filledSize,
      limit_price: order.limitPrice,
      trigger_price: order.triggerPrice,
      reduce_only: order.reduceOnly,
      status: order.status,
      timestamp: order.tsMs,
    })),
  })),
  perTrader('simBalances', (account) => ({
    equity: equity(account, account.mark),
    available: available(account, account.mark),
    margin_used: marginUsedByAll(account, account.mark),
    cash: account.cashUsd,
    positions: [...account.positions].map(([symbol, held]) => ({
      ...{ symbol, size: held.size, entry_price: held.entryPrice },
      ...{ leverage: held.leverage, margin_mode: held.marginMode },
    })),
  })),
];
