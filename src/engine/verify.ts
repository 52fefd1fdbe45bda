/** The consistency check of the rows: the ledger leads to the positions, trades and equity that are stored, and to the exchange's own. */

import type { Fill } from '../domain/fill.ts';
import { CodedError } from '../errors.ts';
import type { AccountState, Exchange } from '../exchange/exchange.ts';
import type { Database } from '../store/database.ts';
import { type Account, account, accounts } from '../store/equity.ts';
import { fillsOf, ledgerHeads } from '../store/ledger.ts';
import { budgetCheck } from '../store/llm-budget.ts';
import { marketAssets } from '../store/market.ts';
import { openPositions } from '../store/positions.ts';
import * as checks from '../store/verify.ts';
import * as ledger from './verify-ledger.ts';

export type RowCheck = { readonly family: string; readonly compared: number; readonly differences: string[] };

/** What is compared of each model's ledger, in the order in which it is shown. */
const FAMILIES = ['fills folded', 'positions', 'trades', 'funding', "exchange's profit", 'equity'] as const;
type Family = (typeof FAMILIES)[number];
type Findings = Record<Family, { compared: number; differences: string[] }>;

/** How often a model is looked at that trades meanwhile. */
const LOOKS = 5;

/** Compares all rows of the run. `exchange` null: the other side's books are left out. `onModel` hears whose ledger comes next. */
export async function verifyRows(
  db: Database,
  provider: string,
  exchange: Exchange | null,
  onModel: (modelId: string, done: number, total: number) => void = () => {},
): Promise<RowCheck[]> {
  const decimals = new Map((await marketAssets(db, provider)).map((asset) => [asset.symbol, asset.sizeDecimals]));
  const scene = { db, provider, exchange, decimals };
  const results: RowCheck[] = [
    ...(await checks.references(db)),
    await checks.cycles(db),
    await budgetCheck(db),
    await checks.snapshots(db),
    await checks.countedTrades(db),
  ];
  const findings = nothingFound();
  const exempt = { trades: 0, models: 0 };
  let adopted = 0;
  let coming = 0;
  const owners = await accounts(db);
  for (const [done, { modelId }] of owners.entries()) {
    onModel(modelId, done, owners.length);
    const { books, found } = await look(scene, modelId);
    exempt.trades += books.importedTrades;
    if (isImported(books)) {
      exempt.models += 1;
      continue;
    }
    adopted += books.ledgers.filter(({ fold }) => fold.opening !== null).length;
    coming += books.coming.length;
    for (const family of FAMILIES) {
      findings[family].compared += found[family].compared;
      findings[family].differences.push(...found[family].differences);
    }
  }
  for (const family of FAMILIES) results.push({ family: `ledger: ${family}`, ...findings[family] });
  results.push(await checks.tradeIdentities(db), await checks.accountSums(db));
  const notes = [
    ['ledger: positions adopted in their middle', adopted],
    ["exchange: entries that a model's next sync brings", coming],
    ['imported: trades without fills, exempt', exempt.trades],
    ['imported: models without fills, exempt', exempt.models],
  ] as const;
  for (const [family, compared] of notes) if (compared > 0) results.push({ family, compared, differences: [] });
  return results;
}

type Scene = {
  readonly db: Database;
  readonly provider: string;
  readonly exchange: Exchange | null;
  readonly decimals: ReadonlyMap<string, number>;
};

/** One model's rows, and what its exchange says. */
type Books = {
  readonly owner: Account;
  readonly fills: readonly Fill[];
  readonly ledgers: readonly ledger.SymbolLedger[];
  readonly positions: readonly checks.Figures[];
  readonly trades: readonly checks.Figures[];
  readonly open: Awaited<ReturnType<typeof openPositions>>;
  readonly importedTrades: number;
  readonly state: AccountState | null;
  /** What the exchange has told nobody yet: a model that was stopped, or backed up, between an order and its sync owes nothing. */
  readonly coming: readonly Fill[];
};

/** Rows and exchange are read one after the other: where they differ and the model has traded meanwhile, all is read again. */
async function look(scene: Scene, modelId: string): Promise<{ books: Books; found: Findings }> {
  for (let looks = 1; ; looks += 1) {
    const books = await booksOf(scene, modelId);
    const found = isImported(books) ? nothingFound() : findingsOf(scene, books);
    const differs = FAMILIES.some((family) => found[family].differences.length > 0);
    if (!differs || looks === LOOKS) return { books, found };
    const now = await account(scene.db, modelId);
    if (now?.version === books.owner.version) return { books, found };
  }
}

async function booksOf({ db, provider, exchange, decimals }: Scene, modelId: string): Promise<Books> {
  const owner = await account(db, modelId);
  if (owner === null) throw new CodedError('NOF0_INTERNAL', `the account of "${modelId}" went away`);
  const head = (await ledgerHeads(db, [modelId])).get(modelId) ?? 0;
  const fills = await fillsOf(db, modelId);
  const trades = await checks.tradeRows(db, modelId);
  // Imported trades have no fills to derive them from, nor has an imported model's equity; everybody and everything else is held to it.
  const own = trades.filter((trade) => !trade.imported);
  const rows = {
    ...{ owner, fills, trades: own, importedTrades: trades.length - own.length },
    ledgers: ledger.foldSymbols(fills, decimals),
    positions: await checks.positionRows(db, modelId),
    open: await openPositions(db, provider, [modelId]),
  };
  if (exchange === null || isImported(rows)) return { ...rows, state: null, coming: [] };
  const state = await exchange.accountState(modelId);
  return { ...rows, state, coming: await comingTo(exchange, modelId, head, fills, state) };
}

/** Entries behind the ledger's head that are in the exchange's state already. */
async function comingTo(
  exchange: Exchange,
  modelId: string,
  head: number,
  fills: readonly Fill[],
  { headSeq }: AccountState,
): Promise<Fill[]> {
  if (headSeq !== null && headSeq <= head) return [];
  const known = new Set(fills.map((fill) => fill.id));
  const told = await exchange.fillsSince(modelId, head);
  return told
    .filter((fill) => !known.has(fill.id) && (headSeq === null || fill.seq <= headSeq))
    .map((fill) => ({ ...fill, modelId }));
}

const isImported = ({ owner, fills }: Pick<Books, 'owner' | 'fills'>): boolean => fills.length === 0 && owner.imported;

function nothingFound(): Findings {
  return Object.fromEntries(
    FAMILIES.map((family) => [family, { compared: 0, differences: [] }]),
  ) as unknown as Findings;
}

function findingsOf({ decimals }: Scene, books: Books): Findings {
  const { owner, fills, ledgers, positions, trades, open, state, coming } = books;
  const { modelId } = owner;
  const funding = fills.filter((fill) => fill.kind === 'funding').length;
  const of = (compared: number, differences: string[]) => ({ compared, differences });
  const all = coming.length === 0 ? { fills, ledgers } : withComing(fills, coming, decimals);
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
    equity: of(1, [
      ...ledger.equityDifferences(owner, fills, ledgers, open),
      ...(state === null ? [] : ledger.exchangeDifferences(owner, all.fills, all.ledgers, state)),
    ]),
  };
}

function withComing(fills: readonly Fill[], coming: readonly Fill[], decimals: Scene['decimals']) {
  const all = [...fills, ...coming];
  return { fills: all, ledgers: ledger.foldSymbols(all, decimals) };
}
