/** Fitting a table into a terminal: wide columns give first, and what does not fit is cut with a sign of it. Pure. */

import { stripVTControlCharacters } from 'node:util';

/** No column becomes narrower than this. */
const LEAST = 6;

/** Widths that together take at most `room` if that is possible at all. */
export function fitColumns(widths: readonly number[], room: number): number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    const widest = Math.max(...fitted);
    if (widest <= LEAST) return fitted;
    const at = fitted.indexOf(widest);
    // Down to the next one, so that several wide ones shrink together.
    const next = Math.max(LEAST, ...fitted.filter((width) => width < widest));
    const give = Math.min(excess, Math.max(1, widest - next));
    fitted[at] = widest - give;
    excess -= give;
  }
  return fitted;
}

/** Columns that a text takes in a terminal. */
export function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** The text in at most so many columns. One that has to be cut loses its colours. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return `${[...stripVTControlCharacters(text)].slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** What a terminal is taken to be where it does not say how large it is. */
const USUAL = { columns: 80, rows: 24 };

/**
 * What to write so that `text` takes the place of `shown`, the lines that were written last. No line is wider than the terminal, or it
 * would take two rows and the next one would not find its way back to the top; one that was made narrower meanwhile has wrapped them.
 */
export function repaint(
  shown: string,
  text: string,
  columns: number | undefined,
  rows: number | undefined,
): { written: string; lines: string } {
  const [width, height] = [columns || USUAL.columns, rows || USUAL.rows];
  const lines = text
    .split('\n')
    .slice(0, Math.max(1, height - 1))
    .map((line) => cut(line, width));
  const taken = shown === '' ? 0 : shown.split('\n').reduce((sum, line) => sum + rowsOf(line, width), 0);
  const back = Math.min(taken, height - 1);
  return { written: `${back > 0 ? `\u001b[${back}A\r\u001b[0J` : ''}${lines.join('\n')}\n`, lines: lines.join('\n') };
}

const rowsOf = (line: string, width: number): number => Math.max(1, Math.ceil(widthOf(line) / width));
