/** Whether two answers of the same address say the same, field by field. Pure. */

import { asFields, BASELINE_ID, ENDPOINT_SPECS, type Fields, type OriginalEndpoint, rowsOf } from './original-api.ts';

/** Numbers agree to this part of themselves. */
const TOLERANCE = 1e-9;
const TIME_TOLERANCE_S = 0.001;
/** Larger times are milliseconds. */
const MS_FROM = 100_000_000_000;
const TIME_FIELD = /(^|_)(time|timestamp|date)$|_at$/;
const HUMAN_TIME = /human_time$/;

export type Difference = {
  /** What the row is about. */
  readonly row: string;
  /** The field, with dots; empty: the whole row. */
  readonly field: string;
  readonly inFiles: unknown;
  readonly here: unknown;
  /** Why it is meant to differ; null: it is not. */
  readonly byDefinition: string | null;
};

export type Comparison = {
  /** Fields that were compared. */
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** Rows of models that the files do not know. */
  readonly othersHere: number;
};

const MISSING = '(missing)';

/** Compares what files say with the answer given here. Fields that only stand here are no difference to a reader of the original. */
export function compareAnswers(endpoint: OriginalEndpoint, inFiles: unknown, answer: unknown): Comparison {
  const { keyOf, modelOf } = ENDPOINT_SPECS[endpoint];
  const here = new Map(rowsOf(endpoint, answer).map((row) => [keyOf(row), row]));
  const listed = new Map(comparable(endpoint, rowsOf(endpoint, inFiles), [...here.values()]));
  const models = new Set([...listed.values()].map(modelOf));
  const found = new Collector(endpoint);
  for (const [key, row] of listed) {
    const own = here.get(key);
    if (own === undefined) found.wholeRow(key, row, undefined, modelOf(row));
    else found.compare(key, '', row, own);
  }
  let othersHere = 0;
  for (const [key, row] of here) {
    if (listed.has(key)) continue;
    if (models.has(modelOf(row))) found.wholeRow(key, undefined, row, modelOf(row));
    else othersHere += 1;
  }
  return { compared: found.compared, differences: found.differences, othersHere };
}

/**
 * The rows of the files that an answer of this system can be held to, by key. It gives one row an hour where the files may have many,
 * and the newest messages of a conversation.
 */
function comparable(endpoint: OriginalEndpoint, rows: readonly Fields[], here: readonly Fields[]): [string, Fields][] {
  const { keyOf } = ENDPOINT_SPECS[endpoint];
  if (endpoint === 'account-totals') {
    const byTime = [...rows].sort((a, b) => Number(a.timestamp) - Number(b.timestamp));
    return byTime.map((row) => [keyOf(row), row]);
  }
  if (endpoint !== 'conversations') return rows.map((row) => [keyOf(row), row]);
  const said = new Map(here.map((row) => [keyOf(row), Array.isArray(row.messages) ? row.messages.length : 0]));
  return rows.map((row) => {
    const messages = Array.isArray(row.messages) ? row.messages : [];
    return [keyOf(row), { ...row, messages: messages.slice(-(said.get(keyOf(row)) || messages.length)) }];
  });
}

class Collector {
  compared = 0;
  readonly differences: Difference[] = [];
  readonly #byDefinition: readonly (readonly [RegExp, string])[];

  constructor(endpoint: OriginalEndpoint) {
    this.#byDefinition = Object.entries(ENDPOINT_SPECS[endpoint].byDefinition).map(([pattern, why]) => [
      new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`),
      why,
    ]);
  }

  wholeRow(row: string, inFiles: unknown, here: unknown, modelId: string | null): void {
    this.compared += 1;
    const byDefinition = modelId === BASELINE_ID ? 'the baseline is no participant here' : null;
    const show = (value: unknown) => (value === undefined ? MISSING : 'a row');
    this.differences.push({ row, field: '', inFiles: show(inFiles), here: show(here), byDefinition });
  }

  compare(row: string, field: string, inFiles: unknown, here: unknown): void {
    const [theirs, ours] = [asFields(inFiles), asFields(here)];
    if (theirs !== null && ours !== null) {
      for (const [name, value] of Object.entries(theirs)) this.compare(row, join(field, name), value, ours[name]);
      return;
    }
    if (Array.isArray(inFiles) && Array.isArray(here) && inFiles.length === here.length) {
      for (const [index, value] of inFiles.entries()) this.compare(row, join(field, String(index)), value, here[index]);
      return;
    }
    this.compared += 1;
    if (sameValue(field, inFiles, here)) return;
    const byDefinition = this.#byDefinition.find(([pattern]) => pattern.test(field))?.[1] ?? null;
    this.differences.push({ row, field, inFiles, here: here === undefined ? MISSING : here, byDefinition });
  }
}

const join = (field: string, name: string): string => (field === '' ? name : `${field}.${name}`);

function sameValue(field: string, a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    if (TIME_FIELD.test(field)) return Math.abs(a - b) <= (a < MS_FROM ? TIME_TOLERANCE_S : 1) * 1.001;
    return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b));
  }
  if (HUMAN_TIME.test(field) && typeof a === 'string' && typeof b === 'string')
    return Math.abs(humanMs(a) - humanMs(b)) <= 1.001;
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

/** `2025-10-24 15:00:35.473000`, the fraction as far as there is one; in ms. */
function humanMs(text: string): number {
  const [seconds = '', fraction = '0'] = text.split('.');
  return Date.parse(`${seconds.replace(' ', 'T')}Z`) + Number(`0.${fraction}`) * 1000;
}
