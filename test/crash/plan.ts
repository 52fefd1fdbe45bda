/** What a child is told about its own death, and how a boundary is written. */

import type { Boundary } from '../../src/telemetry/boundaries.ts';

export type Kill = {
  readonly label: string;
  /** Dies when it passes the boundary this many times. */
  readonly occurrence: number;
};

export type Plan = {
  /** In their order: a process dies at the first that has left no marker yet. */
  readonly kills: readonly Kill[];
  /** Path of the markers; the number of the kill is appended. */
  readonly marker: string;
  /** Where a child that ends by itself writes how often it passed each boundary. */
  readonly passed: string;
};

const VARIABLE = 'CRASH_PLAN';

export function labelOf({ job, what, side }: Boundary): string {
  return `${side} ${what} (${job})`;
}

export function planEnvironment(plan: Plan): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(plan) };
}

/** The plan of this process. */
export function readPlan(env: Readonly<Record<string, string | undefined>>): Plan {
  const text = env[VARIABLE];
  if (text === undefined) throw new Error(`${VARIABLE} is not set: this program is started by the crash matrix`);
  return JSON.parse(text) as Plan;
}
