/** The consistency check of the rows: the ledger leads to the positions, trades and equity that are stored, and to the exchange's own. */

import type { Exchange } from '../exchange/exchange.ts';
import type { Database } from '../store/database.ts';
import { type Account, accounts } from '../store/equity.ts';
import { fillsOf } from '../store/ledger.ts';
import { budgetCheck } from '../store/llm-budget.ts';
import { marketAssets } from '../store/market.ts';
import * as checks from '../store/verify.ts';
import * as ledger from './verify-ledger.ts';

export type RowCheck = { readonly family: string; readonly compared: number; readonly differences: string[] };

/** What is compared of each model's ledger, in the order in which it is shown. */
const FAMILIES = ['fills folded', 'positions', 'trades', 'funding', "exchange's profit", 'equity'] as const;
type Family = (typeof FAMILIES)[number];
type Findings = Record<Family, { compared: number; differences: string[] }>;

/** Compares all rows of the run. `exchange` null: the other side's books are left out. `onModel` hears whose ledger comes next. */
export async function verifyRows(
  db: Database,
  provider: string,
  exchange: Exchange | null,
  onModel: (modelId: string, done: number, total: number) => void = () => {},
): Promise<RowCheck[]> {
  const decimals = new Map((await marketAssets(db, provider)).map((asset) => [asset.symbol, asset.sizeDecimals]));
  const results: RowCheck[] = [
    ...(await checks.references(db)),
    await checks.cycles(db),
    await budgetCheck(db),
    await checks.snapshots(db),
    await checks.countedTrades(db),
  ];
  const findings = Object.fromEntries(
    FAMILIES.map((family) => [family, { compared: 0, differences: [] }]),
  ) as unknown as Findings;
  const exempt = { trades: 0, models: 0 };
  let adopted = 0;
  const owners = await accounts(db);
  for (const [done, owner] of owners.entries()) {
    onModel(owner.modelId, done, owners.length);
    const stored = await checks.tradeRows(db, owner.modelId);
    const fills = await fillsOf(db, owner.modelId);
    // Imported trades have no fills to derive them from, nor has an imported model's equity; everybody and everything else is held to it.
    const trades = stored.filter((trade) => !trade.imported);
    exempt.trades += stored.length - trades.length;
    if (fills.length === 0 && owner.imported) {
      exempt.models += 1;
      continue;
    }
    const ledgers = ledger.foldSymbols(fills, decimals);
    adopted += ledgers.filter(({ fold }) => fold.opening !== null).length;
    const found = await findingsOf(db, provider, exchange, { owner, fills, ledgers, trades });
    for (const family of FAMILIES) {
      findings[family].compared += found[family].compared;
      findings[family].differences.push(...found[family].differences);
    }
  }
  for (const family of FAMILIES) results.push({ family: `ledger: ${family}`, ...findings[family] });
  results.push(await checks.tradeIdentities(db), await checks.accountSums(db));
  const exemptions = [
    ['ledger: positions adopted in their middle', adopted],
    ['imported: trades without fills, exempt', exempt.trades],
    ['imported: models without fills, exempt', exempt.models],
  ] as const;
  for (const [family, compared] of exemptions) if (compared > 0) results.push({ family, compared, differences: [] });
  return results;
}

type Books = {
  readonly owner: Account;
  readonly fills: Awaited<ReturnType<typeof fillsOf>>;
  readonly ledgers: readonly ledger.SymbolLedger[];
  readonly trades: Awaited<ReturnType<typeof checks.tradeRows>>;
};

async function findingsOf(
  db: Database,
  provider: string,
  exchange: Exchange | null,
  { owner, fills, ledgers, trades }: Books,
): Promise<Findings> {
  const { modelId } = owner;
  const positions = await checks.positionRows(db, modelId);
  const funding = fills.filter((fill) => fill.kind === 'funding').length;
  const of = (compared: number, differences: string[]) => ({ compared, differences });
  return {
    'fills folded': of(fills.length, ledger.gapDifferences(modelId, ledgers)),
    positions: of(
      positions.length,
      ledger.compareFigures(`${modelId} position`, ledgers.flatMap(ledger.positionFigures), positions),
    ),
    trades: of(trades.length, ledger.compareFigures(`${modelId} trade`, ledgers.flatMap(ledger.tradeFigures), trades)),
    funding: of(
      funding,
      ledgers.flatMap((each) => ledger.fundingDifferences(modelId, each)),
    ),
    "exchange's profit": of(
      ledgers.length,
      ledgers.flatMap((each) => ledger.profitDifferences(modelId, each)),
    ),
    equity: of(1, await ledger.equityDifferences(db, provider, exchange, owner, fills, ledgers)),
  };
}
