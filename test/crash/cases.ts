/** Which crashes are played: every boundary once a seed, boundaries that only a recovery passes, and pairs in a row. */

import { uniform } from '../../src/domain/random.ts';
import type { Kill } from './plan.ts';

/** How often a calm run passes each boundary. */
export type Passes = Readonly<Record<string, number>>;

const order = (seed: string, ...parts: string[]) => uniform(seed, 'order', ...parts);

/** A seeded choice of `count` of the labels; all of them in their order when `count` is null. */
export function choose(labels: readonly string[], count: number | null, seed: string): readonly string[] {
  if (count === null) return labels;
  return [...labels].sort((a, b) => order(seed, a) - order(seed, b)).slice(0, count);
}

/** Death at one boundary; the seed says at which of its passes. */
export function single(label: string, passes: Passes, seed: string): Kill[] {
  const times = passes[label] ?? 1;
  return [{ label, occurrence: 1 + Math.floor(uniform(seed, 'pass', label) * times) }];
}

/** Two deaths in a row: half of them at the same boundary, half at any other that the restarted process meets. */
export function pairs(passes: Passes, count: number, seed: string): Kill[][] {
  const labels = Object.keys(passes);
  return Array.from({ length: count }, (_, index) => {
    const pick = (purpose: string) => labels[Math.floor(uniform(seed, purpose, index) * labels.length)] ?? '';
    const first = pick('first');
    // Early, so that the second one still comes.
    const occurrence = 1 + Math.floor((uniform(seed, 'early', index) * (passes[first] ?? 1)) / 3);
    return [
      { label: first, occurrence },
      { label: index % 2 === 0 ? first : pick('second'), occurrence: 1 },
    ];
  });
}

/** A death at a boundary that was only seen after another death. */
export function inRecovery(label: string, before: readonly Kill[]): Kill[] {
  return [...before, { label, occurrence: 1 }];
}

export function describe(kills: readonly Kill[]): string {
  return kills.map(({ label, occurrence }) => `${label}, pass ${occurrence}`).join(', then ');
}
