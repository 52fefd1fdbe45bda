/** The whole arena on one page. */

import { useState } from 'preact/hooks';
import type { Unit } from '../chart/chart-data.ts';
import { EquityChart } from '../chart/equity-chart.tsx';
import { arena, setPeriod } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Curves, Standing } from '../data/types.ts';
import { number, plural, signedPct } from '../format.ts';
import { nameOf } from '../models.ts';
import { useTitle } from '../router.tsx';
import { DecisionFeed } from './feed.tsx';
import { Leaderboard } from './leaderboard.tsx';
import { Empty, Section } from './parts.tsx';
import { Positions } from './positions.tsx';
import { Trades } from './trades.tsx';

/** The pages of the models have them all. */
const SHOWN_TRADES = 15;

export function ArenaView() {
  const leaderboard = useStore(arena, (value) => value.leaderboard);
  const models = useStore(arena, (value) => value.models);
  const curves = useStore(arena, (value) => value.curves);
  const ready = useStore(arena, (value) => value.ready);
  const positions = useStore(arena, (value) => value.positions);
  const trades = useStore(arena, (value) => value.trades);
  const leader = leaderboard[0];
  useTitle(leader ? `${nameOf(models, leader.id)} ${signedPct(leader.return_pct)} · nof0 arena` : 'nof0 arena');
  return (
    <>
      <div class="hero">
        <h1>{ready ? headline(leaderboard, models, curves) : 'The arena'}</h1>
      </div>
      <Equity />
      <Leaderboard />
      <div class="two">
        <Section id="positions" title="Open positions" aside={plural(positions.length, 'position')}>
          <Positions positions={positions} ready={ready} />
        </Section>
        <div class="stack">
          <DecisionFeed />
          <Section
            id="trades"
            title="Closed trades"
            aside={trades.length > SHOWN_TRADES ? `newest ${SHOWN_TRADES}` : undefined}
          >
            <Trades trades={trades.slice(0, SHOWN_TRADES)} ready={ready} />
          </Section>
        </div>
      </div>
    </>
  );
}

/** How things stand, as one would say it. */
function headline(
  rows: readonly Standing[],
  models: readonly { id: string; display_name: string }[],
  curves: Curves | null,
): string {
  const [first, second] = rows;
  if (first === undefined) return 'No model takes part yet';
  if (second !== undefined && first.return_pct - second.return_pct < 0.005)
    return `${nameOf(models, first.id)} and ${nameOf(models, second.id)} lead together at ${signedPct(first.return_pct)}`;
  const leads = `${nameOf(models, first.id)} ${first.return_pct > 0 ? 'leads with' : 'holds up best at'} ${signedPct(first.return_pct)}`;
  const held = heldGrowth(curves);
  if (held === null) return leads;
  const ahead = first.return_pct - held;
  return `${leads}, ${number(Math.abs(ahead))} points ${ahead < 0 ? 'behind' : 'ahead of'} Bitcoin`;
}

/** What holding Bitcoin made since everything began. */
function heldGrowth(curves: Curves | null): number | null {
  const baseline = curves?.curves.find((curve) => curve.baseline);
  const known = baseline?.equity.filter((value) => value !== null) ?? [];
  const [from, to] = [known[0], known.at(-1)];
  return arena.value.period === null && from && to !== undefined ? (to / from - 1) * 100 : null;
}

const HOUR_MS = 3_600_000;
const RANGES = [
  { label: 'All', ms: null },
  { label: '7 d', ms: 168 * HOUR_MS },
  { label: '24 h', ms: 24 * HOUR_MS },
  { label: '1 h', ms: HOUR_MS },
] as const;

export function Equity() {
  const curves = useStore(arena, (value) => value.curves);
  const models = useStore(arena, (value) => value.models);
  const [unit, setUnit] = useState<Unit>('usd');
  const [bands, setBands] = useState(true);
  const period = useStore(arena, (value) => value.period);
  const hasBands = curves?.curves.some(({ lower }) => lower !== null) ?? false;
  return (
    <Section
      id="equity"
      title="Equity"
      aside={
        <>
          <Choice
            label="Period"
            options={RANGES.map(({ label, ms }) => ({ label, value: ms }))}
            value={period}
            onChoose={setPeriod}
          />
          <Choice
            label="Unit"
            options={[
              { label: '$', value: 'usd' as Unit },
              { label: '%', value: 'pct' as Unit },
            ]}
            value={unit}
            onChoose={setUnit}
          />
          <label
            class="switch"
            title="How far a curve could have come by luck: the 95 % interval of its growth so far, from 24 steps on. Point at a curve’s name to see its own."
          >
            <input type="checkbox" checked={bands && hasBands} disabled={!hasBands} onChange={() => setBands(!bands)} />
            95 % interval
          </label>
        </>
      }
    >
      <div class="chart-place">
        {curves !== null && curves.times.length > 0 ? (
          <EquityChart curves={curves} models={models} unit={unit} bands={bands} />
        ) : (
          curves !== null && (
            <Empty>
              {period === null ? 'Curves begin with the first snapshot.' : 'Nothing was recorded in this period.'}
            </Empty>
          )
        )}
      </div>
    </Section>
  );
}

type ChoiceProps<T> = {
  readonly label: string;
  readonly options: readonly { readonly label: string; readonly value: T }[];
  readonly value: T;
  readonly onChoose: (value: T) => void;
};

/** One of few: radio buttons that look like one control. */
export function Choice<T>({ label, options, value, onChoose }: ChoiceProps<T>) {
  return (
    <fieldset class="choice">
      <legend class="unseen">{label}</legend>
      {options.map((option) => (
        <label key={option.label}>
          <input type="radio" name={label} checked={option.value === value} onChange={() => onChoose(option.value)} />
          <span>{option.label}</span>
        </label>
      ))}
    </fieldset>
  );
}
