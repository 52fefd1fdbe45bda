/** Equity by the hour, and where each model began. */

import { BASELINE } from '../domain/baseline.ts';
import type { Target } from '../domain/published-keys.ts';
import { type AccountTotal, accountTotal, baselineTotal, HOURS_KEPT } from '../projections/equity-families.ts';
import { baselineHours } from '../store/baseline.ts';
import { hourlySnapshots } from '../store/equity.ts';
import type { Reader } from './known-models.ts';

/** Hours of equity in one answer: 83 days. Whoever wants more goes on from `lastHourlyMarkerRead`. */
const MAX_HOURS = 2000;

/** The models and the baseline; a model of the baseline's name (an import brings the original's along) speaks for itself. */
const withBaseline = (ids: readonly string[]) => (ids.includes(BASELINE.id) ? ids : [...ids, BASELINE.id]);

export function totalKeys(ids: readonly string[]): Target[] {
  return withBaseline(ids).map((id) => ({ family: 'accountTotals', ids: [id] }));
}

/** Equity at the end of each hour, at and after the marker if there is one: the newest hours from the keys, more of them from the table. */
export async function readAccountTotals(reader: Reader, marker: number | undefined) {
  const ids = await reader.knownModels.ids();
  const keys = totalKeys(ids);
  const lists = (await reader.publisher.readMany(keys)).map((list) =>
    list.map((text) => JSON.parse(text) as AccountTotal),
  );
  const models = lists.slice(0, ids.length);
  const fromHour = marker ?? 0;
  if (!models.every((list) => covers(list, fromHour))) return storedTotals(reader, marker);
  const since = models.flat().filter((row) => hourOf(row) >= fromHour);
  const firstHour = Math.min(...since.map(hourOf));
  // Sorting leaves the models of an hour in their order.
  const rows = since.filter((row) => hourOf(row) < firstHour + MAX_HOURS).sort((a, b) => hourOf(a) - hourOf(b));
  const lastHour = rows.at(-1)?.since_inception_hourly_marker;
  const held = lists.slice(ids.length).flat();
  if (lastHour === undefined) return { accountTotals: [], lastHourlyMarkerRead: fromHour };
  if (!covers(held, firstHour)) return storedTotals(reader, marker);
  const beside = held.filter((row) => hourOf(row) >= firstHour && hourOf(row) <= lastHour);
  return { accountTotals: [...rows, ...beside], lastHourlyMarkerRead: lastHour };
}

const hourOf = (row: AccountTotal): number => row.since_inception_hourly_marker;

/** Whether the newest hours of a key hold every hour from this one on. */
function covers(list: readonly AccountTotal[], fromHour: number): boolean {
  const last = list.at(-1);
  return last === undefined || hourOf(last) - HOURS_KEPT < fromHour;
}

async function storedTotals({ db }: Reader, marker: number | undefined) {
  const snapshots = await hourlySnapshots(db, marker ?? null, MAX_HOURS);
  const [first, last] = [snapshots[0]?.hourlyMarker ?? 0, snapshots.at(-1)?.hourlyMarker ?? -1];
  const baseline = await baselineHours(db, first, last);
  return {
    accountTotals: [...snapshots.map(accountTotal), ...baseline.map(baselineTotal)],
    lastHourlyMarkerRead: snapshots.at(-1)?.hourlyMarker ?? marker ?? 0,
  };
}

type InceptionRow = {
  readonly id: string;
  readonly nav_since_inception: number;
  readonly inception_date: number;
  readonly num_invocations: number;
  readonly model_id: string;
};

export function inceptionKeys(ids: readonly string[]): Target[] {
  return [
    ...withBaseline(ids).map((id): Target => ({ family: 'inception', ids: [id] })),
    ...ids.map((id): Target => ({ family: 'decisionLast', ids: [id] })),
  ];
}

/** `nav_since_inception` is what a model began with, as in the original; invocations are the number of its last cycle. */
export async function readSinceInceptionValues({ knownModels, publisher }: Reader) {
  const ids = await knownModels.ids();
  const values = await publisher.readMany(inceptionKeys(ids));
  const began = withBaseline(ids).length;
  const sinceInceptionValues = values.slice(0, began).flatMap(([text], index) => {
    if (text === undefined) return [];
    const row = JSON.parse(text) as InceptionRow;
    const [last] = index < ids.length ? (values[began + index] ?? []) : [];
    if (last === undefined) return [row];
    return [{ ...row, num_invocations: (JSON.parse(last) as { cycle_number: number }).cycle_number }];
  });
  return { sinceInceptionValues };
}
