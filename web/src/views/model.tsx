/** One model: how it stands, what it decided and why, what came of it. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { EquityChart } from '../chart/equity-chart.tsx';
import { ApiFault, api } from '../data/api.ts';
import { arena } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Decision, Fill, Model, Trade } from '../data/types.ts';
import { count, NONE, number, pct, plural, signedPct, tone, usd } from '../format.ts';
import { useColourClass, useModelName } from '../models.ts';
import { Link, useTitle } from '../router.tsx';
import { AnalyticsTables } from './analytics.tsx';
import { Fills } from './fills.tsx';
import { netReturn, Sharpe } from './leaderboard.tsx';
import { Empty, Section, Waiting } from './parts.tsx';
import { Positions } from './positions.tsx';
import { Timeline } from './timeline.tsx';
import { Trades } from './trades.tsx';

type Own = {
  readonly decisions: readonly Decision[];
  readonly older: string | undefined;
  readonly fills: readonly Fill[];
  readonly trades: readonly Trade[];
};

export function ModelView({ id }: { readonly id: string }) {
  const name = useModelName(id);
  const model = useStore(arena, (value) => value.models.find((each) => each.id === id));
  const ready = useStore(arena, (value) => value.ready);
  const positions = useStore(arena, (value) => value.positions);
  const analytics = useStore(arena, (value) => value.analytics.get(id));
  const { own, fault, readOlder } = useOwn(id);
  useTitle(`${name} · nof0 arena`);
  if (fault?.status === 404) return <Unknown id={id} message={fault.message} />;
  const mine = positions.filter(({ modelId }) => modelId === id);
  return (
    <>
      <Heading id={id} name={name} model={model} />
      <Figures id={id} model={model} />
      <Curve id={id} />
      <Section id="positions" title="Open positions" aside={plural(mine.length, 'position')}>
        <Positions positions={mine} ready={ready} single />
      </Section>
      <Section id="decisions" title="Decisions" aside="newest first">
        {own === null ? (
          <Waiting rows={8} />
        ) : (
          <Timeline
            decisions={own.decisions}
            fills={own.fills}
            {...(own.older === undefined ? {} : { onOlder: readOlder })}
          />
        )}
      </Section>
      <Section id="trades" title="Closed trades">
        <Trades trades={own?.trades ?? []} ready={own !== null} single />
      </Section>
      <Section id="fills" title="Fills and funding">
        <Fills fills={own?.fills ?? []} ready={own !== null} />
      </Section>
      {analytics && (
        <Section id="analytics" title="Analytics">
          <AnalyticsTables analytics={analytics} />
        </Section>
      )}
    </>
  );
}

/** Asked for when some are new; the first time it is a whole page. */
const NEW_DECISIONS = 12;

/** What only this page shows. Read again when the model has decided, and when the connection is back. */
function useOwn(id: string) {
  const [own, setOwn] = useState<Own | null>(null);
  const [fault, setFault] = useState<ApiFault | null>(null);
  const isRead = useRef(false);
  const decided = useStore(arena, (value) => value.decided[id] ?? 0);
  const isLive = useStore(arena, (value) => value.connection === 'live');
  useEffect(() => {
    let isCurrent = true;
    const read = async () => {
      const count = isRead.current ? NEW_DECISIONS : undefined;
      const [decisions, fills, trades] = await Promise.all([api.decisions(id, count), api.fills(id), api.trades(id)]);
      if (!isCurrent) return;
      isRead.current = true;
      setFault(null);
      setOwn((before) => ({
        ...merged(before, decisions.decisions, decisions.nextBefore),
        fills: fills.fills,
        trades: trades.trades,
      }));
    };
    // A lost connection is told above every view; only an unknown model is this page's own matter.
    read().catch((error: unknown) => isCurrent && setFault(error instanceof ApiFault ? error : null));
    return () => {
      isCurrent = false;
    };
  }, [id, decided, isLive]);
  const readOlder = useCallback(async () => {
    const page = await api.decisions(id, 60, own?.older);
    setOwn(
      (before) => before && { ...before, decisions: [...before.decisions, ...page.decisions], older: page.nextBefore },
    );
  }, [id, own?.older]);
  return { own, fault, readOlder };
}

