/** Progress of long work on standard error: a bar that is redrawn in a terminal; elsewhere nothing, or a line now and then. */

import { cut } from './fit.ts';
import { note } from './output.ts';

const REDRAW_MS = 100;
const LINE_MS = 5000;
const WIDTH = 24;
const CLEAR = '\r\u001b[2K';

export type Bar = {
  /** So much is done, and what is said about it. */
  show(done: number, total: number, said: string): void;
  end(): void;
};

/** Where it is drawn; a terminal of no columns does not know its width. */
export type Screen = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };

/** `quiet`: nothing is drawn, as with `--json`. */
export function startBar(label: string, quiet = false, screen: Screen = process.stderr): Bar {
  if (quiet || !screen.isTTY) return { show() {}, end() {} };
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show(done, total, said) {
      // The end of it is always seen.
      if (done < total && performance.now() - shownAt < REDRAW_MS) return;
      shownAt = performance.now();
      // One column less: the last one makes some terminals begin a new line.
      screen.write(CLEAR + cut(barLine(label, done, total, said), (screen.columns || 80) - 1));
    },
    end() {
      screen.write(CLEAR);
    },
  };
}

export function barLine(label: string, done: number, total: number, said: string): string {
  const share = total === 0 ? 1 : Math.min(1, Math.max(0, done / total));
  const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
  return `${label} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${said}`;
}

export type Progress = {
  /** Adds bytes that were worked through, and says how many rows that was so far. */
  advance(bytes: number, rows: number): void;
  end(): void;
};

/** Of work that is measured in bytes, `total` of them. Without a terminal it says a line now and then, unless `quiet`. */
export function startProgress(label: string, total: number, quiet = false): Progress {
  const bar = startBar(label, quiet);
  const startedAt = Date.now();
  let shownAt = startedAt;
  let bytes = 0;
  return {
    advance(more, rows) {
      bytes += more;
      const perSecond = Math.round(rows / Math.max(0.001, (Date.now() - startedAt) / 1000));
      const said = `${rows.toLocaleString('en-US')} rows, ${perSecond.toLocaleString('en-US')}/s`;
      bar.show(bytes, total, said);
      if (quiet || process.stderr.isTTY || Date.now() - shownAt < LINE_MS) return;
      shownAt = Date.now();
      note(barLine(label, bytes, total, said));
    },
    end: () => bar.end(),
  };
}
