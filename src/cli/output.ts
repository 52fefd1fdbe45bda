/** What commands print: answers to standard output, everything else to standard error. */

import Table from 'cli-table3';
import pc from 'picocolors';
import { CodedError, toCoded } from '../errors.ts';
import { cut, fitColumns, widthOf } from './fit.ts';

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Blanks between two columns. */
const GAP = 2;

/** A table that reads well in a terminal, where it fits its width, and in a log, where nothing is cut. */
export function table(
  head: readonly string[],
  body: readonly (readonly (string | number)[])[],
  // A terminal of no columns is one that does not know its own width.
  room = (process.stdout.isTTY && process.stdout.columns) || Number.POSITIVE_INFINITY,
): string {
  const natural = head.map((cell, column) =>
    Math.max(widthOf(cell), ...body.map((row) => widthOf(String(row[column] ?? '')))),
  );
  const widths = fitColumns(natural, room - GAP * (head.length - 1));
  const rows = body.map((row) =>
    row.map((cell, column) => (typeof cell === 'number' ? cell : cut(cell, widths[column] ?? cell.length))),
  );
  const bare = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const view = new Table({
    head: head.map((cell, column) => pc.dim(cut(cell, widths[column] ?? cell.length))),
    chars: bare,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: head.map((_, column) =>
      rows.every((row) => typeof row[column] === 'number' || /^[-+]?[\d.,]+ ?%?$/.test(String(row[column]))) &&
      rows.length > 0
        ? 'right'
        : 'left',
    ),
  });
  view.push(...rows.map((row) => row.map(String)));
  return view.toString();
}

/** One clear line, and a line a fault, for people; never a stack. */
export function printError(error: unknown): void {
  const coded = toCoded(error);
  note(`${pc.red('error')} ${pc.bold(coded.code)} ${coded.message}`);
  for (const fault of coded.faults) note(`  ${pc.bold(fault.path)}: expected ${fault.expected}`);
}

/** A value from a flag that is not what it must be. */
export function badFlag(flag: string, expected: string, got: string): CodedError {
  return new CodedError('NOF0_INPUT_INVALID', `${flag} expects ${expected}, got "${got}"`);
}

/** `1,234.56`. */
export function usd(value: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** `2026-01-01 12:00:00`, UTC. */
export function moment(at: Date): string {
  return at.toISOString().slice(0, 19).replace('T', ' ');
}

/** One line of at most so many characters. */
export function shorten(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}
