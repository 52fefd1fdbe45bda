/** Reads the rows of a JSON file one by one, so that memory stays bounded however large the file is. */

import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { JSONParser } from '@streamparser/json';
import { CodedError, messageOf } from '../errors.ts';

const CHUNK_BYTES = 256 * 1024;
/** A file without rows is looked at whole to tell "none yet" from "not such a file", up to this size. */
const SMALL_BYTES = 64 * 1024;

/** A row as it stands in the file. `place`: its index in a list, or its name in an object. */
export type RawRow = { readonly place: string; readonly value: unknown };

export type ReadOptions = {
  /** Name of the field that holds the rows; a file that is a bare list has its rows at the top. */
  readonly under: string;
  readonly onRows: (rows: readonly RawRow[]) => Promise<void>;
  readonly onBytes?: (bytes: number) => void;
};

/**
 * Hands all rows over in groups and waits for each group. Returns the file's own `serverTime`, ms, where it has one.
 *
 * @throws NOF0_INPUT_INVALID when the file is not whole JSON, or holds no such rows; rows may have been handed over before.
 */
export async function readRows(path: string, options: ReadOptions): Promise<{ serverTimeMs: number | null }> {
  const { under } = options;
  let serverTimeMs: number | null = null;
  let found: RawRow[] = [];
  let count = 0;
  const isList = await beginsWithList(path);
  const rowsPath = isList ? '$.*' : `$.${under}.*`;
  const parser = new JSONParser({ paths: isList ? [rowsPath] : [rowsPath, '$.serverTime'], keepStack: false });
  parser.onValue = ({ value, key, stack }) => {
    if (!isList && stack.length === 1) serverTimeMs = typeof value === 'number' ? Math.round(value) : null;
    else found.push({ place: String(key), value });
  };
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const bytes = chunk as Buffer;
    feed(parser, bytes);
    count += found.length;
    if (found.length > 0) await options.onRows(found);
    found = [];
    options.onBytes?.(bytes.length);
  }
  if (!parser.isEnded) throw notWhole('it ends too early');
  if (count === 0) await assertNoneYet(path, under);
  return { serverTimeMs };
}

function feed(parser: JSONParser, bytes: Buffer): void {
  try {
    parser.write(bytes);
  } catch (error) {
    throw notWhole(messageOf(error));
  }
}

function notWhole(why: string): CodedError {
  return new CodedError('NOF0_INPUT_INVALID', `not whole JSON: ${why}`);
}

async function beginsWithList(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    return buffer.subarray(0, bytesRead).toString('utf8').trimStart().startsWith('[');
  } finally {
    await file.close();
  }
}

/** `{"trades": []}` has no rows yet; `{"foo": …}` is another file. */
async function assertNoneYet(path: string, under: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const value: unknown = text.length <= SMALL_BYTES ? JSON.parse(text) : null;
  if (Array.isArray(value)) return;
  const rows = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[under] : undefined;
  if (typeof rows !== 'object' || rows === null)
    throw new CodedError('NOF0_INPUT_INVALID', `expected rows under "${under}", found none`);
}
