/** One decision with everything that is known of it. Its words are the model's: text, whatever they hold. */

import {
  type Action,
  actionsOf,
  type Decision,
  type Fill,
  type Leg,
  legsOf,
  type Rejection,
  rejectionsOf,
} from '../data/types.ts';
import { count, fullTime, number, price, size, timeOf, usd, words } from '../format.ts';
import { Table } from './parts.tsx';

type Props = { readonly decision: Decision; readonly fills: readonly Fill[] };

export function DecisionBody({ decision, fills }: Props) {
  const [actions, refused, legs] = [actionsOf(decision), rejectionsOf(decision), legsOf(decision)];
  return (
    <div class="decision-body">
      {decision.error && (
        <p class="fault">
          <strong>{decision.error.code}</strong> {decision.error.message}
        </p>
      )}
      {decision.cot_trace && <blockquote class="reasoning">{decision.cot_trace}</blockquote>}
      {actions.length > 0 && <Actions actions={actions} refused={refused} />}
      {legs.length > 0 && <Orders legs={legs} fills={fills} />}
      <Facts decision={decision} />
    </div>
  );
}

function Actions({
  actions,
  refused,
}: {
  readonly actions: readonly Action[];
  readonly refused: readonly Rejection[];
}) {
  return (
    <ul class="actions">
      {actions.map((action) => {
        const verdict = refused.find(({ symbol, action: what }) => symbol === action.symbol && what === action.action);
        const isHold = action.action === 'hold';
        return (
          <li key={`${action.symbol} ${action.action}`}>
            <div class="action-head">
              <strong>
                {action.symbol} {words(action.action)}
              </strong>
              {!isHold && <span class={`tag ${verdict ? 'warn' : 'good'}`}>{verdict ? 'refused' : 'accepted'}</span>}
              <span class="quiet-text figure">{asked(action)}</span>
            </div>
            {verdict && (
              <p class="verdict">
                <code>{verdict.code}</code> {verdict.reason}
              </p>
            )}
            {action.reasoning && <p>{action.reasoning}</p>}
            {action.invalidation_condition && <p class="quiet-text">Void if: {action.invalidation_condition}</p>}
          </li>
        );
      })}
    </ul>
  );
}

/** What the model asked for, in one line. */
function asked({
  position_size_usd: worth,
  leverage,
  stop_loss: stop,
  take_profit: target,
  confidence,
}: Action): string {
  const parts = [
    worth ? usd(worth, 0) : null,
    leverage ? `${number(leverage, leverage % 1 === 0 ? 0 : 1)}×` : null,
    stop ? `stop ${price(stop)}` : null,
    target ? `target ${price(target)}` : null,
    `${Math.round(confidence * 100)} % sure`,
  ];
  return parts.filter((part) => part !== null).join(' · ');
}

const COLUMNS = [
  { label: 'Order' },
  { label: 'Size', numeric: true },
  { label: 'Trigger', numeric: true },
  { label: 'Status' },
  { label: 'Filled', numeric: true },
];

function Orders({ legs, fills }: { readonly legs: readonly Leg[]; readonly fills: readonly Fill[] }) {
  return (
    <Table caption="Orders and their fills" columns={COLUMNS} class="orders">
      {legs.map((leg) => (
        <tr key={leg.cloid}>
          <td class="first" data-label="Order" title={`oid ${leg.oid ?? 'none'}, cloid ${leg.cloid}`}>
            {leg.leg} <span class="quiet-text">{leg.kind !== leg.leg && leg.kind}</span> {leg.side}{' '}
            <strong>{leg.symbol}</strong>
          </td>
          <td class="numeric" data-label="Size">
            <span class="figure">{size(leg.size)}</span>
          </td>
          <td class="numeric" data-label="Trigger">
            <span class="figure">{price(leg.triggerPrice)}</span>
          </td>
          <td class="result" data-label="Status">
            <span class={`tag ${leg.status === 'rejected' ? 'loss' : ''}`}>{leg.status}</span> {leg.error}
          </td>
          <td class="numeric" data-label="Filled">
            <Filled
              leg={leg}
              fills={fills.filter((fill) => fill.cloid === leg.cloid || (fill.oid !== null && fill.oid === leg.oid))}
            />
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** The ledger's fills of an order; what the exchange answered at once while the ledger's are not among those that were read. */
function Filled({ leg, fills }: { readonly leg: Leg; readonly fills: readonly Fill[] }) {
  if (fills.length === 0)
    return <span class="figure">{leg.filledSize > 0 ? `${size(leg.filledSize)} at ${price(leg.avgPrice)}` : '–'}</span>;
  return (
    <>
      {fills.map((fill) => (
        <div key={fill.id} class="figure">
          {size(fill.size)} at {price(fill.price)}{' '}
          <span class="quiet-text">
            {timeOf(fill.timestamp)}, fee {usd(fill.fee_usd)}
          </span>
        </div>
      ))}
    </>
  );
}

function Facts({ decision }: { readonly decision: Decision }) {
  const { usage } = decision;
  const facts: [string, string][] = [
    ['Cycle', count(decision.cycle_number)],
    ['Slot', fullTime(decision.timestamp)],
    ...(decision.executed_at === null ? [] : [['Finished', fullTime(decision.executed_at)] as [string, string]]),
    ['Prompt', decision.prompt_digest ?? 'none: a built-in strategy'],
    ...(usage.calls > 0 || usage.cached
      ? ([
          ['Asked', usage.cached ? 'answered from memory' : `${usage.calls} ${usage.calls === 1 ? 'time' : 'times'}`],
          ['Tokens', `${count(usage.prompt_tokens)} in, ${count(usage.completion_tokens)} out`],
          ['Cost', usd(usage.cost_usd, 4)],
          ['Answered in', usage.latency_ms === null ? '–' : `${number(usage.latency_ms / 1000, 1)} s`],
        ] as [string, string][])
      : []),
  ];
  return (
    <dl class="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class="figure">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
