/**
 * The statistics of a model's samples, kept up: values join and leave, and the cost of that does not depend on how many there are.
 * Sums are exact. Ordered samples lie in a table; of each only the place of the median is remembered, and it moves by as many
 * neighbours as values have come and gone.
 */

import { CodedError } from '../errors.ts';
import { breakMins, type Describe, type Measure, ORDERED, type Sample } from './analytics-measures.ts';
import {
  addExact,
  EMPTY_SUM,
  type ExactSum,
  exactMean,
  exactStd,
  exactTotal,
  readSum,
  type StoredSum,
  storeSum,
} from './exact-sum.ts';

/** Counts from the start when it differs from what is stored: raise it when a sample's definition changes. */
export const ANALYTICS_DEFINITION = 1;

/** Where the lower of the two middle values lies, how many values are less than it, and what follows from that. */
type Place = {
  readonly at: number;
  readonly below: number;
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
};

/** The state as it is stored, JSON. */
export type StoredAnalytics = {
  readonly sums?: Readonly<Record<Measure, StoredSum>>;
  readonly places?: Readonly<Record<Measure, Place>>;
};

/** Values of an ordered sample, equal ones together. */
export type Rung = { readonly value: number; readonly count: number };
/** Part of an ordered sample that has to be looked at: `reach` rungs below `at` (−∞ before the first value) and one more from it on. */
export type Stretch = { readonly measure: Measure; readonly at: number; readonly reach: number };
/** What lies there: rungs without a gap, ascending, and the extremes of the whole sample. Empty samples are left out. */
export type Ladder = {
  readonly measure: Measure;
  readonly rungs: readonly Rung[];
  readonly minimum: number;
  readonly maximum: number;
};
/** How many of a value have come (or, negative, gone). */
export type ValueChange = { readonly measure: Measure; readonly value: number; readonly count: number };

const NOTHING: ReadonlyMap<number, number> = new Map();

export class RunningAnalytics {
  readonly #sums = new Map<Measure, ExactSum>();
  readonly #places = new Map<Measure, Place>();
  readonly #moved = new Map<Measure, Map<number, number>>();

  constructor(stored: StoredAnalytics) {
    for (const [measure, sum] of Object.entries(stored.sums ?? {})) this.#sums.set(measure, readSum(sum));
    for (const [measure, place] of Object.entries(stored.places ?? {})) this.#places.set(measure, place);
  }

  add(samples: readonly Sample[]): void {
    for (const sample of samples) this.#apply(sample, 1);
  }

  remove(samples: readonly Sample[]): void {
    for (const sample of samples) this.#apply(sample, -1);
  }

  /** What must change in the ordered values. */
  get changes(): ValueChange[] {
    return [...this.#moved].flatMap(([measure, values]) =>
      [...values].flatMap(([value, count]) => (count === 0 ? [] : [{ measure, value, count }])),
    );
  }

