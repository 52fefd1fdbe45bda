/** The ranking, with what luck and costs have to do with it. */

import { arena } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import type { Analytics, Model, Standing } from '../data/types.ts';
import { count, NONE, number, pct, signedPct, usd } from '../format.ts';
import { Change, Empty, ModelLink, Section, Table, Waiting } from './parts.tsx';
import { SeasonLink } from './seasons.tsx';

const COLUMNS = [
  { label: '#' },
  { label: 'Model' },
  { label: 'Equity', numeric: true },
  { label: 'Return', numeric: true },
  { label: 'Net of cost', numeric: true, hint: 'Return less what asking the model cost' },
  { label: 'Sharpe', numeric: true, hint: 'Annualised, of hourly returns; with its 95 % interval after 24 hours' },
  { label: 'Drawdown', numeric: true, hint: 'Deepest fall from a peak, of whole hours' },
  { label: 'Win rate', numeric: true },
  { label: 'Trades', numeric: true },
  { label: 'Fees', numeric: true, hint: 'Of closed trades' },
];

export function Leaderboard() {
  const rows = useStore(arena, (value) => value.leaderboard);
  const models = useStore(arena, (value) => value.models);
  const analytics = useStore(arena, (value) => value.analytics);
  const ready = useStore(arena, (value) => value.ready);
  return (
    <Section id="leaderboard" title="Leaderboard" aside={<SeasonLink />}>
      {!ready && rows.length === 0 ? (
        <Waiting rows={6} />
      ) : rows.length === 0 ? (
        <Empty>No model takes part yet. The arena file names them; the next start registers them.</Empty>
      ) : (
        <Table caption="Models by return" columns={COLUMNS} class="leaderboard">
          {rows.map((row, index) => (
            <Row
              key={row.id}
              rank={index + 1}
              row={row}
              model={models.find(({ id }) => id === row.id)}
              analytics={analytics.get(row.id)}
            />
          ))}
        </Table>
      )}
    </Section>
  );
}

type RowProps = {
  readonly rank: number;
  readonly row: Standing;
  readonly model: Model | undefined;
  readonly analytics: Analytics | undefined;
};

function Row({ rank, row, model, analytics }: RowProps) {
  const state = model?.trader?.state;
  const net = netReturn(row, model);
  return (
    <tr>
      <td class="rank figure">{rank}</td>
      <td class="who first">
        <ModelLink id={row.id} />
        {state !== undefined && state !== 'running' && <span class="tag">{state}</span>}
      </td>
      <td class="numeric" data-label="Equity">
        <span class="figure">{usd(row.equity)}</span>
      </td>
      <td class="numeric strong result" data-label="Return">
        <Change value={row.return_pct} text={signedPct(row.return_pct)} />
      </td>
      <td class="numeric" data-label="Net of cost">
        <Change value={net} text={signedPct(net)} />
      </td>
      <td class="numeric" data-label="Sharpe">
        <Sharpe model={model} />
      </td>
      <td class="numeric" data-label="Drawdown">
        <span class="figure">{hours(model) > 0 ? pct(model?.metrics?.max_drawdown_pct, 2) : NONE}</span>
      </td>
      <td class="numeric" data-label="Win rate">
        <span class="figure">{row.num_trades > 0 ? pct((100 * row.num_wins) / row.num_trades, 0) : NONE}</span>
      </td>
      <td class="numeric" data-label="Trades">
        <span class="figure">{count(row.num_trades)}</span>
      </td>
      <td class="numeric" data-label="Fees">
        <span class="figure">{usd(analytics?.fee_pnl_moves_breakdown_table.total_fees_paid)}</span>
      </td>
    </tr>
  );
}

const hours = (model: Model | undefined): number => model?.metrics?.hours ?? 0;

/** The return of now less the share of the initial equity that asking the model cost. */
export function netReturn(row: Standing, model: Model | undefined): number | null {
  if (!model?.metrics) return null;
  return row.return_pct - (model.metrics.return_pct - model.metrics.return_after_model_cost_pct);
}

/** With fewer than two whole hours there is no ratio, and with fewer than 24 nobody knows how good it is. */
export function Sharpe({ model }: { readonly model: Model | undefined }) {
  const metrics = model?.metrics;
  if (!metrics || metrics.hours < 2) return <span class="figure">{NONE}</span>;
  const interval = metrics.intervals?.sharpe;
  return (
    <span class="figure sharpe">
      {number(metrics.sharpe)}
      {interval && (
        <small>
          {number(interval[0], 1)} … {number(interval[1], 1)}
        </small>
      )}
    </span>
  );
}
