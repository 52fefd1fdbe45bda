/** How many symbols are asked for at once, page by page, and what is done about one that nobody knows. */

import type { z } from 'zod';
import { CodedError } from '../../errors.ts';
import { type AlpacaClient, type Query, unexpected } from './client.ts';

/** Symbols of one request: an address has a longest length. */
const SYMBOLS = 100;
/** A provider that never comes to an end is not followed for ever. */
const MAX_PAGES = 500;

type Paged = { readonly next_page_token?: string | null | undefined };

/** Asks for every page. Throws NOF0_MARKET_DATA when a page leads back to itself or there is no end to them. */
export async function askByPages<Page extends Paged>(
  client: AlpacaClient,
  path: string,
  query: Query,
  schema: z.ZodType<Page>,
  signal: AbortSignal | undefined,
  onPage: (page: Page) => void,
): Promise<void> {
  const seen = new Set<string>();
  for (let token: string | null | undefined; ; ) {
    const page = await client.get(path, token ? { ...query, page_token: token } : query, schema, signal);
    onPage(page);
    token = page.next_page_token;
    if (!token) return;
    if (seen.has(token) || seen.size >= MAX_PAGES)
      throw unexpected(path, [{ at: ['next_page_token'], expected: 'a page that has not been read, and an end' }]);
    seen.add(token);
  }
}

/**
 * Asks for symbols, some at a time. A list that is refused because of a symbol is asked for in halves until it is found: it is left out,
 * `onUnknown` hears of it, and the others have their answer.
 */
export async function askInHalves<T>(
  symbols: readonly string[],
  ask: (own: readonly string[]) => Promise<readonly T[]>,
  onUnknown: (symbol: string) => void,
): Promise<T[]> {
  const found: T[] = [];
  const [first] = symbols;
  if (first === undefined) return found;
  if (symbols.length > SYMBOLS) {
    for (let from = 0; from < symbols.length; from += SYMBOLS)
      found.push(...(await askInHalves(symbols.slice(from, from + SYMBOLS), ask, onUnknown)));
    return found;
  }
  try {
    found.push(...(await ask(symbols)));
  } catch (error) {
    if (!isAboutSymbol(error)) throw error;
    if (symbols.length === 1) {
      onUnknown(first);
      return found;
    }
    const half = Math.ceil(symbols.length / 2);
    for (const own of [symbols.slice(0, half), symbols.slice(half)])
      found.push(...(await askInHalves(own, ask, onUnknown)));
  }
  return found;
}

function isAboutSymbol(error: unknown): boolean {
  if (!(error instanceof CodedError) || error.code !== 'NOF0_MARKET_REFUSED') return false;
  const { statusCode, said } = error.details;
  return (statusCode === 400 || statusCode === 422) && /symbol/i.test(String(said));
}

type SymbolFault = { readonly at: readonly PropertyKey[]; readonly expected: string };

/** The parts of an answer that belong to symbols which were asked for, as far as they are of the shape. */
export function readEach<T>(
  rows: Readonly<Record<string, unknown>>,
  schema: z.ZodType<T>,
  asked: readonly string[],
): { readonly read: Map<string, T>; readonly faults: SymbolFault[] } {
  const wanted = new Set(asked);
  const read = new Map<string, T>();
  const faults: SymbolFault[] = [];
  for (const [symbol, value] of Object.entries(rows)) {
    if (!wanted.has(symbol)) continue;
    const parsed = schema.safeParse(value);
    if (parsed.success) read.set(symbol, parsed.data);
    else faults.push(...parsed.error.issues.map(({ path, message }) => ({ at: [symbol, ...path], expected: message })));
  }
  return { read, faults };
}
