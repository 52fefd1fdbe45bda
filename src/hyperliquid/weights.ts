/** What requests cost of the 1,200 a minute that an address has. */

export const WEIGHT_PER_MINUTE = 1200;
/** Kept back from market data, so that orders and looking after them never wait for a backfill. */
export const WEIGHT_FOR_ORDERS = 240;

const LIGHT = new Set([
  'l2Book',
  'allMids',
  'clearinghouseState',
  'orderStatus',
  'spotClearinghouseState',
  'exchangeStatus',
]);
const VERY_HEAVY: Readonly<Record<string, number>> = { userRole: 60 };
const LIGHT_WEIGHT = 2;
const HEAVY_WEIGHT = 20;
const ROWS_PER_WEIGHT: Readonly<Record<string, number>> = {
  candleSnapshot: 60,
  userFills: 20,
  userFillsByTime: 20,
  fundingHistory: 20,
  userFunding: 20,
  userNonFundingLedgerUpdates: 20,
  historicalOrders: 20,
};
const ACTIONS_PER_WEIGHT = 40;

/** What an `/info` request of a type costs before its rows are known. */
export function infoWeight(type: string): number {
  return VERY_HEAVY[type] ?? (LIGHT.has(type) ? LIGHT_WEIGHT : HEAVY_WEIGHT);
}

/** What an answer's rows cost on top. */
export function rowWeight(type: string, body: unknown): number {
  const rows = ROWS_PER_WEIGHT[type];
  return rows === undefined || !Array.isArray(body) ? 0 : Math.floor(body.length / rows);
}

/** What an `/exchange` request with so many actions costs. */
export function actionWeight(actions: number): number {
  return 1 + Math.floor(actions / ACTIONS_PER_WEIGHT);
}
