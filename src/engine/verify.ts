/** The consistency check of the rows: the ledger leads to the positions, trades and equity that are stored, and to the exchange's own. */

import type { Fill } from '../domain/fill.ts';
import { equityUsd, foldFills } from '../domain/ledger.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Database } from '../store/database.ts';
import { accounts, ledgerTotals } from '../store/equity.ts';
import { fillsOf } from '../store/ledger.ts';
import { marketAssets } from '../store/market.ts';
import { openPositions } from '../store/positions.ts';
import * as checks from '../store/verify.ts';

export type RowCheck = { readonly family: string; readonly compared: number; readonly differences: string[] };

/** Sums are compared to this part of the turnover they come from. */
const TOLERANCE = 1e-9;

/** Compares all rows of the run. `exchange` null: the other side's books are left out. */
export async function verifyRows(db: Database, provider: string, exchange: Exchange | null): Promise<RowCheck[]> {
  const decimals = new Map((await marketAssets(db, provider)).map((asset) => [asset.symbol, asset.sizeDecimals]));
  const results: RowCheck[] = [...(await checks.references(db)), await checks.cycles(db), await checks.snapshots(db)];
  const found = {
    fills: 0,
    positions: [] as string[],
    trades: [] as string[],
    equity: [] as string[],
    positionRows: 0,
    tradeRows: 0,
    equityRows: 0,
    importedTrades: 0,
    importedModels: 0,
  };
  for (const owner of await accounts(db)) {
    const fills = await fillsOf(db, owner.modelId);
    const [positions, trades] = await Promise.all([
      checks.positionRows(db, owner.modelId),
      checks.tradeRows(db, owner.modelId),
    ]);
    // Imported trades have no fills to derive them from, nor has an imported model's equity; everybody and everything else is held to it.
    const own = trades.filter((trade) => !trade.imported);
    found.importedTrades += trades.length - own.length;
    if (fills.length === 0 && owner.imported) {
      found.importedModels += 1;
      continue;
    }
    found.fills += fills.length;
    found.positionRows += positions.length;
    found.tradeRows += own.length;
    found.equityRows += 1;
    const folded = foldAll(fills, decimals);
    found.positions.push(...compare(`${owner.modelId} position`, folded.positions, positions));
    found.trades.push(...compare(`${owner.modelId} trade`, folded.trades, own));
    found.equity.push(...(await equityDifferences(db, provider, exchange, owner)));
  }
  results.push({ family: 'ledger: fills folded', compared: found.fills, differences: [] });
  results.push({ family: 'ledger: positions', compared: found.positionRows, differences: found.positions });
  results.push({ family: 'ledger: trades', compared: found.tradeRows, differences: found.trades });
  results.push({ family: 'ledger: equity', compared: found.equityRows, differences: found.equity });
  if (found.importedTrades + found.importedModels > 0) {
    results.push({ family: 'imported: trades without fills, exempt', compared: found.importedTrades, differences: [] });
    results.push({ family: 'imported: models without fills, exempt', compared: found.importedModels, differences: [] });
  }
  return results;
}

type Figures = { readonly id: string; readonly figures: readonly (number | string | null)[] };

/** Everything the fills of a model lead to, folded from the first fill on. */
function foldAll(
  fills: readonly Fill[],
  decimals: ReadonlyMap<string, number>,
): { positions: Figures[]; trades: Figures[] } {
  const symbols = [
    ...new Set(fills.filter((fill) => fill.kind === 'trade' || fill.kind === 'opening').map((fill) => fill.symbol)),
  ];
  const folds = symbols.map((symbol) =>
    foldFills(
      fills.filter((fill) => fill.symbol === symbol && fill.kind !== 'funding'),
      { sizeDecimals: decimals.get(symbol) ?? 8 },
    ),
  );
  return {
    positions: folds
      .flatMap((fold) => fold.positions)
      .map((p) => ({
        id: p.id,
        figures: [p.status, p.quantity, p.entryPrice, p.closedPnl, p.commission, p.exitPrice],
      })),
    trades: folds
      .flatMap((fold) => fold.trades)
      .map((t) => ({
        id: t.id,
        figures: [t.quantity, t.entryPrice, t.exitPrice, t.realizedGrossPnl, t.realizedNetPnl, t.totalCommission],
      })),
  };
}

