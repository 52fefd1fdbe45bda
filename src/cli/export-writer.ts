/** Writes rows as CSV (RFC 4180) or JSON, group by group, to a file or to standard output. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { stringify } from 'csv-stringify/sync';

export const EXPORT_FORMATS = ['csv', 'json'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export type Exported = Readonly<Record<string, unknown>>;

/** `file` null: standard output. A file appears under its name when it is whole. */
export async function writeExport(
  options: {
    readonly file: string | null;
    readonly format: ExportFormat;
    /** The field that holds the rows in JSON. */
    readonly under: string;
    readonly columns: readonly string[];
  },
  produce: (write: (rows: readonly Exported[]) => Promise<void>) => Promise<void>,
): Promise<number> {
  const { file, format, under, columns } = options;
  const part = file === null ? null : `${file}.part`;
  const out = part === null ? process.stdout : createWriteStream(part);
  const failure = new Promise<never>((_, reject) => out.once('error', reject));
  failure.catch(() => {});
  const write = async (text: string): Promise<void> => {
    if (!out.write(text)) await Promise.race([once(out, 'drain'), failure]);
  };
  let count = 0;
  try {
    await write(format === 'csv' ? line(columns) : `{${JSON.stringify(under)}: [`);
    await produce(async (rows) => {
      await write(format === 'csv' ? csv(rows, columns) : json(rows, count === 0));
      count += rows.length;
    });
    if (format === 'json') await write('\n]}\n');
    if (file !== null && part !== null) {
      await Promise.race([end(out), failure]);
      await rename(part, file);
    }
    return count;
  } catch (error) {
    if (part !== null) {
      // The file may only be about to be opened: it must be over before it is removed.
      const closed = new Promise<void>((resolve) => (out.closed ? resolve() : out.once('close', () => resolve())));
      out.destroy();
      await closed;
      await rm(part, { force: true });
    }
    throw error;
  }
}

function end(out: Writable): Promise<void> {
  return new Promise((resolve) => out.end(resolve));
}

function csv(rows: readonly Exported[], columns: readonly string[]): string {
  return stringify(
    rows.map((row) => columns.map((column) => row[column])),
    {
      record_delimiter: 'windows',
      // Left to itself the library writes 1 and nothing.
      cast: { boolean: String },
    },
  );
}

const line = (columns: readonly string[]): string => stringify([columns], { record_delimiter: 'windows' });

function json(rows: readonly Exported[], isFirst: boolean): string {
  return rows.map((row, index) => `${isFirst && index === 0 ? '' : ','}\n${JSON.stringify(row)}`).join('');
}
