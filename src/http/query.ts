/** What may stand behind the question mark. Unknown names are ignored, bad values are faults, empty values are not given. */

import type { Context } from 'hono';
import { z } from 'zod';
import { CodedError } from '../errors.ts';

const MAX_LIMIT = 1000;
const MAX_TEXT = 128;
const MAX_HOURLY_MARKER = 1_000_000_000;
/** Year 5138; whoever is above it has sent milliseconds. */
const MAX_SECONDS = 100_000_000_000;

const DIGITS = /^\d{1,15}$/;
const DECIMAL = /^\d{1,15}(\.\d{1,9})?$/;

function number(pattern: RegExp, min: number, max: number, expected: string) {
  const isValid = (text: string): boolean => pattern.test(text) && Number(text) >= min && Number(text) <= max;
  const type = pattern === DIGITS ? 'integer' : 'number';
  // Published as the number that it is; it arrives as text.
  return z.string().meta({ type, minimum: min, maximum: max }).refine(isValid, expected).transform(Number);
}

const limit = number(DIGITS, 1, MAX_LIMIT, `an integer from 1 to ${MAX_LIMIT}`);

/** Postgres has no NUL in its texts, and no id of ours has a control character. */
const name = z
  .string()
  .meta({ maxLength: MAX_TEXT })
  .refine((text) => text.length <= MAX_TEXT && !/\p{Cc}/u.test(text), `at most ${MAX_TEXT} printable characters`);

/** A place in the list of trades: behind the trade with this exit time (ms) and id. */
export type TradeCursor = { readonly exitTsMs: number; readonly id: string };

/** The cursor as callers carry it. Opaque to them. */
export function writeTradeCursor(cursor: TradeCursor): string {
  return Buffer.from(`${cursor.exitTsMs}:${cursor.id}`).toString('base64url');
}

function readTradeCursor(text: string): TradeCursor | null {
  const match = /^(\d{1,15}):(\P{Cc}{1,300})$/u.exec(Buffer.from(text, 'base64url').toString('utf8'));
  return match?.[1] && match[2] ? { exitTsMs: Number(match[1]), id: match[2] } : null;
}

/** A place in the list of decisions: before this slot (ms), or behind the model's row of the slot. */
export type DecisionCursor = { readonly slotMs: number; readonly modelId: string | null };

export function writeDecisionCursor(slotMs: number, modelId: string): string {
  return `${slotMs}_${modelId}`;
}

function readDecisionCursor(text: string): DecisionCursor | null {
  const match = /^(\d{1,15})(?:_(\P{Cc}{1,128}))?$/u.exec(text);
  return match?.[1] ? { slotMs: Number(match[1]), modelId: match[2] ?? null } : null;
}

/** A text that `read` understands. */
function cursor<T extends object>(read: (text: string) => T | null, expected: string) {
  return z.string().transform((text, context) => {
    const value = text.length <= 1000 ? read(text) : null;
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

export const noQuery = z.object({});

export const accountTotalsQuery = z.object({
  lastHourlyMarker: number(DIGITS, 0, MAX_HOURLY_MARKER, `an integer from 0 to ${MAX_HOURLY_MARKER}`)
    .optional()
    .describe('Hours since the beginning; only rows at or after it.'),
});

export const positionsQuery = z.object({ limit: limit.optional().describe('How many models, by id.') });

export const tradesQuery = z.object({
  model_id: name.optional().describe('Trades of this model.'),
  symbol: name.optional().describe('Trades in this symbol.'),
  since: number(DECIMAL, 0, MAX_SECONDS, 'unix seconds, like exit_time')
    .optional()
    .describe('Unix seconds, like the times inside trades: those that ended at or after it.'),
  limit: limit.default(100).describe('How many, 100 unless told.'),
  cursor: cursor(readTradeCursor, 'the nextCursor of an earlier answer')
    .optional()
    .describe('`nextCursor` of an earlier answer.'),
});

export const decisionsQuery = z.object({
  model_id: name.optional().describe('Cycles of this model.'),
  before: cursor(readDecisionCursor, 'a slot in unix milliseconds or the nextBefore of an earlier answer')
    .optional()
    .describe('Slot in Unix milliseconds, or `nextBefore` of an earlier answer.'),
  limit: limit.default(50).describe('How many, 50 unless told.'),
});

export const equityCurvesQuery = z.object({
  points: number(DIGITS, 2, MAX_LIMIT, `an integer from 2 to ${MAX_LIMIT}`)
    .default(240)
    .describe('How many moments at most, 240 unless told.'),
  since: number(DIGITS, 0, MAX_SECONDS * 1000, 'unix milliseconds')
    .optional()
    .describe('Unix milliseconds: curves begin there, and not with the first model.'),
});

export const fillsQuery = z.object({
  limit: limit.default(100).describe('How many, 100 unless told.'),
  cursor: cursor(readTradeCursor, 'the nextCursor of an earlier answer')
    .optional()
    .describe('`nextCursor` of an earlier answer.'),
});

/** The values of a request. Throws NOF0_INPUT_INVALID with every fault. */
export function parseQuery<T extends z.ZodType>(c: Context, schema: T): z.infer<T> {
  if (!c.req.url.includes('?')) return withoutQuery(schema);
  const given = Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== ''));
  return checked('query', schema, given);
}

const unasked = new WeakMap<z.ZodType, unknown>();

/** What a schema makes of nothing, worked out once. */
function withoutQuery<T extends z.ZodType>(schema: T): z.infer<T> {
  if (!unasked.has(schema)) unasked.set(schema, Object.freeze(checked('query', schema, {})));
  return unasked.get(schema) as z.infer<T>;
}

/** What was given, as the schema reads it. Throws NOF0_INPUT_INVALID with every fault. */
export function checked<T extends z.ZodType>(what: string, schema: T, given: unknown): z.infer<T> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => ({
    path: issue.path.join('.') || what,
    expected: issue.message,
  }));
  const list = faults.map((fault) => `${fault.path}: expected ${fault.expected}`).join('; ');
  throw new CodedError('NOF0_INPUT_INVALID', `the ${what} is not valid: ${list}`, { faults });
}