function compare(what: string, wanted: readonly Figures[], stored: readonly Figures[]): string[] {
  const rows = new Map(stored.map((row) => [row.id, row.figures]));
  const differences = wanted.flatMap(({ id, figures }) => {
    const row = rows.get(id);
    rows.delete(id);
    if (row === undefined) return [`${what} ${id} is missing`];
    return figures.every((figure, index) => near(figure, row[index]))
      ? []
      : [`${what} ${id}: the fills lead to ${figures.join(', ')}, the row says ${row.join(', ')}`];
  });
  return [...differences, ...[...rows.keys()].map((id) => `${what} ${id} comes from no fill`)];
}

function near(a: number | string | null | undefined, b: number | string | null | undefined): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return (a ?? null) === (b ?? null);
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
}

/** initial + Σ gross + unrealised − Σ fees + Σ funding + Σ transfers, from the fills, from the account's sums, and at the exchange. */
async function equityDifferences(
  db: Database,
  provider: string,
  exchange: Exchange | null,
  owner: Awaited<ReturnType<typeof accounts>>[number],
): Promise<string[]> {
  const [totals] = await ledgerTotals(db, [owner.modelId]);
  if (totals === undefined) return [`${owner.modelId}: no totals`];
  const tolerance = TOLERANCE * Math.max(1, totals.turnoverUsd);
  const differences: string[] = [];
  const sums = [
    ['realised', owner.realizedUsd, totals.realizedUsd],
    ['fees', owner.feesUsd, totals.feesUsd],
    ['funding', owner.fundingUsd, totals.fundingUsd],
    ['transfers', owner.transfersUsd, totals.transfersUsd],
  ] as const;
  for (const [name, kept, added] of sums)
    if (Math.abs(kept - added) > tolerance)
      differences.push(`${owner.modelId} ${name}: the account says ${kept}, its fills add up to ${added}`);
  if (exchange === null) return differences;
  const state = await exchange.accountState(owner.modelId);
  // Both sides at the exchange's marks: the rule is about cash and cost, not about whose price is newer.
  const marks = new Map(state.positions.map((position) => [position.symbol, position.markPrice]));
  const positions = await openPositions(db, provider, [owner.modelId]);
  const unrealizedUsd = positions.reduce(
    (sum, p) => sum + p.quantity * ((marks.get(p.symbol) ?? p.markPrice) - p.entryPrice),
    0,
  );
  const equity = equityUsd({
    initialUsd: owner.initialEquityUsd,
    grossPnl: totals.realizedUsd,
    feesUsd: totals.feesUsd,
    fundingUsd: totals.fundingUsd,
    transfersUsd: totals.transfersUsd,
    unrealizedUsd,
  });
  if (Math.abs(equity - state.equityUsd) > tolerance)
    differences.push(
      `${owner.modelId} equity: the ledger says ${equity}, the exchange ${state.equityUsd} (tolerance ${tolerance})`,
    );
  const held = new Map(positions.map((p) => [p.symbol, p.quantity]));
  for (const position of state.positions) {
    if (!near(held.get(position.symbol) ?? 0, position.quantity))
      differences.push(
        `${owner.modelId} ${position.symbol}: the ledger holds ${held.get(position.symbol) ?? 0}, the exchange ${position.quantity}`,
      );
    held.delete(position.symbol);
  }
  for (const [symbol, quantity] of held)
    differences.push(`${owner.modelId} ${symbol}: the ledger holds ${quantity}, the exchange nothing`);
  return differences;
}
