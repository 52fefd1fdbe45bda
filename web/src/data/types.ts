/** The API's answers, as its own schemas describe them: page and API come from one tree, and tests hold the API to these. */

import type { z } from 'zod';
import type * as answers from '../../../src/http/answer-schemas.ts';

type Answer<K extends keyof typeof answers> = z.infer<(typeof answers)[K]>;

export type Run = Answer<'run'>['run'];
export type Model = Answer<'models'>['models'][number];
export type Standing = Answer<'leaderboard'>['leaderboard'][number];
export type Price = Answer<'cryptoPrices'>['prices'][string];
export type Position = Answer<'positions'>['accountTotals'][number]['positions'][string];
export type Trade = Answer<'trades'>['trades'][number];
export type Curves = Answer<'equityCurves'>;
export type Curve = Curves['curves'][number];
export type Analytics = Answer<'analytics'>['analytics'];
export type Fill = Answer<'fills'>['fills'][number];
export type Season = Answer<'seasons'>['seasons'][number];
export type Desk = NonNullable<Answer<'desk'>['desk']>;
export type Decision = Answer<'decisions'>['decisions'][number];

/** What the API leaves open: the model's own words, checked when they were taken in, and what became of them. */
export type Action = {
  readonly symbol: string;
  readonly action: string;
  readonly confidence: number;
  readonly reasoning?: string | null;
  readonly position_size_usd?: number | null;
  readonly leverage?: number | null;
  readonly stop_loss?: number | null;
  readonly take_profit?: number | null;
  readonly invalidation_condition?: string | null;
};
export type Rejection = {
  readonly symbol: string;
  readonly action: string;
  readonly code: string;
  readonly reason: string;
};
export type Leg = {
  readonly leg: string;
  readonly symbol: string;
  readonly side: string;
  readonly kind: string;
  readonly size: number;
  readonly status: string;
  readonly oid: number | null;
  readonly cloid: string;
  readonly filledSize: number;
  readonly avgPrice: number | null;
  readonly triggerPrice: number | null;
  readonly error: string | null;
};

export const actionsOf = (decision: Decision) => decision.decisions as readonly Action[];
export const rejectionsOf = (decision: Decision) => decision.rejected as readonly Rejection[];
export const legsOf = (decision: Decision) => decision.orders as readonly Leg[];
