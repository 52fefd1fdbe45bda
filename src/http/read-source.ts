/**
 * Where the addresses of the original are answered from while an arena moves here: its files, the store, or the files with the store
 * compared behind them.
 */

import type { MiddlewareHandler } from 'hono';
import { z } from 'zod';
import { asFields, ENDPOINT_SPECS, type Fields, type OriginalEndpoint, rowsOf } from '../domain/original-api.ts';
import { compareAnswers } from '../domain/parity.ts';
import { messageOf } from '../errors.ts';
import { AnswerFiles } from '../import/answer-files.ts';
import type { Resources } from '../resources.ts';
import { answer } from './answer.ts';
import { accountTotalsQuery, parseQuery, positionsQuery, tradesQuery } from './query.ts';

/** An address is compared at most this often: comparing costs more than answering. */
const COMPARE_EVERY_MS = 1000;

/** What may stand behind the question mark of an address. */
const QUERIES: Partial<Record<OriginalEndpoint, z.ZodType>> = {
  'account-totals': accountTotalsQuery,
  positions: positionsQuery,
  trades: tradesQuery,
};

/** Answers in place of the store where the configuration says so; without a whole file the store answers. Null: the store always does. */
export function readSource(resources: Resources): MiddlewareHandler | null {
  const { dir, sources } = resources.config.readSource;
  if (dir === null) return null;
  const files = new AnswerFiles(dir);
  const comparedAt = new Map<OriginalEndpoint, number>();
  return async (c, next) => {
    const [, name = '', modelId] = c.req.path.replace(/^\/api/, '').split('/');
    const endpoint = Object.hasOwn(ENDPOINT_SPECS, name) ? (name as OriginalEndpoint) : null;
    const source = endpoint === null ? 'store' : (sources[endpoint] ?? 'store');
    // A cursor belongs to the answer that gave it, and only the store gives any.
    if (endpoint === null || source === 'store' || c.req.query('cursor') !== undefined) return next();
    parseQuery(c, QUERIES[endpoint] ?? z.object({}));
    const file = await wholeFile(resources, files, endpoint);
    const wanted = file === null ? null : part(endpoint, file, c.req.query(), modelId);
    if (wanted === null) return next();
    if (source === 'compare' && Date.now() - (comparedAt.get(endpoint) ?? 0) >= COMPARE_EVERY_MS) {
      comparedAt.set(endpoint, Date.now());
      await next();
      if (c.res.ok) compare(resources, endpoint, wanted, await c.res.json());
      else if (c.res.status !== 304) resources.metrics.readComparisons.inc({ endpoint, result: 'failed' });
      c.res = undefined;
    }
    c.res = answer(c, wanted, { serverTime: endpoint !== 'leaderboard' });
    return;
  };
}

async function wholeFile(
  { metrics, logger }: Resources,
  files: AnswerFiles,
  endpoint: OriginalEndpoint,
): Promise<unknown> {
  try {
    return await files.read(endpoint);
  } catch (error) {
    metrics.readComparisons.inc({ endpoint, result: 'no_file' });
    logger.warn({ endpoint, error: messageOf(error) }, 'no whole file to answer from, the store answers');
    return null;
  }
}

/** The part of a file that a request asks for; null when it holds nothing for it. */
function part(
  endpoint: OriginalEndpoint,
  file: unknown,
  query: Readonly<Record<string, string>>,
  modelId: string | undefined,
): Fields | null {
  const { under } = ENDPOINT_SPECS[endpoint];
  const { serverTime: _, ...rest } = asFields(file) ?? {};
  const rows = rowsOf(endpoint, file);
  const limit = query.limit ? Number(query.limit) : rows.length;
  if (endpoint === 'analytics' && modelId !== undefined) {
    const own = rows.find((row) => encodeURIComponent(String(row.model_id)) === modelId || row.model_id === modelId);
    return own === undefined ? null : { [under]: own };
  }
  if (endpoint === 'positions') return { ...rest, [under]: rows.slice(0, limit) };
  if (endpoint === 'account-totals' && query.lastHourlyMarker) {
    const marker = Number(query.lastHourlyMarker);
    return { ...rest, [under]: rows.filter((row) => Number(row.since_inception_hourly_marker) >= marker) };
  }
  if (endpoint === 'trades') return { ...rest, [under]: tradesOf(rows, query, limit) };
  return Array.isArray(file) ? { [under]: rows } : rest;
}

function tradesOf(rows: readonly Fields[], query: Readonly<Record<string, string>>, limit: number): readonly Fields[] {
  const chosen = rows
    .filter((row) => !query.model_id || row.model_id === query.model_id)
    .filter((row) => !query.symbol || row.symbol === query.symbol)
    .filter((row) => !query.since || Number(row.exit_time) >= Number(query.since));
  return query.limit ? newest(chosen, limit) : chosen;
}

function newest(rows: readonly Fields[], limit: number): Fields[] {
  const byTime = (a: Fields, b: Fields) =>
    Number(b.exit_time) - Number(a.exit_time) || (String(a.id) < String(b.id) ? -1 : 1);
  return [...rows].sort(byTime).slice(0, limit);
}

/** The rows of the files that a page of the store covers: it gives trades and hours in bounded answers. */
function sameStretch(endpoint: OriginalEndpoint, inFiles: Fields, here: unknown): Fields {
  const { under } = ENDPOINT_SPECS[endpoint];
  const [theirs, ours] = [rowsOf(endpoint, inFiles), rowsOf(endpoint, here)];
  if (endpoint === 'trades' && asFields(here)?.nextCursor !== undefined)
    return { [under]: newest(theirs, ours.length) };
  if (endpoint !== 'account-totals') return inFiles;
  const hour = (row: Fields) => Number(row.since_inception_hourly_marker);
  const first = ours.reduce((least, row) => Math.min(least, hour(row)), Number.POSITIVE_INFINITY);
  return { [under]: theirs.filter((row) => hour(row) >= first) };
}

/** Counts what differs without being meant to. */
function compare({ metrics, logger }: Resources, endpoint: OriginalEndpoint, inFiles: Fields, here: unknown): void {
  const { under } = ENDPOINT_SPECS[endpoint];
  // The analytics of one model stand there by themselves.
  const listed = (all: unknown) => (endpoint === 'analytics' ? { [under]: [asFields(all)?.[under]].flat() } : all);
  const { differences } = compareAnswers(endpoint, listed(sameStretch(endpoint, inFiles, here)), listed(here));
  const unmeant = differences.filter((difference) => difference.byDefinition === null);
  metrics.readComparisons.inc({ endpoint, result: unmeant.length === 0 ? 'equal' : 'different' });
  metrics.readDifferences.inc({ endpoint }, unmeant.length);
  const [first] = unmeant;
  if (first) logger.warn({ endpoint, differences: unmeant.length, first }, 'files and store differ');
}
