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
