/** The addresses of the original API: which file holds the same answer, and what identifies a row of it. */

export const ORIGINAL_ENDPOINTS = [
  'crypto-prices',
  'account-totals',
  'positions',
  'trades',
  'since-inception-values',
  'leaderboard',
  'analytics',
  'conversations',
] as const;

export type OriginalEndpoint = (typeof ORIGINAL_ENDPOINTS)[number];

/** Where an address is answered from; `compare`: from the files, and compared with the store. */
export const READ_SOURCES = ['store', 'files', 'compare'] as const;
export type ReadSource = (typeof READ_SOURCES)[number];

export type Fields = Readonly<Record<string, unknown>>;

type EndpointSpec = {
  /** The field of the answer that holds the rows. */
  readonly under: string;
  readonly keyOf: (row: Fields) => string;
  /** Null: rows belong to no model. */
  readonly modelOf: (row: Fields) => string | null;
  /** Fields that differ by definition, and why; `*` ends a beginning. */
  readonly byDefinition: Readonly<Record<string, string>>;
};

const MARKED = 'marked to the newest price here';
const COMPUTED = 'computed here, 0 in the original';
const ALL_TRADES = 'of all closed trades here';

const text = (value: unknown): string => String(value ?? '');
const ofModel = { keyOf: (row: Fields) => text(row.model_id), modelOf: (row: Fields) => text(row.model_id) };

export const ENDPOINT_SPECS: Readonly<Record<OriginalEndpoint, EndpointSpec>> = {
  'crypto-prices': { under: 'prices', keyOf: (row) => text(row.symbol), modelOf: () => null, byDefinition: {} },
  'account-totals': {
    under: 'accountTotals',
    keyOf: (row) => `${text(row.model_id)} hour ${text(row.since_inception_hourly_marker)}`,
    modelOf: (row) => text(row.model_id),
    byDefinition: { id: 'a number of this database' },
  },
  positions: {
    under: 'accountTotals',
    ...ofModel,
    byDefinition: {
      'positions.*.current_price': MARKED,
      'positions.*.unrealized_pnl': MARKED,
      'positions.*.margin': 'at the entry price here',
      'positions.*.liquidation_price': 'by the formula of the exchange here',
      'positions.*.oid': 'the entry order here',
    },
  },
  trades: { under: 'trades', keyOf: (row) => text(row.id), modelOf: (row) => text(row.model_id), byDefinition: {} },
  'since-inception-values': { under: 'sinceInceptionValues', ...ofModel, byDefinition: {} },
  leaderboard: {
    under: 'leaderboard',
    keyOf: (row) => text(row.id),
    modelOf: (row) => text(row.id),
    byDefinition: {
      num_trades: ALL_TRADES,
      num_wins: ALL_TRADES,
      num_losses: ALL_TRADES,
      win_dollars: ALL_TRADES,
      lose_dollars: ALL_TRADES,
      sharpe: 'by the formula of this system',
    },
  },
  analytics: {
    under: 'analytics',
    ...ofModel,
    byDefinition: {
      updated_at: 'when it was computed',
      'fee_pnl_moves_breakdown_table.std_taker_fee': 'the true deviation here',
      'overall_trades_overview_table.avg_size_of_trade_portfolio_pct': COMPUTED,
      'overall_trades_overview_table.std_size_of_trade_portfolio_pct': COMPUTED,
      'overall_trades_overview_table.avg_stop_loss_distance_pct': COMPUTED,
      'overall_trades_overview_table.avg_take_profit_distance_pct': COMPUTED,
    },
  },
  conversations: { under: 'conversations', ...ofModel, byDefinition: {} },
};

/** The baseline of the original stands among the models of some answers. It is no participant. */
export const BASELINE_ID = 'buynhold_btc';

/** The rows of an answer, also when they stand in an object by name or are the whole of it. */
export function rowsOf(endpoint: OriginalEndpoint, answer: unknown): Fields[] {
  const under = Array.isArray(answer) ? answer : asFields(answer)?.[ENDPOINT_SPECS[endpoint].under];
  const rows: unknown[] = Array.isArray(under) ? under : Object.values(asFields(under) ?? {});
  return rows.map(asFields).filter((row) => row !== null);
}

export function asFields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}
