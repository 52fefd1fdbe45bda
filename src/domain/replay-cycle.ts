/** A recorded cycle, judged and sized again from its own inputs by the rules of today. Pure. */

import type { JournalRecord } from './journal.ts';
import { reviewDecisions } from './review.ts';

/** One thing that comes out differently. Null: it is not there on that side. */
export type Difference = {
  /** `rejection BTC open_long`, or `order BTC entry size`. */
  readonly what: string;
  readonly recorded: unknown;
  readonly now: unknown;
};

export type ReplayedCycle = {
  readonly id: number;
  readonly model: string;
  readonly slotMs: number;
  readonly cycleNumber: number;
  /** Why there is nothing, or only the rejections, to compare; null when all of it is. */
  readonly note: string | null;
  readonly rejected: number;
  readonly orders: number;
  readonly differences: readonly Difference[];
};

/** What an order is before anybody has sent it: its result is the exchange's, not the rules'. */
const ORDER_FIELDS = [
  'cloid',
  'side',
  'size',
  'kind',
  'triggerPrice',
  'limitPrice',
  'tif',
  'reduceOnly',
  'leverage',
  'marginMode',
  'grouping',
  'plan',
] as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Judges and sizes the recorded answer in its recorded context and frame. Whether the slot was late stands in the rejections alone.
 * Throws whatever the rules throw at inputs that another version has recorded.
 */
export function replayCycle(record: JournalRecord): ReplayedCycle {
  const { id, trader_id: model, cycle_ts_ms: slotMs, cycle_number: cycleNumber, answer, context, market } = record;
  const cycle = { id, model, slotMs, cycleNumber };
  if (answer === null || context === null || market === null)
    return { ...cycle, ...nothing(`it ended without an answer${why(record)}`) };
  if (record.rejected === null) return { ...cycle, ...nothing(`it ended before its answer was judged${why(record)}`) };
  const wasLate = record.rejected.some(({ code }) => code === 'LATE');
  const { rejected, orders } = reviewDecisions(answer, context, market, !wasLate);
  const legs = record.orders?.legs ?? [];
  const wereSent = legs.length > 0 || orders.length === 0 || !isSilent(record);
  return {
    ...cycle,
    note: wereSent ? null : 'its orders were not recorded: the trader was in the shadow',
    rejected: rejected.length,
    orders: orders.length,
    differences: [
      ...compare(byKey(record.rejected, rejectionKey), byKey(rejected, rejectionKey), ['code', 'reason']),
      ...(wereSent ? compare(byKey(legs, orderKey), byKey(orders, orderKey), ORDER_FIELDS) : []),
    ],
  };
}

const nothing = (note: string) => ({ note, rejected: 0, orders: 0, differences: [] });
const why = ({ error_message: reason }: JournalRecord) => (reason === null ? '' : `: ${reason}`);

/** A cycle in the shadow succeeds, accepts decisions and has no request. */
function isSilent({ success, orders }: JournalRecord): boolean {
  return success && (orders?.request ?? null) === null;
}

const rejectionKey = ({ symbol, action }: { readonly symbol: string; readonly action: string }) =>
  `rejection ${symbol} ${action}`;
const orderKey = ({ symbol, leg }: { readonly symbol: string; readonly leg: string }) => `order ${symbol} ${leg}`;

/** By what they are; the second of two that are called the same gets a number. */
function byKey<T extends object>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, Fields> {
  const found = new Map<string, Fields>();
  for (const entry of entries) {
    const key = keyOf(entry);
    let name = key;
    for (let ordinal = 2; found.has(name); ordinal += 1) name = `${key} ${ordinal}`;
    found.set(name, entry as Fields);
  }
  return found;
}

function compare(
  recorded: ReadonlyMap<string, Fields>,
  now: ReadonlyMap<string, Fields>,
  fields: readonly string[],
): Difference[] {
  return [...new Set([...recorded.keys(), ...now.keys()])].flatMap((key) => {
    const [before, after] = [recorded.get(key), now.get(key)];
    if (before === undefined || after === undefined)
      return [{ what: key, recorded: pick(before, fields), now: pick(after, fields) }];
    return fields
      .filter((field) => !same(before[field], after[field]))
      .map((field) => ({ what: `${key} ${field}`, recorded: before[field] ?? null, now: after[field] ?? null }));
  });
}

function pick(entry: Fields | undefined, fields: readonly string[]): object | null {
  if (entry === undefined) return null;
  return Object.fromEntries(fields.filter((field) => entry[field] !== undefined).map((field) => [field, entry[field]]));
}

/** As JSON sees it: absent and null are the same, and keys have no order. */
function same(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null)
    return (one ?? null) === (other ?? null);
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => same((one as Fields)[key], (other as Fields)[key]));
}
