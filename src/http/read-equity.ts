/** The curves of the arena: every model and what it is measured against, on one axis of time, with what luck alone could have done. */

import type { z } from 'zod';
import { BASELINE } from '../domain/baseline.ts';
import { equityBand } from '../domain/equity-band.ts';
import { accounts } from '../store/equity.ts';
import { equityGrid, equitySpan, heldPrices } from '../store/equity-grid.ts';
import type { Reader } from './known-models.ts';
import type { equityCurvesQuery } from './query.ts';

/** Shorter steps would only be gaps. */
const MIN_STEP_MS = 1000;
const CENT = 100;

type Known = ReadonlyMap<number, number>;

/** At most `points` moments; a model has a value at those for which a snapshot of it was taken. */
export async function readEquityCurves({ db }: Reader, { points, since }: z.infer<typeof equityCurvesQuery>) {
  const span = await equitySpan(db, since ?? null);
  const owners = await accounts(db);
  if (span === null || span.toMs < span.fromMs) return { times: [], curves: [], held: null };
  const stepMs = Math.max(MIN_STEP_MS, Math.ceil((span.toMs - span.fromMs) / points));
  const values = new Map(owners.map(({ modelId }) => [modelId, new Map<number, number>()]));
  for (const { modelId, inceptionTsMs, initialEquityUsd } of owners)
    if (inceptionTsMs >= span.fromMs) values.get(modelId)?.set(inceptionTsMs, initialEquityUsd);
  for (const point of await equityGrid(db, span, stepMs)) values.get(point.modelId)?.set(point.tsMs, point.equityUsd);
  const times = [...new Set([...values.values()].flatMap((known) => [...known.keys()]))].sort((a, b) => a - b);
  const held = await heldPrices(db, BASELINE, times);
  const curves = [...values].map(([id, known]) => curve(id, known, times));
  if (held === null) return { times, curves, held: null };
  const units = held.equityUsd / held.price;
  const worth = new Map(held.points.map(({ tsMs, price }) => [tsMs, price * units]));
  return {
    times,
    curves: [...curves, { id: BASELINE.id, baseline: true, equity: onAxis(worth, times), lower: null, upper: null }],
    held: { symbol: BASELINE.symbol, units },
  };
}

function curve(id: string, known: Known, times: readonly number[]) {
  const equity = onAxis(known, times);
  const baseline = id === BASELINE.id;
  const moments = times.filter((at) => known.has(at));
  const band = baseline ? [] : equityBand(moments.map((at) => known.get(at) ?? 0));
  if (!band.some((point) => point !== null)) return { id, baseline, equity, lower: null, upper: null };
  const bound = (side: 'lower' | 'upper') => {
    const bounds = moments.flatMap((at, index) => (band[index] ? [[at, cents(band[index][side])] as const] : []));
    return onAxis(new Map(bounds), times);
  };
  return { id, baseline, equity, lower: bound('lower'), upper: bound('upper') };
}

const onAxis = (known: Known, times: readonly number[]) => times.map((at) => known.get(at) ?? null);
const cents = (value: number): number => Math.round(value * CENT) / CENT;
