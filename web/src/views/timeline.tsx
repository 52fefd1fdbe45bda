/** Decisions of a model, newest first. Those that only hold stand together: what was done is what one looks for. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { arena, marketNow } from '../data/arena.ts';
import { actionsOf, type Decision, type Fill, legsOf, rejectionsOf } from '../data/types.ts';
import { minuteOf, plural, when } from '../format.ts';
import { DecisionBody } from './decision.tsx';
import { headlineOf, isHold } from './feed.tsx';
import { Empty } from './parts.tsx';

type Props = {
  readonly decisions: readonly Decision[];
  readonly fills: readonly Fill[];
  /** Reads older ones; absent: there are none. */
  readonly onOlder?: () => Promise<void>;
};

export function Timeline({ decisions, fills, onOlder }: Props) {
  if (decisions.length === 0) return <Empty>It has not decided anything yet.</Empty>;
  return (
    <>
      <ol class="timeline">
        {grouped(decisions).map((group) => {
          const [first] = group;
          if (first === undefined) return null;
          return (
            <li key={group.at(-1)?.cycle_number}>
              {group.length === 1 ? <Entry decision={first} fills={fills} /> : <Holds group={group} fills={fills} />}
            </li>
          );
        })}
      </ol>
      {onOlder && <Older read={onOlder} />}
    </>
  );
}

/** Runs of holds together, everything else alone. */
function grouped(decisions: readonly Decision[]): Decision[][] {
  const groups: Decision[][] = [];
  for (const decision of decisions) {
    const last = groups.at(-1);
    if (last?.[0] !== undefined && isHold(last[0]) && isHold(decision)) last.push(decision);
    else groups.push([decision]);
  }
  return groups;
}

function Entry({ decision, fills }: { readonly decision: Decision; readonly fills: readonly Fill[] }) {
  const element = useRef<HTMLDetailsElement>(null);
  const isWanted = location.hash === `#cycle-${decision.cycle_number}`;
  const [isOpen, setOpen] = useState(isWanted);
  useEffect(() => {
    if (isWanted) element.current?.scrollIntoView({ block: 'center' });
  }, [isWanted]);
  const [refused, orders] = [rejectionsOf(decision).length, legsOf(decision).length];
  const confidence = Math.max(
    0,
    ...actionsOf(decision)
      .filter(({ action }) => action !== 'hold')
      .map((each) => each.confidence),
  );
  return (
    <details
      class="decision"
      ref={element}
      open={isOpen}
      id={`cycle-${decision.cycle_number}`}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <time class="figure quiet-text">{when(decision.timestamp, marketNow(arena.value))}</time>
        <span class={`headline${isHold(decision) ? ' quiet-text' : ''}`}>{headlineOf(decision)}</span>
        <span class="badges">
          {decision.error && <span class="tag loss">{decision.error.code}</span>}
          {refused > 0 && <span class="tag warn">{refused} refused</span>}
          {orders > 0 && <span class="tag">{plural(orders, 'order')}</span>}
          {confidence > 0 && <span class="figure quiet-text">{Math.round(confidence * 100)} % sure</span>}
        </span>
      </summary>
      {isOpen && <DecisionBody decision={decision} fills={fills} />}
    </details>
  );
}

function Holds({ group, fills }: { readonly group: readonly Decision[]; readonly fills: readonly Fill[] }) {
  const [isOpen, setOpen] = useState(false);
  const [newest, oldest] = [group[0], group.at(-1)];
  return (
    <details
      class="decision holds"
      onToggle={(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}
    >
      <summary>
        <time class="figure quiet-text">
          {oldest && minuteOf(oldest.timestamp)} – {newest && minuteOf(newest.timestamp)}
        </time>
        <span class="quiet-text">Held {group.length} times</span>
      </summary>
      {isOpen && (
        <div class="held">
          {group.map((decision) => (
            <Entry key={decision.cycle_number} decision={decision} fills={fills} />
          ))}
        </div>
      )}
    </details>
  );
}

function Older({ read }: { readonly read: () => Promise<void> }) {
  const [state, setState] = useState<'idle' | 'reading' | 'failed'>('idle');
  const click = () => {
    setState('reading');
    read().then(
      () => setState('idle'),
      () => setState('failed'),
    );
  };
  return (
    <p class="more">
      <button type="button" disabled={state === 'reading'} onClick={click}>
        {state === 'reading' ? 'Reading…' : 'Older decisions'}
      </button>
      {state === 'failed' && <span class="loss"> They could not be read. Try again.</span>}
    </p>
  );
}
