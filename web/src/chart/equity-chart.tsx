/** Equity of all models over time, each curve named at its end. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { Curves } from '../data/types.ts';
import { fullTime, number, signedPct, tone, usd } from '../format.ts';
import { colourClass, nameOf } from '../models.ts';
import { Link, modelPath } from '../router.tsx';
import { useScheme } from '../theme.tsx';
import { type ChartData, chartData, type Line, spread, type Unit } from './chart-data.ts';
import { columns, type Look, options, type Size } from './plot.ts';

type Props = {
  readonly curves: Curves;
  readonly models: readonly { id: string; display_name: string }[];
  readonly unit: Unit;
  readonly bands: boolean;
  /** Stays in front while nothing else is pointed at. */
  readonly chosen?: string;
};

const NARROW_PX = 680;
const GUTTER_PX = 198;
const NARROW_GUTTER_PX = 12;
const LABEL_PX = 20;

type Drawn = { readonly plot: uPlot; readonly current: { data: ChartData } };

export function EquityChart({ curves, models, unit, bands, chosen }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [size, setSize] = useState<Size | null>(null);
  const [, setDraws] = useState(0);
  const scheme = useScheme();
  const data = useMemo(() => chartData(curves, unit), [curves, unit]);
  const ids = models.map(({ id }) => id);
  const classOf = (id: string) => colourClass(ids, id);
  const narrow = size !== null && size.width < NARROW_PX;
  const focus = pointed ?? chosen ?? null;
  // One band at a time: all of them together hide the curves.
  const banded = bands ? (focus ?? leader(data)) : null;
  const look: Look = { unit, focus, banded, classOf, gutter: narrow ? NARROW_GUTTER_PX : GUTTER_PX };

  useLayoutEffect(() => {
    const element = root.current;
    if (element === null) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What decides how it looks makes a new plot; new figures alone only new columns.
  const shape = `${data.lines.map(({ id, lower }) => `${id}${lower === null}`).join()} ${ids.join()} ${focus} ${unit} ${banded} ${scheme} ${size?.width} ${size?.height}`;
  useLayoutEffect(() => {
    const element = root.current;
    if (element === null || size === null || size.width === 0) return;
    const current = { data };
    const plot = new uPlot(options(element, current, look, size), columns(data), element);
    plot.hooks.setCursor = [({ cursor: { idx } }) => setCursor(idx ?? null)];
    // Scales are settled when it has drawn; names and dots follow them.
    plot.hooks.draw = [() => setDraws((count) => count + 1)];
    drawn.current = { plot, current };
    return () => {
      plot.destroy();
      drawn.current = null;
    };
  }, [shape]);

  useEffect(() => {
    const now = drawn.current;
    if (now === null || now.current.data === data) return;
    now.current.data = data;
    now.plot.setData(columns(data));
  }, [data]);

  const step = (by: number) => {
    const plot = drawn.current?.plot;
    if (!plot || data.times.length === 0) return;
    const index = Math.max(0, Math.min(data.times.length - 1, (cursor ?? data.times.length) + by));
    plot.setCursor({ left: plot.valToPos(data.times[index] ?? 0, 'x'), top: 0 });
    setCursor(index);
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    step((event.key === 'ArrowLeft' ? -1 : 1) * (event.shiftKey ? 10 : 1));
  };

  const plot = drawn.current?.plot ?? null;
  return (
    <div class="chart">
      <div
        class="plot"
        tabIndex={0}
        role="slider"
        aria-label="Equity over time"
        aria-valuemin={0}
        aria-valuemax={Math.max(0, data.times.length - 1)}
        aria-valuenow={cursor ?? Math.max(0, data.times.length - 1)}
        aria-valuetext={summary(data, models, cursor)}
        onKeyDown={keys}
        data-points={data.times.length}
      >
        <div class="plot-canvas" ref={root} />
        {plot && cursor !== null && (
          <Reading plot={plot} data={data} index={cursor} unit={unit} models={models} classOf={classOf} />
        )}
        {plot &&
          !narrow &&
          data.lines.map((line) => <EndDot key={line.id} plot={plot} data={data} line={line} classOf={classOf} />)}
      </div>
      <EndLabels
        plot={narrow ? null : plot}
        data={data}
        models={models}
        classOf={classOf}
        focus={focus}
        onPoint={setPointed}
      />
    </div>
  );
}

/** The model that has grown most among those with a band. */
function leader({ lines }: ChartData): string | null {
  const known = lines.filter(({ lower, end }) => lower !== null && end !== null);
  return known.sort((a, b) => (b.growthPct ?? 0) - (a.growthPct ?? 0))[0]?.id ?? null;
}

/** What somebody hears who does not see the curves: how they stand, or stood at the moment that the arrow keys have come to. */
function summary({ times, lines }: ChartData, models: Props['models'], cursor: number | null): string {
  const at = cursor === null ? undefined : times[cursor];
  const said = [...lines]
    .sort((a, b) => (b.growthPct ?? 0) - (a.growthPct ?? 0))
    .map((line) => {
      const value = cursor === null ? null : valueAt(line, cursor);
      return `${nameOf(models, line.id)} ${value === null ? signedPct(line.growthPct) : number(value)}`;
    });
  return `${at === undefined ? 'Now' : fullTime(at)}: ${said.join(', ')}`;
}

type Placed = { readonly plot: uPlot; readonly data: ChartData; readonly classOf: (id: string) => string };

function EndDot({ plot, data, line, classOf }: Placed & { readonly line: Line }) {
  if (line.end === null) return null;
  const x = plot.valToPos(data.times[line.end.index] ?? 0, 'x') + plot.over.offsetLeft;
  const y = plot.valToPos(line.end.value, 'y') + plot.over.offsetTop;
  return <span class={`end-dot ${classOf(line.id)}`} style={{ transform: `translate(${x}px, ${y}px)` }} />;
}

type LabelProps = Omit<Placed, 'plot'> & {
  readonly plot: uPlot | null;
  readonly models: Props['models'];
  readonly focus: string | null;
  readonly onPoint: (id: string | null) => void;
};

/** Names with growth: beside the ends of the curves where there is room, else in a row below. */
function EndLabels({ plot, data, models, classOf, focus, onPoint }: LabelProps) {
  const ended = data.lines.filter((line) => line.end !== null);
  const wanted = plot
    ? ended.map(({ id, end }) => ({ key: id, y: plot.valToPos(end?.value ?? 0, 'y') + plot.over.offsetTop }))
    : [];
  const bottom = plot ? plot.over.offsetTop + plot.over.clientHeight - LABEL_PX / 2 : 0;
  const places = spread(wanted, LABEL_PX, LABEL_PX / 2, bottom);
  const sorted = [...ended].sort((a, b) => (b.growthPct ?? 0) - (a.growthPct ?? 0));
  return (
    <ul class={plot ? 'end-labels' : 'end-labels in-row'} aria-label="Curves">
      {sorted.map((line) => {
        const y = places.get(line.id);
        const text = (
          <>
            <span class="swatch" data-baseline={line.baseline} />
            <span class="name">{nameOf(models, line.id)}</span>
            <span class={`figure ${tone(line.growthPct)}`}>{signedPct(line.growthPct)}</span>
          </>
        );
        return (
          <li
            key={line.id}
            class={`${classOf(line.id)}${focus !== null && focus !== line.id ? ' away' : ''}`}
            style={y === undefined ? undefined : { transform: `translateY(${y - LABEL_PX / 2}px)` }}
            onMouseEnter={() => onPoint(line.id)}
            onMouseLeave={() => onPoint(null)}
            onFocusIn={() => onPoint(line.id)}
            onFocusOut={() => onPoint(null)}
          >
            {line.baseline ? (
              <span class="end-label">{text}</span>
            ) : (
              <Link to={modelPath(line.id)} class="end-label">
                {text}
              </Link>
            )}
          </li>
        );
      })}
    </ul>
  );
}

type ReadingProps = Placed & { readonly index: number; readonly unit: Unit; readonly models: Props['models'] };

/** What every curve was worth at the moment under the pointer. */
function Reading({ plot, data, index, unit, models, classOf }: ReadingProps) {
  const at = data.times[index];
  if (at === undefined) return null;
  const rows = data.lines
    .map((line) => ({ line, value: valueAt(line, index) }))
    .filter((row): row is { line: Line; value: number } => row.value !== null)
    .sort((a, b) => b.value - a.value);
  const x = plot.valToPos(at, 'x');
  const left = x > plot.over.clientWidth / 2;
  return (
    <div class={`reading${left ? ' left' : ''}`} style={{ transform: `translateX(${x + plot.over.offsetLeft}px)` }}>
      <div class="card">
        <div class="reading-time">{fullTime(at)}</div>
        {rows.map(({ line, value }) => (
          <div key={line.id} class={`reading-row ${classOf(line.id)}`}>
            <span class="swatch" data-baseline={line.baseline} />
            <span class="name">{nameOf(models, line.id)}</span>
            <span class="figure">{unit === 'usd' ? usd(value) : signedPct(value)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** The newest value at or before a place. */
function valueAt(line: Line, index: number): number | null {
  const known = line.values.findLastIndex((value, place) => place <= index && value !== null);
  return known < 0 ? null : (line.values[known] ?? null);
}