/** The newest page before those that were read already, as long as they meet; else the newest page alone. */
function merged(
  before: Own | null,
  page: readonly Decision[],
  next: string | undefined,
): Pick<Own, 'decisions' | 'older'> {
  const oldest = page.at(-1)?.cycle_number ?? 0;
  const older = before?.decisions.filter(({ cycle_number }) => cycle_number < oldest) ?? [];
  const meets = before?.decisions.some(({ cycle_number }) => cycle_number === oldest) ?? false;
  return before && meets && older.length > 0
    ? { decisions: [...page, ...older], older: before.older }
    : { decisions: page, older: next };
}

function Unknown({ id, message }: { readonly id: string; readonly message: string }) {
  return (
    <div class="hero">
      <h1>No model “{id}”</h1>
      <p>{message}</p>
      <p>
        <Link to="/">Back to the arena</Link>
      </p>
    </div>
  );
}

type Who = { readonly id: string; readonly model: Model | undefined };

function Heading({ id, name, model }: Who & { readonly name: string }) {
  const colour = useColourClass(id);
  const rank = useStore(arena, (value) => value.leaderboard.findIndex((row) => row.id === id) + 1);
  const of = useStore(arena, (value) => value.leaderboard.length);
  const state = model?.trader?.state;
  return (
    <div class={`hero model-head ${colour}`}>
      <Link to="/" class="back">
        ← All models
      </Link>
      <h1>
        <span class="swatch" />
        {name}
      </h1>
      <p class="quiet-text">
        {rank > 0 && `Place ${rank} of ${of}`}
        {model &&
          ` · trades at ${model.exchange_provider === 'paper' ? 'the paper exchange' : model.exchange_provider}`}
        {state && ` · ${state}`}
      </p>
    </div>
  );
}

function Figures({ id, model }: Who) {
  const row = useStore(arena, (value) => value.leaderboard.find((each) => each.id === id));
  const fees = useStore(arena, (value) => value.analytics.get(id)?.fee_pnl_moves_breakdown_table.total_fees_paid);
  const metrics = model?.metrics && model.metrics.hours > 0 ? model.metrics : null;
  // One return varies around nothing.
  const ratios = metrics && metrics.hours > 1 ? metrics : null;
  const net = row ? netReturn(row, model) : null;
  const figures = [
    ['Equity', usd(row?.equity)],
    ['Return', signedPct(row?.return_pct), tone(row?.return_pct)],
    ['Net of model cost', signedPct(net), tone(net)],
    ['Model cost', usd(model?.metrics?.model_cost_usd)],
    ['Sharpe', <Sharpe key="sharpe" model={model} />],
    ['Sortino', ratios ? number(ratios.sortino) : NONE],
    ['Drawdown', metrics ? pct(metrics.max_drawdown_pct, 2) : NONE],
    ['Volatility', ratios ? pct(ratios.volatility_pct) : NONE],
    ['Exposure', metrics ? pct(metrics.exposure_pct, 0) : NONE],
    ['Win rate', row && row.num_trades > 0 ? pct((100 * row.num_wins) / row.num_trades, 0) : NONE],
    ['Trades', count(row?.num_trades)],
    ['Fees', usd(fees)],
  ] as const;
  return (
    <dl class="figures">
      {figures.map(([label, value, className]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class={`figure ${className ?? ''}`}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Curve({ id }: { readonly id: string }) {
  const curves = useStore(arena, (value) => value.curves);
  const models = useStore(arena, (value) => value.models);
  return (
    <Section id="equity" title="Equity">
      <div class="chart-place small">
        {curves && curves.times.length > 0 && (
          <EquityChart curves={curves} models={models} unit="usd" bands chosen={id} />
        )}
        {curves && curves.times.length === 0 && <Empty>Curves begin with the first snapshot.</Empty>}
      </div>
    </Section>
  );
}
