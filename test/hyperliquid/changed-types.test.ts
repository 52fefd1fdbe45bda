/**
 * Every value of every recorded body is given another type, one after the other: either it is refused with the path of that very value, or
 * it is one that nobody reads, and what is read stays the same.
 */

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { CodedError } from '../../src/errors.ts';
import { accountBody, openOrdersBody } from '../../src/exchange/hyperliquid/account.ts';
import { exchangeAnswer, orderStatusBody } from '../../src/exchange/hyperliquid/answers.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { faultIn, parseBody } from '../../src/hyperliquid/wire.ts';
import * as bodies from '../../src/market/hyperliquid/bodies.ts';
import { readFrame } from '../../src/market/hyperliquid/frames.ts';
import { hasRecorded, RECORDED, recorded } from './recorded.ts';

type Path = readonly (string | number)[];

/** Places of values that are neither lists nor objects; of long lists the first two and the last rows. */
function leaves(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  if (Array.isArray(value)) {
    const places = [...new Set([0, 1, value.length - 1])].filter((place) => place >= 0 && place < value.length);
    return places.flatMap((place) => leaves(value[place], [...at, place]));
  }
  return Object.entries(value).flatMap(([name, each]) => leaves(each, [...at, name]));
}

/** The same with another value at a place. */
function changed(value: unknown, [first, ...rest]: Path, to: unknown): unknown {
  if (first === undefined) return to;
  const next = changed((value as Record<string | number, unknown>)[first], rest, to);
  if (Array.isArray(value)) return value.map((each, place) => (place === first ? next : each));
  return { ...(value as object), [first]: next };
}

const textOf = (path: Path) =>
  path.reduce<string>((text, part) => text + (typeof part === 'number' ? `[${part}]` : `.${part}`), 'body');

/** What was refused and what was not read, of all changes. */
function tryAll(body: unknown, read: (body: unknown) => unknown): { refused: number; unread: number } {
  const counts = { refused: 0, unread: 0 };
  const before = read(body);
  for (const path of leaves(body)) {
    try {
      expect(read(changed(body, path, { an: 'object' })), textOf(path)).toEqual(before);
      counts.unread += 1;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      // Of a value that may be one of several shapes the path is that of the choice.
      const { faults } = error;
      expect(
        faults.some((fault) => textOf(path).startsWith(fault.path)),
        `${textOf(path)} of ${JSON.stringify(faults)}`,
      ).toBe(true);
      counts.refused += 1;
    }
  }
  return counts;
}

const files = (pattern: RegExp) =>
  (hasRecorded ? readdirSync(RECORDED, { recursive: true, encoding: 'utf8' }) : ['none']).filter((name) =>
    pattern.test(name),
  );
const parsing = (schema: z.ZodType) => (body: unknown) => parseBody(schema, body, 'body', 'NOF0_MARKET_DATA');

describe.skipIf(!hasRecorded)('a value of another type', () => {
  it.each<[string, RegExp, z.ZodType]>([
    ['candles', /^candleSnapshot/, bodies.candlesBody],
    ['funding prints', /^fundingHistory/, bodies.fundingBody],
    ['books', /^l2Book/, bodies.bookBody],
    ['mids', /allMids\.(2023|main)/, bodies.midsBody],
    ['accounts', /^clearinghouseState/, accountBody],
    ['open orders', /^frontendOpenOrders\.json/, openOrdersBody],
    ['orders that are looked up', /^orderStatus/, orderStatusBody],
    ['answers to orders', /^exchange\/.*\.json/, exchangeAnswer],
  ])('in %s is refused with its path, or not read', (_, pattern, schema) => {
    const names = files(pattern);
    expect(names.length).toBeGreaterThan(0);
    const refused = names.map((name) => tryAll(recorded(name), parsing(schema)).refused);
    expect(Math.max(...refused)).toBeGreaterThan(0);
  });

  it('in executions is refused with its path, or not read', () => {
    const owner = { account: 'alpha', address: `0x${'1'.repeat(40)}` };
    const read = (body: unknown) => {
      try {
        return parseUserFills(body, owner);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        const faults = error.faults.map((fault) => ({ ...fault, path: fault.path.replace('userFills', 'body') }));
        throw new CodedError(error.code, error.message, { faults });
      }
    };
    for (const name of files(/^userFills/)) expect(tryAll(recorded(name), read).refused).toBeGreaterThan(10);
  });

  it('in one instrument or context leaves that one out, says where, and leaves the others as they are', () => {
    const [{ universe }, contexts] = recorded('metaAndAssetCtxs.json');
    for (const [row, schema] of [
      [universe[0], bodies.universeRow],
      [contexts[0], bodies.contextRow],
    ] as const)
      for (const path of leaves(row)) {
        const fault = faultIn(schema, changed(row, path, { an: 'object' }), 'body');
        if (fault !== null) expect(fault.startsWith(`${textOf(path)}: `), fault).toBe(true);
        else expect(schema.parse(changed(row, path, { an: 'object' }))).toEqual(schema.parse(row));
      }
  });

  it('in a frame is refused with its path, or not read', () => {
    let refused = 0;
    for (const name of ['ws.bbo.json', 'ws.activeAssetCtx.json', 'ws.userFills.json'])
      for (const frame of recorded(name).frames)
        for (const path of leaves(frame.data)) {
          const heard = readFrame(JSON.stringify({ ...frame, data: changed(frame.data, path, { an: 'object' }) }), 7);
          const place = `${frame.channel}.data${textOf(path).slice('body'.length)}`;
          if (heard.kind !== 'refused') expect(heard).toEqual(readFrame(JSON.stringify(frame), 7));
          else {
            // Where nothing was, something of another shape is told by what it lacks.
            const [at = '-'] = heard.fault.split(': ');
            expect(place.startsWith(at) || at.startsWith(place), `${place} of ${heard.fault}`).toBe(true);
          }
          refused += heard.kind === 'refused' ? 1 : 0;
        }
    expect(refused).toBeGreaterThan(10);
  });
});
