/** What every body of Hyperliquid is made of. Numbers travel as decimal text; unknown fields are ignored, known ones are checked. */

import { z } from 'zod';
import { CodedError, type ErrorCode } from '../errors.ts';

/** A number as decimal text: `"-3695042.8999999999"`. */
export const decimal = z
  .string()
  .regex(/^[+-]?\d+(\.\d+)?$/, 'a number as decimal text')
  .transform(Number);

export const coin = z.string().min(1).max(64);
export const unixMs = z.int().nonnegative();
/** Numbers of orders and fills; up to 10^15 today, exact in a double. */
export const wireId = z.int().nonnegative();
export const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'an address: 0x and 40 hex digits')
  .transform((text) => text.toLowerCase());

/** Perpetuals are named plainly (`BTC`, `xyz:SILVER`); spot pairs are `@107` or `PURR/USDC`. */
export function isPerpetual(name: string): boolean {
  return !name.startsWith('@') && !name.includes('/');
}

/**
 * A body as its type. Throws `code` with every fault and its path (`userFills[3].px`), so that a changed answer says where it
 * changed.
 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown, name: string, code: ErrorCode): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const faults = faultsOf(parsed.error, name);
  throw new CodedError(code, `Hyperliquid answered an unexpected shape: ${said(faults)}`, { faults });
}

/** What is wrong with a part of an answer that is left out, with its path; null: nothing. */
export function faultIn(schema: z.ZodType, part: unknown, name: string): string | null {
  const { error } = schema.safeParse(part);
  return error === undefined ? null : said(faultsOf(error, name));
}

type Fault = { readonly path: string; readonly expected: string };

function faultsOf(error: z.ZodError, name: string): Fault[] {
  return error.issues.map((issue) => ({ path: pathOf(name, issue.path), expected: issue.message }));
}

function said(faults: readonly Fault[]): string {
  const [first] = faults;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return `${first?.path}: ${first?.expected}${more}`;
}

function pathOf(name: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`),
    name,
  );
}
