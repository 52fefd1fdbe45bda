/** Executions as Hyperliquid tells them (`userFills`, `userFillsByTime`, the WebSocket's `userFills`) → entries of the ledger. */

import { z } from 'zod';
import { sha256 } from '../../domain/random.ts';
import { PROVIDER } from '../../hyperliquid/provider.ts';
import { address, coin, decimal, isPerpetual, parseBody, unixMs, wireId } from '../../hyperliquid/wire.ts';
import type { ExchangeFill } from '../exchange.ts';

const positive = decimal.refine((value) => value > 0, 'a number above 0 as decimal text');

/** One row. Rows of 2023 have no `tid`; `cloid` and `liquidation` are there when they apply. */
const rowSchema = z.object({
  coin,
  px: positive,
  sz: positive,
  side: z.enum(['A', 'B']),
  time: unixMs,
  startPosition: decimal,
  dir: z.string(),
  closedPnl: decimal,
  hash: z.string(),
  oid: wireId,
  crossed: z.boolean(),
  fee: decimal,
  tid: wireId.optional(),
  cloid: z.string().nullish(),
  liquidation: z.object({ liquidatedUser: address }).nullish(),
});
type Row = z.infer<typeof rowSchema>;

const bodySchema = z.array(rowSchema);

/** A ledger entry with what the exchange calls it: `Open Long`, `Close Short`, `Liquidated Isolated Long`, `Net Child Vaults` … */
export type HyperliquidFill = ExchangeFill & { readonly dir: string };

export type FillOwner = {
  /** Whose ledger it is: the account's name on this platform. */
  readonly account: string;
  /** The account's address on the exchange, in any case: it tells a liquidation of ours from one that we took the other side of. */
  readonly address: string;
};

export type UserFills = {
  /** Executions of perpetuals, in the order of the body. */
  readonly fills: HyperliquidFill[];
  /** Rows of spot pairs, which are no part of a perpetuals ledger. */
  readonly spotRows: number;
};

/**
 * The body of a `userFills` answer (an array) or the `fills` of a WebSocket frame. A body with a row of another shape is refused as
 * a whole, because a ledger with a hole is worse than a late one.
 *
 * @throws CodedError NOF0_EXCHANGE_DATA with the path of every fault
 */
export function parseUserFills(body: unknown, owner: FillOwner): UserFills {
  const rows = parseBody(bodySchema, body, 'userFills', 'NOF0_EXCHANGE_DATA');
  const perpetuals = rows.filter((row) => isPerpetual(row.coin));
  return { fills: perpetuals.map((row) => toFill(row, owner)), spotRows: rows.length - perpetuals.length };
}

function toFill(row: Row, owner: FillOwner): HyperliquidFill {
  return {
    id: `${PROVIDER}:${owner.account}:${fillNumber(row)}`,
    provider: PROVIDER,
    symbol: row.coin,
    side: row.side === 'B' ? 'buy' : 'sell',
    price: row.px,
    size: row.sz,
    startPosition: row.startPosition,
    // The exchange counts nothing an account; its time is the cursor, and its start positions order what shares a millisecond.
    seq: row.time,
    // Negative for a maker with a rebate. `closedPnl` beside it is gross of fees.
    feeUsd: row.fee,
    closedPnl: row.closedPnl,
    oid: row.oid,
    cloid: row.cloid ?? null,
    tid: row.tid ? row.tid : null,
    crossed: row.crossed,
    liquidation: row.liquidation?.liquidatedUser === owner.address.toLowerCase() || row.dir.startsWith('Liquidated'),
    kind: 'trade',
    tsMs: row.time,
    dir: row.dir,
  };
}

/**
 * What tells an execution from every other of its account. Both sides of a match have the same `tid` (the account in the id keeps
 * them apart). Conversions and netting by the exchange itself come with id 0 or none, often with a hash of zeros too: then it is
 * the hash, the coin, the time and the position it started from.
 */
function fillNumber(row: Row): string {
  if (row.tid !== undefined && row.tid > 0) return String(row.tid);
  const place = [row.hash, row.coin, row.time, row.startPosition, row.side, row.sz].join('|');
  return `h${sha256(place).slice(0, 24)}`;
}
