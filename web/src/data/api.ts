/** Questions to the API. The browser keeps answers by their tags, so asking again for what has not changed costs little. */

import type {
  Analytics,
  Curves,
  Decision,
  Desk,
  Fill,
  Model,
  Position,
  Price,
  Run,
  Season,
  Standing,
  Trade,
} from './types.ts';

const TIMEOUT_MS = 15_000;

/** An answer that is no success. `status` 0: nobody answered. */
export class ApiFault extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function ask<T>(path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new ApiFault(0, error instanceof Error ? error.message : 'no answer');
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  const told = (body as { error?: { message?: string } } | null)?.error?.message;
  throw new ApiFault(response.status, told ?? `the API answered with status ${response.status}`);
}

/** The parameters that are given. */
function query(values: Record<string, string | number | undefined>): string {
  const given = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

type Named = { model_id: string; positions: Record<string, Position> };
const segment = encodeURIComponent;

export const api = {
  run: async () => (await ask<{ run: Run }>('/run')).run,
  models: async () => (await ask<{ models: Model[] }>('/models')).models,
  leaderboard: async () => (await ask<{ leaderboard: Standing[] }>('/leaderboard')).leaderboard,
  prices: async () => (await ask<{ prices: Record<string, Price> }>('/crypto-prices')).prices,
  positions: async () => (await ask<{ accountTotals: Named[] }>('/positions')).accountTotals,
  analytics: async () => (await ask<{ analytics: Analytics[] }>('/analytics')).analytics,
  seasons: async () => (await ask<{ seasons: Season[] }>('/seasons')).seasons,
  curves: (since?: number) => ask<Curves>(`/equity-curves${query({ since })}`),
  trades: (model?: string, limit = 50, cursor?: string) =>
    ask<{ trades: Trade[]; nextCursor?: string }>(`/trades${query({ model_id: model, limit, cursor })}`),
  decisions: (model?: string, limit = 60, before?: string) =>
    ask<{ decisions: Decision[]; nextBefore?: string }>(`/decisions${query({ model_id: model, limit, before })}`),
  /** Null in a run of the arena. */
  desk: async () => (await ask<{ desk: Desk | null }>('/desk')).desk,
  fills: (model: string, limit = 100, cursor?: string) =>
    ask<{ fills: Fill[]; nextCursor?: string }>(`/fills/${segment(model)}${query({ limit, cursor })}`),
};
