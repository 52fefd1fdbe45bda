/** Small things that many views are made of. */

import type { ComponentChildren } from 'preact';
import { price, tone } from '../format.ts';
import { useColourClass, useModelName } from '../models.ts';
import { Link, modelPath } from '../router.tsx';

type Children = { readonly children: ComponentChildren };

/** A part of a page with its heading, and what stands at the heading's right. */
export function Section({
  id,
  title,
  aside,
  children,
}: Children & { readonly id: string; readonly title: string; readonly aside?: ComponentChildren }) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <div class="section-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside !== undefined && <div class="section-aside">{aside}</div>}
      </div>
      {children}
    </section>
  );
}

/** A model by its colour and name, leading to its page. */
export function ModelLink({ id }: { readonly id: string }) {
  const [name, colour] = [useModelName(id), useColourClass(id)];
  return (
    <Link to={modelPath(id)} class={`model-link ${colour}`}>
      <span class="swatch" />
      {name}
    </Link>
  );
}

/** A figure that is good above zero and bad below. */
export function Change({ value, text }: { readonly value: number | null | undefined; readonly text: string }) {
  return <span class={`figure ${tone(value)}`}>{text}</span>;
}

export const Side = ({ quantity }: { readonly quantity: number }) => (
  <span class={`side ${quantity < 0 ? 'short' : 'long'}`}>{quantity < 0 ? 'Short' : 'Long'}</span>
);

export const Empty = ({ children }: Children) => <p class="empty">{children}</p>;

type Column = { readonly label: string; readonly numeric?: boolean; readonly hint?: string };
type TableProps = Children & { readonly caption: string; readonly columns: readonly Column[]; readonly class?: string };

/** A table whose rows turn into cards where there is no room for columns: cells name themselves by `data-label`. */
export function Table({ caption, columns, children, class: className = '' }: TableProps) {
  return (
    <table class={`rows ${className}`}>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ label, numeric, hint }) => (
            <th key={label} scope="col" class={numeric ? 'numeric' : undefined} title={hint}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

const HEAD_PX = 34;

/** Room for so many rows, whatever stands in it: what comes below does not jump when they come. */
export function Place({ rows, height = 44, children }: Children & { readonly rows: number; readonly height?: number }) {
  return <div style={{ minHeight: `${rows * height + HEAD_PX}px` }}>{children}</div>;
}

/** Rows that hold the place of those that are being read. */
export function Waiting({ rows, height = 44 }: { readonly rows: number; readonly height?: number }) {
  return (
    <div class="waiting" aria-hidden="true" style={{ height: `${rows * height + HEAD_PX}px` }}>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} />
      ))}
    </div>
  );
}

type CorridorProps = {
  readonly stop: number | null;
  readonly target: number | null;
  readonly entry: number;
  readonly mark: number;
  /** How a price is written. */
  readonly show?: (value: number | null) => string;
};

/** Where the price stands between what would end the position, and where it came from. */
export function Corridor({ stop, target, entry, mark, show = price }: CorridorProps) {
  if (stop === null && target === null) return <span class="quiet-text">no stop, no target</span>;
  if (stop === null || target === null)
    return <span class="figure">{stop === null ? `target ${show(target)}` : `stop ${show(stop)}`}</span>;
  const place = (value: number) => `${Math.min(100, Math.max(0, (100 * (value - stop)) / (target - stop)))}%`;
  return (
    <span class="corridor">
      <span class="figure">{show(stop)}</span>
      <span class="track" aria-hidden="true">
        <span class="entry" style={{ left: place(entry) }} />
        <span class="mark" style={{ left: place(mark) }} />
      </span>
      <span class="figure">{show(target)}</span>
    </span>
  );
}
