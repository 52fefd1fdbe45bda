/** A progress bar on standard error: redrawn in a terminal, a line now and then elsewhere. */

import { note } from './output.ts';

const REDRAW_MS = 100;
const LINE_MS = 5000;
const WIDTH = 24;

export type Progress = {
  /** Adds bytes that were worked through, and says how many rows that was so far. */
  advance(bytes: number, rows: number): void;
  end(): void;
};

/** `total`: bytes of the whole. */
export function startProgress(label: string, total: number): Progress {
  const live = process.stderr.isTTY;
  const startedAt = Date.now();
  let shownAt = startedAt;
  let bytes = 0;
  let rows = 0;
  const line = () => {
    const share = total === 0 ? 1 : Math.min(1, bytes / total);
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░');
    const perSecond = Math.round(rows / Math.max(0.001, (Date.now() - startedAt) / 1000));
    return `${label} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${rows.toLocaleString('en-US')} rows, ${perSecond.toLocaleString('en-US')}/s`;
  };
  return {
    advance(more, count) {
      bytes += more;
      rows = count;
      if (Date.now() - shownAt < (live ? REDRAW_MS : LINE_MS)) return;
      shownAt = Date.now();
      if (live) process.stderr.write(`\r\u001b[2K${line()}`);
      else note(line());
    },
    end() {
      if (live) process.stderr.write('\r\u001b[2K');
    },
  };
}
