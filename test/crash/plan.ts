/** What a child is told about its own death, and how a boundary is written. */

import type { Boundary } from '../../src/telemetry/boundaries.ts';

export type Kill = {
  readonly label: string;
  /** Dies when it passes the boundary this many times. */
  readonly occurrence: number;
  /** File that exists once this kill has happened. */
  readonly marker: string;
};

export type Plan = {
  readonly kills: readonly Kill[];
  /** Where a child that ends by itself writes how often it passed each boundary. */
  readonly passed: string;
};

const VARIABLE = 'CRASH_PLAN';

export function labelOf({ job, what, side }: Boundary): string {
  return `${job} | ${what} | ${side}`;
}

/** The environment that makes a child follow the plan. */
export function planEnvironment(plan: Plan): Record<string, string> {
  const preload = new URL('./preload.ts', import.meta.url).href;
  return { [VARIABLE]: JSON.stringify(plan), NODE_OPTIONS: `--import tsx --import ${preload}` };
}

/** The plan of this process; null when it has none. */
export function readPlan(env: Readonly<Record<string, string | undefined>>): Plan | null {
  const text = env[VARIABLE];
  return text === undefined ? null : (JSON.parse(text) as Plan);
}
