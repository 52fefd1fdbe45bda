/** What goes to a terminal: tables that fit it, and a live view that never writes beyond its edges. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, fitColumns, widthOf } from '../../src/cli/fit.ts';
import { table } from '../../src/cli/output.ts';
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
