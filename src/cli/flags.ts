/** Values of flags, checked where they enter. */

import path from 'node:path';
import type { Command } from 'commander';
import type { EquitiesMarket, MarketSettings } from '../config.ts';
import { closest } from '../domain/closest.ts';
import { parseDuration } from '../domain/time.ts';
import { CodedError } from '../errors.ts';
import { contractOf, JOB_NAMES, type JobName } from '../jobs/registry.ts';
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

export type MarketFlags = {
  readonly desk?: string;
  readonly market?: string;
  readonly data?: string;
  readonly speed?: string;
};

/** `--market`, `--data` and `--speed` together. */
export function parseMarket(flags: MarketFlags): MarketSettings {
  if (parseDesk(flags.desk) === 'equities') return parseEquities(flags);
  const kind = flags.market ?? (flags.data ? 'replay' : 'synthetic');
  if (kind === 'synthetic' || kind === 'hyperliquid') {
    if (flags.data !== undefined) throw badFlag('--data', 'to be used with --market replay', flags.data);
    if (flags.speed !== undefined) throw badFlag('--speed', 'to be used with --market replay', flags.speed);
    return { kind };
  }
  if (kind !== 'replay') throw badFlag('--market', 'synthetic, replay or hyperliquid', kind);
  if (flags.data === undefined) throw badFlag('--market replay', '--data DIR, a folder of candle files', '(no --data)');
  return { kind, dir: path.resolve(flags.data), speed: parseSpeed(flags.speed ?? DEFAULT_SPEED) };
}

/** `--desk`; the arena when absent. */
export function parseDesk(text: string | undefined): 'arena' | 'equities' {
  return text === undefined ? 'arena' : (parseWord('--desk', text, ['arena', 'equities']) as 'arena' | 'equities');
}

/** The desk's `--market`: an invented session, a recorded one, or what the exchange does now. */
function parseEquities({ market, data, speed }: MarketFlags): MarketSettings {
  const feed = parseWord('--market', market === 'replay' ? 'csv' : (market ?? (data ? 'csv' : 'synthetic')), [
    'synthetic',
    'csv',
    'api',
  ]) as EquitiesMarket['feed'];
  if ((feed === 'csv') !== (data !== undefined))
    throw badFlag('--data', 'a folder of candle files, together with --market csv', data ?? '(no --data)');
  if (feed === 'api' && speed !== undefined)
    throw badFlag('--speed', 'to be used with an invented or recorded session', speed);
  return {
    kind: 'equities',
    feed,
    dir: data === undefined ? null : path.resolve(data),
    speed: parseSpeed(speed ?? DEFAULT_SPEED),
  };
}

/** `--from` and `--to`: a moment as ISO 8601 or Unix milliseconds; undefined when absent. */
export function parseMoment(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = readMoment(text);
  if (value === null) throw badFlag(flag, 'a moment such as 2025-07-22T12:00:00Z or Unix milliseconds', text);
  return value;
}

function readMoment(text: string): number | null {
  const value = /^\d{13}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(value) ? value : null;
}

/** A duration such as `20s`; milliseconds. */
export function parseWait(flag: string, text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === null) throw badFlag(flag, 'a duration such as 20s', text);
  return durationMs;
}

/** `--since` and `--until`: a moment, or a duration such as `2h`, which means that long ago. */
export function parsePast(flag: string, text: string | undefined, nowMs = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  const durationMs = parseDuration(text);
  if (durationMs !== null) return nowMs - durationMs;
  const value = readMoment(text);
  if (value !== null) return value;
  throw badFlag(flag, 'a moment such as 2025-07-22T12:00:00Z, Unix milliseconds, or a duration such as 2h', text);
}

/** A flag whose value is a JSON object. */
export function parseJsonObject(flag: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badFlag(flag, `a JSON object (${error instanceof Error ? error.message : 'not JSON'})`, text);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badFlag(flag, 'a JSON object', text);
  return value as Record<string, unknown>;
}

/** One of a few words. */
export function parseWord(flag: string, text: string, words: readonly string[]): string {
  if (words.includes(text)) return text;
  const guess = closest(text, words);
  throw badFlag(flag, `one of ${words.join(', ')}${guess ? ` (did you mean ${guess}?)` : ''}`, text);
}

/** Numbers of dead letters, each once. */
export function parseIds(texts: readonly string[]): number[] {
  const ids = texts.map((text) => {
    const id = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(id))
      throw badFlag('<id>', 'the number of a dead letter, as `nof0 failed` shows it', text);
    return id;
  });
  return [...new Set(ids)];
}

export type LetterFlags = {
  readonly job?: string;
  readonly model?: string;
  readonly error?: string;
  readonly since?: string;
};

/** The flags that choose among failed jobs and runs. */
export function parseFilter(flags: LetterFlags) {
  return {
    job: flags.job === undefined ? undefined : contractOf(flags.job).name,
    modelId: flags.model,
    error: flags.error,
    sinceMs: parsePast('--since', flags.since),
  };
}

/** A word behind a group of commands that is none of them: without it the group lists something. */
export function assertNoWord(listing: Command): void {
  const [word] = listing.args;
  if (word === undefined) return;
  const group = listing.parent;
  const names = group?.commands.map((command) => command.name()) ?? [];
  const guess = closest(word, names);
  throw new CodedError(
    'NOF0_INPUT_INVALID',
    `nof0 ${group?.name()} has no "${word}"; expected ${names.join(', ')}${guess ? `; did you mean ${guess}?` : ''}`,
  );
}
