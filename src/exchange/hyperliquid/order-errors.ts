/** What Hyperliquid says when it refuses → coded errors. Its words stay in the message; only the code is ours. */

import { CodedError, type ErrorCode } from '../../errors.ts';

/** First match counts. Live texts end in ` asset=N`, the documented ones do not. */
const ORDER_ERRORS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/minimum value of/i, 'NOF0_ORDER_MIN_NOTIONAL'],
  [/insufficient margin|insufficient spot balance|exceed margin tier/i, 'NOF0_ORDER_MARGIN'],
  [/reduce only order would increase/i, 'NOF0_ORDER_REDUCE_ONLY'],
  [/post only order would have/i, 'NOF0_ORDER_POST_ONLY'],
  [/could not immediately match|no liquidity available/i, 'NOF0_ORDER_NOT_MATCHED'],
  [/never placed, already canceled, or filled|cannot modify|invalid new order/i, 'NOF0_ORDER_GONE'],
  [
    /open interest|too far from oracle|more aggressive than oracle|order value too large|too many open orders/i,
    'NOF0_ORDER_LIMIT',
  ],
  [/tick size|invalid tp\/sl|invalid (price|size|trigger)|must be divisible|has zero size/i, 'NOF0_ORDER_INVALID'],
];

const REQUEST_ERRORS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/too many cumulative requests|rate limit/i, 'NOF0_RATE_LIMITED'],
  [/does not exist|must deposit|not registered|has not been approved|not found/i, 'NOF0_EXCHANGE_ACCOUNT'],
  [/recover signer|signature/i, 'NOF0_EXCHANGE_SIGNATURE'],
  [/nonce/i, 'NOF0_EXCHANGE_NONCE'],
  [/expire/i, 'NOF0_EXCHANGE_EXPIRED'],
  [/leverage|isolated|cross margin/i, 'NOF0_EXCHANGE_LEVERAGE'],
];

/** Endings of order statuses, for an order that is looked up after it was refused or canceled. */
const STATUS_CODES: Readonly<Record<string, ErrorCode>> = {
  tickRejected: 'NOF0_ORDER_INVALID',
  badTriggerPxRejected: 'NOF0_ORDER_INVALID',
  minTradeNtlRejected: 'NOF0_ORDER_MIN_NOTIONAL',
  perpMarginRejected: 'NOF0_ORDER_MARGIN',
  perpMaxPositionRejected: 'NOF0_ORDER_MARGIN',
  insufficientSpotBalanceRejected: 'NOF0_ORDER_MARGIN',
  marginCanceled: 'NOF0_ORDER_MARGIN',
  reduceOnlyRejected: 'NOF0_ORDER_REDUCE_ONLY',
  reduceOnlyCanceled: 'NOF0_ORDER_REDUCE_ONLY',
  badAloPxRejected: 'NOF0_ORDER_POST_ONLY',
  iocCancelRejected: 'NOF0_ORDER_NOT_MATCHED',
  marketOrderNoLiquidityRejected: 'NOF0_ORDER_NOT_MATCHED',
  positionIncreaseAtOpenInterestCapRejected: 'NOF0_ORDER_LIMIT',
  positionFlipAtOpenInterestCapRejected: 'NOF0_ORDER_LIMIT',
  tooAggressiveAtOpenInterestCapRejected: 'NOF0_ORDER_LIMIT',
  openInterestIncreaseRejected: 'NOF0_ORDER_LIMIT',
  openInterestCapCanceled: 'NOF0_ORDER_LIMIT',
  oracleRejected: 'NOF0_ORDER_LIMIT',
};

const find = (text: string, list: readonly (readonly [RegExp, ErrorCode])[]) =>
  list.find(([pattern]) => pattern.test(text))?.[1];

/** The code of an error that stands at an order, inside of an answer that is `ok`. */
export function orderErrorCode(text: string): ErrorCode {
  return find(text, ORDER_ERRORS) ?? find(text, REQUEST_ERRORS) ?? 'NOF0_EXCHANGE_REJECTED';
}

/** The code of an order's status, where that is a refusal; null for one that is none. */
export function statusCode(status: string): ErrorCode | null {
  const refused = /Rejected$|^rejected$/.test(status);
  return STATUS_CODES[status] ?? (refused ? 'NOF0_EXCHANGE_REJECTED' : null);
}

/** The error of a whole request: an answer whose status is `err`. */
export function requestError(text: string): CodedError {
  const code = find(text, REQUEST_ERRORS) ?? find(text, ORDER_ERRORS) ?? 'NOF0_EXCHANGE_REJECTED';
  return new CodedError(code, `Hyperliquid refused a request: ${text}`);
}

/** The exchange's words about an order, without the number of the instrument at their end. */
export function wordsOf(text: string): string {
  return text.replace(/\s*asset=\d+$/, '');
}
