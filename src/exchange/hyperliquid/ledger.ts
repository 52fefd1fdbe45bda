/** Everything that moved an account's money since a moment: executions, funding, transfers, and where the ledger began. */

import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { PROVIDER } from '../../hyperliquid/provider.ts';
import { address, coin, decimal, unixMs } from '../../hyperliquid/wire.ts';
import type { ExchangeFill } from '../exchange.ts';
import type { AccountBody } from './account.ts';
import { type FillOwner, parseUserFills } from './user-fills.ts';

const PAGE_ROWS = { userFillsByTime: 2000, userFunding: 500, userNonFundingLedgerUpdates: 500 } as const;
type PagedType = keyof typeof PAGE_ROWS;

const timed = z.array(z.looseObject({ time: unixMs }));

const fundingRow = z.object({
  time: unixMs,
  delta: z.object({ type: z.literal('funding'), coin, usdc: decimal, szi: decimal, fundingRate: decimal }),
});
const fundingRows = z.array(fundingRow);

/** What a transfer of each kind does to the account's USD. Kinds that are not here move no USD of perpetuals. */
const transferRow = z.object({
  time: unixMs,
  hash: z.string(),
  delta: z.looseObject({
    type: z.string(),
    usdc: decimal.optional(),
    fee: decimal.optional(),
    toPerp: z.boolean().optional(),
    user: address.optional(),
    destination: address.optional(),
    netWithdrawnUsd: decimal.optional(),
  }),
});
const transferRows = z.array(transferRow);
type Transfer = z.infer<typeof transferRow>['delta'];

/** USD that a transfer brings to the account (negative: takes from it); null for one that has nothing to do with its USD. */
export function transferUsd(delta: Transfer, own: string): number | null {
  const usdc = delta.usdc ?? 0;
  const fee = delta.fee ?? 0;
  switch (delta.type) {
    case 'deposit':
    case 'vaultDistribution':
      return usdc;
    case 'withdraw':
    case 'vaultCreate':
      return -(usdc + fee);
    case 'vaultDeposit':
      return -usdc;
    case 'vaultWithdraw':
      return delta.netWithdrawnUsd ?? 0;
    case 'accountClassTransfer':
      return delta.toPerp ? usdc : -usdc;
    case 'internalTransfer':
    case 'subAccountTransfer':
      return delta.user === own ? -(usdc + fee) : usdc;
    default:
      return null;
  }
}

const blank = { provider: PROVIDER, startPosition: null, feeUsd: 0, oid: null, cloid: null, tid: null } as const;

function cashEntry(
  owner: FillOwner,
  kind: 'funding' | 'transfer',
  id: string,
  symbol: string,
  usd: number,
  tsMs: number,
) {
  const entry: ExchangeFill = {
    ...blank,
    id: `${PROVIDER}:${owner.account}:${id}`,
    symbol,
    side: usd >= 0 ? 'sell' : 'buy',
    price: 0,
    size: 0,
    seq: tsMs,
    closedPnl: usd,
    crossed: false,
    liquidation: false,
    kind,
    tsMs,
  };
  return entry;
}

/** Funding payments of an answer. A print is one a coin and time, whatever its hash says (it is all zeros). */
export function parseFunding(client: HyperliquidClient, body: unknown, owner: FillOwner): ExchangeFill[] {
  return client.parse(fundingRows, body, 'userFunding', 'exchange').map(({ time, delta }) => ({
    ...cashEntry(owner, 'funding', `funding:${delta.coin}:${time}`, delta.coin, delta.usdc, time),
    side: delta.szi >= 0 ? ('buy' as const) : ('sell' as const),
    size: Math.abs(delta.szi),
  }));
}

/** Transfers of an answer. */
export function parseTransfers(client: HyperliquidClient, body: unknown, owner: FillOwner): ExchangeFill[] {
  const own = owner.address.toLowerCase();
  return client
    .parse(transferRows, body, 'userNonFundingLedgerUpdates', 'exchange')
    .flatMap(({ time, hash, delta }) => {
      const usd = transferUsd(delta, own);
      return usd === null ? [] : [cashEntry(owner, 'transfer', `${delta.type}:${time}:${hash}`, 'USDC', usd, time)];
    });
}

/** Executions, funding and transfers with fromMs ≤ time, oldest first, each once. All of it or nothing. */
export async function entriesSince(
  client: HyperliquidClient,
  owner: FillOwner,
  fromMs: number,
  signal?: AbortSignal,
): Promise<ExchangeFill[]> {
  const pages = (type: PagedType) => pagesOf(client, type, owner.address, fromMs, signal);
  const entries = new Map<string, ExchangeFill>();
  const keep = (list: readonly ExchangeFill[]) => {
    for (const entry of list) if (entry.tsMs >= fromMs) entries.set(entry.id, entry);
  };
  for (const page of await pages('userFillsByTime')) {
    try {
      // What it is called beside the ledger's own fields is not stored.
      keep(parseUserFills(page, owner).fills.map(({ dir: _dir, ...fill }) => fill));
    } catch (error) {
      client.refused('userFills', messageOf(error));
      throw error;
    }
  }
  for (const page of await pages('userFunding')) keep(parseFunding(client, page, owner));
  for (const page of await pages('userNonFundingLedgerUpdates')) keep(parseTransfers(client, page, owner));
  return [...entries.values()].sort((a, b) => a.tsMs - b.tsMs);
}

/** Answers are capped: the next page begins at the last one's last millisecond, which may hold more. */
async function pagesOf(
  client: HyperliquidClient,
  type: PagedType,
  user: string,
  fromMs: number,
  signal?: AbortSignal,
): Promise<unknown[]> {
  const pages: unknown[] = [];
  for (let startTime = fromMs; ; ) {
    const rows = await client.info({ type, user, startTime }, timed, 'exchange', signal);
    pages.push(rows);
    if (rows.length < PAGE_ROWS[type]) return pages;
    const lastMs = Math.max(...rows.map((row) => row.time));
    // A millisecond that fills a whole page cannot be paged through.
    startTime = lastMs > startTime ? lastMs : lastMs + 1;
  }
}

/**
 * How a ledger begins that nothing is known of: the money that is there (less what the account is said to have been given), and the
 * positions that are open. Everything later is learnt from entries.
 */
export function openingEntries(owner: FillOwner, initialUsd: number, state: AccountBody, tsMs: number): ExchangeFill[] {
  const positions = state.assetPositions.map((row) => row.position).filter((position) => position.szi !== 0);
  const unrealized = positions.reduce((sum, position) => sum + position.unrealizedPnl, 0);
  const cash = state.marginSummary.accountValue - unrealized - initialUsd;
  const opened = positions.map((position): ExchangeFill => {
    const size = Math.abs(position.szi);
    return {
      ...cashEntry(owner, 'transfer', `opening:${position.coin}`, position.coin, 0, tsMs),
      kind: 'opening',
      side: position.szi > 0 ? 'buy' : 'sell',
      price: position.entryPx ?? position.positionValue / size,
      size,
      startPosition: 0,
    };
  });
  return [cashEntry(owner, 'transfer', OPENING_CASH, 'USDC', cash, tsMs), ...opened];
}

const OPENING_CASH = 'opening:cash';
/** Id of the entry that every ledger begins with. */
export function openingId(account: string): string {
  return `${PROVIDER}:${account}:${OPENING_CASH}`;
}