  /** Where to look, once the ordered values have been changed. Samples that nothing happened to need no look. */
  get stretches(): Stretch[] {
    return [...this.#unsettled].map((measure) => {
      const place = this.#places.get(measure);
      // From the lowest value the middle is half of them away.
      if (place === undefined)
        return { measure, at: Number.NEGATIVE_INFINITY, reach: Math.floor(this.#sum(measure).n / 2) + 1 };
      const moved = [...(this.#moved.get(measure)?.values() ?? [])];
      // Each value that came or went moves the middle by at most one, and its place by at most one more.
      return { measure, at: place.at, reach: 2 * moved.reduce((total, count) => total + Math.abs(count), 0) + 4 };
    });
  }

  /** Finds the medians again. Throws NOF0_INTERNAL when the ordered values are not those that the sums were made of. */
  settle(ladders: readonly Ladder[]): void {
    const found = new Map(ladders.map((ladder) => [ladder.measure, ladder]));
    for (const measure of this.#unsettled) {
      const n = this.#sum(measure).n;
      const ladder = found.get(measure);
      const place = this.#places.get(measure);
      if (n === 0 && ladder === undefined) this.#places.delete(measure);
      else this.#places.set(measure, middle(measure, n, place, this.#moved.get(measure) ?? NOTHING, ladder));
    }
    this.#moved.clear();
  }

  /** Leaves the medians to be found when everything has been counted: they are looked for from the lowest value then. */
  postpone(): void {
    for (const measure of this.#moved.keys()) this.#places.delete(measure);
    this.#moved.clear();
  }

  /** Ordered samples whose middle is not known. */
  get #unsettled(): Set<Measure> {
    const lost = [...ORDERED].filter((measure) => this.#sum(measure).n > 0 && !this.#places.has(measure));
    return new Set([...this.#moved.keys(), ...lost]);
  }

  readonly describe: Describe = (measure) => {
    const sum = this.#sum(measure);
    const place = this.#places.get(measure);
    return {
      n: sum.n,
      sum: exactTotal(sum),
      mean: exactMean(sum),
      std: exactStd(sum),
      median: place?.median ?? 0,
      minimum: place?.minimum ?? 0,
      maximum: place?.maximum ?? 0,
    };
  };

  get stored(): StoredAnalytics {
    const kept = [...this.#sums].filter(([, sum]) => sum.n > 0);
    return {
      sums: Object.fromEntries(kept.map(([measure, sum]) => [measure, storeSum(sum)])),
      places: Object.fromEntries(this.#places),
    };
  }

  #sum(measure: Measure): ExactSum {
    return this.#sums.get(measure) ?? EMPTY_SUM;
  }

  #apply([measure, raw]: Sample, times: 1 | -1): void {
    // −0 and 0 are one value in the table.
    const value = raw + 0;
    this.#sums.set(measure, addExact(this.#sum(measure), value, times));
    if (!ORDERED.has(measure)) return;
    const values = this.#moved.get(measure) ?? new Map<number, number>();
    values.set(value, (values.get(value) ?? 0) + times);
    this.#moved.set(measure, values);
  }
}

/** The two middle values of n, counted off from where the last middle was. */
function middle(
  measure: Measure,
  n: number,
  place: Place | undefined,
  moved: ReadonlyMap<number, number>,
  ladder: Ladder | undefined,
): Place {
  const at = place?.at ?? Number.NEGATIVE_INFINITY;
  let below = place?.below ?? 0;
  for (const [value, count] of moved) if (value < at) below += count;
  const rungs = ladder?.rungs ?? [];
  let rank = below - rungs.reduce((total, rung) => total + (rung.value < at ? rung.count : 0), 0);
  const [lower, upper] = [Math.floor((n - 1) / 2), Math.floor(n / 2)];
  let low: { value: number; below: number } | undefined;
  for (const { value, count } of rungs) {
    if (lower >= rank && lower < rank + count) low = { value, below: rank };
    if (low !== undefined && ladder !== undefined && upper >= rank && upper < rank + count) {
      const median = low.value === value ? value : (low.value + value) / 2;
      return { at: low.value, below: low.below, median, minimum: ladder.minimum, maximum: ladder.maximum };
    }
    rank += count;
  }
  throw new CodedError(
    'NOF0_INTERNAL',
    `the ordered values of "${measure}" are not those its ${n} values were counted from: run "nof0 recompute"`,
  );
}

/** When a model was asked, and the counted moments next to it: the last at or before it, and the first after it. */
export type Invocation = { readonly tsMs: number; readonly previousMs: number | null; readonly nextMs: number | null };

/** What new invocations add, and the breaks they cut in two. */
export function invocationSamples(invocations: readonly Invocation[]): { added: Sample[]; removed: Sample[] } {
  const added: Sample[] = [];
  const removed: Sample[] = [];
  let chain: Invocation | undefined;
  for (const each of invocations.toSorted((a, b) => a.tsMs - b.tsMs)) {
    const same = chain !== undefined && chain.nextMs === each.nextMs && chain.previousMs === each.previousMs;
    // Several may fall between the same two; the next one then goes on from the one before.
    const fromMs = same && chain ? chain.tsMs : each.previousMs;
    if (fromMs !== null) added.push(['break', breakMins(fromMs, each.tsMs)]);
    if (each.nextMs !== null) {
      if (fromMs !== null) {
        const whole: Sample = ['break', breakMins(fromMs, each.nextMs)];
        removed.push(whole);
      }
      added.push(['break', breakMins(each.tsMs, each.nextMs)]);
    }
    added.push(['invocation', each.tsMs]);
    chain = each;
  }
  return { added, removed };
}
