/** The chart's drawing: uPlot with our curves, bands and colours. Knows nothing of components. */

import type uPlot from 'uplot';
import { dayOf, minuteOf, signedPct, timeOf, usd } from '../format.ts';
import { type ChartData, type Line, rangeOf, type Unit } from './chart-data.ts';
import { colourOf, faint } from './colours.ts';

/** px */
export type Size = { readonly width: number; readonly height: number };

export type Look = {
  readonly unit: Unit;
  /** The curve that is looked at; the others step back. */
  readonly focus: string | null;
  /** The curve whose interval is shown. */
  readonly banded: string | null;
  readonly classOf: (id: string) => string;
  /** Room at the right for the labels, px. */
  readonly gutter: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** uPlot's columns: the times, then of every line its values and its two bounds. */
export function columns({ times, lines }: ChartData): uPlot.AlignedData {
  const empty = times.map(() => null);
  const of = (line: Line) => [line.values, line.lower ?? empty, line.upper ?? empty];
  return [times, ...lines.flatMap(of)] as unknown as uPlot.AlignedData;
}

/** `current`: what is drawn now; its figures move while the plot stays. */
export function options(
  root: HTMLElement,
  current: { readonly data: ChartData },
  look: Look,
  size: Size,
): uPlot.Options {
  const { data } = current;
  const ink = colourOf(root, '', '--ink-2');
  const rule = colourOf(root, '', '--rule');
  const span = (data.times.at(-1) ?? 0) - (data.times[0] ?? 0);
  const tick = (ms: number) => (span > 3 * DAY_MS ? dayOf(ms) : span > HOUR_MS / 4 ? minuteOf(ms) : timeOf(ms));
  const series: uPlot.Series[] = data.lines.flatMap((line) => {
    const colour = colourOf(root, look.classOf(line.id), '--model');
    const away = look.focus !== null && look.focus !== line.id;
    const width = look.focus === line.id ? 2.5 : line.baseline ? 1.5 : 1.75;
    const edge = line.id === look.banded ? { stroke: faint(colour, 0.35), width: 1, dash: [2, 3] } : { width: 0 };
    const bound: uPlot.Series = { ...edge, points: { show: false }, spanGaps: true };
    return [
      {
        stroke: faint(colour, away ? 0.25 : 1),
        width,
        spanGaps: true,
        points: { show: false },
        ...(line.baseline ? { dash: [5, 4] } : {}),
      },
      { ...bound },
      { ...bound },
    ];
  });
  const bands: uPlot.Band[] = data.lines.flatMap((line, index) => {
    if (line.id !== look.banded || line.lower === null) return [];
    const colour = colourOf(root, look.classOf(line.id), '--model');
    return [{ series: [index * 3 + 3, index * 3 + 2], fill: faint(colour, 0.07) }];
  });
  const font = `12px ${getComputedStyle(root).fontFamily}`;
  return {
    ...size,
    ms: 1,
    padding: [12, look.gutter, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
    focus: { alpha: 1 },
    scales: {
      x: { time: true },
      y: { range: () => rangeOf(current.data.lines, look.unit, look.banded) },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { stroke: rule, width: 1, size: 5 },
        space: 96,
        size: 34,
        values: (_, marks) => marks.map(tick),
      },
      {
        stroke: ink,
        font,
        grid: { stroke: rule, width: 1 },
        ticks: { show: false },
        size: 64,
        gap: 8,
        space: 56,
        values: (_, marks) => axisTexts(marks, look.unit),
      },
    ],
    series: [{}, ...series],
    bands,
  };
}

/** As many digits as tell the marks apart. */
function axisTexts(marks: readonly number[], unit: Unit): string[] {
  const step = Math.abs((marks[1] ?? 1) - (marks[0] ?? 0));
  const digits = Math.min(4, Math.max(0, Math.ceil(-Math.log10(step || 1))));
  return marks.map((mark) => (unit === 'usd' ? usd(mark, digits) : signedPct(mark, digits)));
}
