/** What goes to a terminal: tables that fit it, and a live view that never writes beyond its edges. */

import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, fitColumns, repaint, widthOf } from '../../src/cli/fit.ts';
import { table } from '../../src/cli/output.ts';
import { barLine, startBar } from '../../src/cli/progress.ts';
import { queuesLine } from '../../src/cli/summary.ts';
import { paint } from '../../src/cli/top.ts';

describe('a table', () => {
  const head = ['model', 'equity', 'what it decided last'];
  const rows = [
    ['deepseek-chat-v3.1', '10,123.45', `#17 open_long BTC ${'because '.repeat(20)}`],
    ['carry', '9,000.00', 'hold'],
  ];

  it('is as wide as its content where nothing limits it', () => {
    const lines = table(head, rows, Number.POSITIVE_INFINITY).split('\n');
    expect(lines.some((line) => line.includes('because because'))).toBe(true);
    expect(table(head, rows, Number.POSITIVE_INFINITY)).not.toContain('…');
  });

  it.each([200, 80, 60, 40])('fits a terminal of %d columns', (columns) => {
    const lines = table(head, rows, columns).split('\n');
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
    // The widest column gives first: names and figures stay whole as long as they can.
    if (columns >= 60) for (const whole of ['deepseek-chat-v3.1', '10,123.45']) expect(lines.join()).toContain(whole);
  });

  it('fits whenever that is possible, and gives nothing away needlessly', () => {
    const widths = fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(widths, fc.integer({ min: 1, max: 300 }), (natural, room) => {
        const fitted = fitColumns(natural, room);
        const total = fitted.reduce((sum, width) => sum + width, 0);
        const whole = natural.reduce((sum, width) => sum + width, 0);
        for (const [index, width] of fitted.entries()) {
          expect(width).toBeLessThanOrEqual(natural[index] ?? 0);
          if (width < (natural[index] ?? 0)) expect(width).toBeGreaterThanOrEqual(6);
        }
        if (whole <= room) expect(fitted).toEqual(natural);
        else expect(total <= room || fitted.every((width) => width <= 6)).toBe(true);
        if (total <= room && whole > room) expect(total).toBe(room);
      }),
    );
  });
});

describe('a cut', () => {
  it('counts what is seen, not the colours, and leaves none open', () => {
    const red = '\u001b[31mfailed\u001b[39m';
    expect(cut(red, 6)).toBe(red);
    expect(cut(red, 4)).toBe('fai…');
    expect(widthOf(cut('😀😀😀😀', 3))).toBe(3);
  });
});

describe('the live view', () => {
  it('writes no line beyond the last column and none below the last row', () => {
    const text = Array.from({ length: 50 }, (_, line) => `${line} ${'x'.repeat(200)}`).join('\n');
    const painted = paint(text, 80, 24);
    const lines = painted.split('\r\n');
    expect(lines.length).toBe(23);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(80);
  });
});

/** A terminal as far as the summary needs one: rows that wrap, the cursor going up, everything below erased. */
function terminal(columns: number) {
  const rows = [''];
  return {
    rows,
    write(text: string) {
      const erases = '\r\u001b[0J';
      const end = text.indexOf(erases);
      if (end >= 0) {
        const up = Number(text.slice(0, end).replace(/\D/g, ''));
        rows.length = Math.max(0, rows.length - 1 - up);
        rows.push('');
      }
      const lines = text.slice(end < 0 ? 0 : end + erases.length).split('\n');
      for (const [index, line] of lines.entries()) {
        if (index > 0) rows.push('');
        for (let left = line; left !== ''; left = left.slice(columns)) {
          if (left !== line) rows.push('');
          rows[rows.length - 1] = left.slice(0, columns);
        }
      }
    },
  };
}

describe('the summary of nof0 up', () => {
  const frame = (n: number) =>
    [`market time ${n}`, 'model  equity', `a      ${n}`, `jobs: ${'x'.repeat(300)}`].join('\n');

  it('takes the place of itself however narrow the terminal is', () => {
    for (const columns of [40, 80, 200]) {
      const screen = terminal(columns);
      screen.write('ready\n');
      let shown = '';
      for (const n of [1, 2, 3]) {
        const next = repaint(shown, frame(n), columns, 24);
        screen.write(next.written);
        shown = next.lines;
      }
      expect(screen.rows.filter((row) => row.startsWith('market time'))).toEqual(['market time 3']);
      expect(screen.rows[0]).toBe('ready');
      expect(screen.rows).toHaveLength(6);
    }
  });

  it('finds its beginning after the terminal became narrower, and stays within one that does not know its size', () => {
    const wide = repaint('', `a\n${'x'.repeat(100)}`, 120, 24);
    expect(repaint(wide.lines, 'b', 60, 24).written).toContain('\u001b[3A');
    const lines = repaint('', `${'x'.repeat(200)}\n`.repeat(50), 0, undefined).lines.split('\n');
    expect(lines.length).toBeLessThan(24);
    expect(Math.max(...lines.map(widthOf))).toBe(80);
  });

  it('names the queues that have something to do, and failures first', () => {
    const depths = [
      { queue: 'snapshot', counts: { waiting: 0, active: 0, failed: 0 } },
      { queue: 'decision-cycle', counts: { waiting: 1, prioritized: 2, active: 6, failed: 0 } },
    ];
    expect(stripVTControlCharacters(queuesLine(depths))).toBe('jobs: decision-cycle 3 waiting, 6 active');
    expect(stripVTControlCharacters(queuesLine([]))).toBe('jobs: nothing waits');
    const failed = [...depths, { queue: 'analytics', counts: { failed: 2 } }];
    expect(stripVTControlCharacters(queuesLine(failed))).toMatch(/^2 failed \(nof0 failed\) · jobs: /);
  });
});

describe('a progress bar', () => {
  function screen(isTTY: boolean, columns?: number) {
    const written: string[] = [];
    return {
      written,
      isTTY,
      ...(columns === undefined ? {} : { columns }),
      write: (text: string) => written.push(text),
    };
  }

  it('is drawn in a terminal, within its width, and is gone at the end', () => {
    const terminal = screen(true, 60);
    const bar = startBar('verify', false, terminal);
    bar.show(0, 4, 'ledger of somebody with a name that is far too long for this terminal');
    bar.show(1, 4, 'too soon to be drawn');
    bar.show(4, 4, 'done');
    bar.end();
    expect(terminal.written).toHaveLength(3);
    for (const text of terminal.written) expect(widthOf(text.replace('\r', ''))).toBeLessThan(60);
    expect(terminal.written[0]).toMatch(/verify ░{24} {3}0 % {2}ledger of some.*…$/);
    expect(terminal.written[1]).toMatch(/verify █{24} 100 % {2}done$/);
    expect(terminal.written[2]).toBe('\r\u001b[2K');
  });

  it('is nowhere where nobody watches, and with --json', () => {
    for (const [isTTY, quiet] of [
      [false, false],
      [true, true],
    ] as const) {
      const terminal = screen(isTTY, 80);
      const bar = startBar('verify', quiet, terminal);
      bar.show(1, 1, 'done');
      bar.end();
      expect(terminal.written).toEqual([]);
    }
  });

  it('stays between nothing and everything', () => {
    expect(barLine('a', 0, 0, 'b')).toContain('100 %');
    expect(barLine('a', 7, 5, 'b')).toContain('100 %');
    expect(barLine('a', -7, 5, 'b')).toContain('  0 %');
  });
});
