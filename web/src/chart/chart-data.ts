/** Curves as the chart takes them: columns of numbers over one axis, in dollars or as growth. Pure. */

import type { Curves } from '../data/types.ts';

export type Unit = 'usd' | 'pct';
type Column = readonly (number | null)[];

export type Line = {
  readonly id: string;
  readonly baseline: boolean;
  readonly values: Column;
  readonly lower: Column | null;
  readonly upper: Column | null;
  /** Place and value of the newest point; null for a curve without one. */
  readonly end: { readonly index: number; readonly value: number } | null;
  /** Growth since the first point shown, percent. */
  readonly growthPct: number | null;
};

export type ChartData = { readonly times: readonly number[]; readonly lines: readonly Line[] };

/** The baseline first, so that the models are drawn over it. */
export function chartData({ times, curves }: Curves, unit: Unit): ChartData {
  const lines = curves.map(({ id, baseline, equity, lower, upper }): Line => {
    const first = equity.find((value) => value !== null) ?? null;
    const shown = (value: number | null) =>
      value === null || unit === 'usd' || !first ? value : (value / first - 1) * 100;
    const values = equity.map(shown);
    const index = values.findLastIndex((value) => value !== null);
    const last = equity[index] ?? null;
    return {
      id,
      baseline,
      values,
      lower: lower?.map(shown) ?? null,
      upper: upper?.map(shown) ?? null,
      end: index < 0 ? null : { index, value: values[index] ?? 0 },
      growthPct: first && last !== null ? (last / first - 1) * 100 : null,
    };
  });
  return { times, lines: lines.sort((a, b) => Number(b.baseline) - Number(a.baseline)) };
}

/** How far a band may widen the range beyond that of the curves, on each side: it is about them, not about itself. */
const BAND_SHARE = 0.4;

/** The range that the curves themselves take, with some air and some room for the band that is shown. */
export function rangeOf(lines: readonly Line[], unit: Unit, banded: string | null = null): [number, number] {
  const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
  if (values.length === 0) return unit === 'usd' ? [0, 1] : [-1, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const middle = (least + most) / 2;
  // A quiet beginning is not blown up to look like a storm.
  const height = Math.max(most - least, unit === 'usd' ? Math.abs(middle) * 0.002 : 0.2);
  const [bottom, top] = [middle - height * 0.58, middle + height * 0.58];
  const band = lines.find(({ id }) => id === banded);
  const bound = (column: Column | null | undefined) => column?.filter((value) => value !== null) ?? [];
  const [lowest, highest] = [Math.min(...bound(band?.lower)), Math.max(...bound(band?.upper))];
  const room = height * BAND_SHARE;
  return [Math.max(bottom - room, Math.min(bottom, lowest)), Math.min(top + room, Math.max(top, highest))];
}

export type Wanted = { readonly key: string; readonly y: number };

/** Places for labels of one height beside their curves: as near as possible, in order, without touching. */
export function spread(wanted: readonly Wanted[], gap: number, top: number, bottom: number): Map<string, number> {
  const sorted = [...wanted].sort((a, b) => a.y - b.y);
  const step = Math.min(gap, (bottom - top) / Math.max(1, sorted.length - 1));
  const places: number[] = [];
  for (const { y } of sorted) {
    const above = places.at(-1);
    places.push(Math.max(top, y, above === undefined ? top : above + step));
  }
  for (let index = places.length - 1, limit = bottom; index >= 0; index -= 1, limit -= step)
    places[index] = Math.min(places[index] ?? 0, limit);
  return new Map(sorted.map(({ key }, index) => [key, places[index] ?? 0]));
}
