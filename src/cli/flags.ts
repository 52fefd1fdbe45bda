/** Values of flags, checked where they enter. */

import path from 'node:path';
import type { MarketSettings } from '../config.ts';
import { closest } from '../domain/closest.ts';
import { JOB_NAMES, type JobName } from '../jobs/registry.ts';
import { badFlag } from './output.ts';

/** `--queues a,b`: names of jobs, all of them when absent. */
export function parseQueues(text: string | undefined): JobName[] {
  if (text === undefined) return JOB_NAMES;
  return text.split(',').map((raw) => {
    const name = raw.trim();
    const known = JOB_NAMES.find((job) => job === name);
    if (known) return known;
    const guess = closest(name, JOB_NAMES);
    throw badFlag('--queues', `a list of ${JOB_NAMES.join(', ')}${guess ? ` (did you mean ${guess}?)` : ''}`, name);
  });
}

/** A whole number of at least `min`. */
export function parseCount(flag: string, text: string, min: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min) throw badFlag(flag, `a whole number of at least ${min}`, text);
  return value;
}

/** An hour of market time a minute. */
export const DEFAULT_SPEED = '60';

/** `--speed`: market seconds a wall second, or `max`. */
export function parseSpeed(text: string): number | 'max' {
  if (text === 'max') return 'max';
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw badFlag('--speed', '"max" or a number above 0 (market seconds a second)', text);
  return value;
}

export type MarketFlags = { readonly market?: string; readonly data?: string; readonly speed?: string };

/** `--market`, `--data` and `--speed` together. */
export function parseMarket(flags: MarketFlags): MarketSettings {
  const kind = flags.market ?? (flags.data ? 'replay' : 'synthetic');
  if (kind === 'synthetic') {
    if (flags.data !== undefined) throw badFlag('--data', 'to be used with --market replay', flags.data);
    if (flags.speed !== undefined) throw badFlag('--speed', 'to be used with --market replay', flags.speed);
    return { kind };
  }
  if (kind !== 'replay') throw badFlag('--market', 'synthetic or replay', kind);
  if (flags.data === undefined) throw badFlag('--market replay', '--data DIR, a folder of candle files', '(no --data)');
  return { kind, dir: path.resolve(flags.data), speed: parseSpeed(flags.speed ?? DEFAULT_SPEED) };
}

/** `--from` and `--to`: a moment as ISO 8601 or Unix milliseconds; undefined when absent. */
export function parseMoment(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{13}$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(value)) throw badFlag(flag, 'a moment such as 2025-07-22T12:00:00Z or Unix milliseconds', text);
  return value;
}
