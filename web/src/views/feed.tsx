/** What the models decided last. */

import { useState } from 'preact/hooks';
import { arena, marketNow } from '../data/arena.ts';
import { useStore } from '../data/store.ts';
import { actionsOf, type Decision, rejectionsOf } from '../data/types.ts';
import { usd, when, words } from '../format.ts';
import { Link, modelPath } from '../router.tsx';
import { Empty, ModelLink, Section, Waiting } from './parts.tsx';

const SHOWN = 8;

export function DecisionFeed() {
  const decisions = useStore(arena, (value) => value.decisions);
  const ready = useStore(arena, (value) => value.ready);
  const [holds, setHolds] = useState(false);
  const acted = decisions.filter((decision) => !isHold(decision));
  const shown = (holds || acted.length === 0 ? decisions : acted).slice(0, SHOWN);
  const toggle =
    decisions.length > 0 && acted.length === 0 ? (
      `the last ${decisions.length} held`
    ) : (
      <label class="switch">
        <input type="checkbox" checked={holds} onChange={() => setHolds(!holds)} />
        with holds
      </label>
    );
  return (
    <Section id="decisions" title="Decisions" aside={toggle}>
      {!ready && decisions.length === 0 ? (
        <Waiting rows={6} height={64} />
      ) : shown.length === 0 ? (
        <Empty>Nobody has decided anything yet.</Empty>
      ) : (
        <ol class="feed">
          {shown.map((decision) => (
            <Entry key={`${decision.model_id} ${decision.cycle_number}`} decision={decision} />
          ))}
        </ol>
      )}
    </Section>
  );
}

function Entry({ decision }: { readonly decision: Decision }) {
  const reason = actionsOf(decision).find(({ action }) => action !== 'hold')?.reasoning || decision.cot_trace;
  return (
    <li>
      <div class="feed-head">
        <ModelLink id={decision.model_id} />
        <time class="figure quiet-text">{when(decision.timestamp, marketNow(arena.value))}</time>
      </div>
      <Link to={`${modelPath(decision.model_id)}#cycle-${decision.cycle_number}`} class="feed-what">
        {headlineOf(decision)}
      </Link>
      {reason && <p class="feed-why">{reason}</p>}
    </li>
  );
}

/** Nothing was asked for, and nothing went wrong. */
export function isHold(decision: Decision): boolean {
  return decision.error === null && actionsOf(decision).every(({ action }) => action === 'hold');
}

/** What came of a decision in a few words. */
export function headlineOf(decision: Decision): string {
  if (decision.error !== null) return `Failed: ${decision.error.code}`;
  const refused = new Set(rejectionsOf(decision).map(({ symbol, action }) => `${symbol} ${action}`));
  const acts = actionsOf(decision).filter(({ action }) => action !== 'hold');
  if (acts.length === 0) return 'Hold';
  return acts
    .map(({ symbol, action, position_size_usd: worth }) => {
      const what = `${words(action)} ${symbol}${action.startsWith('open') && worth ? ` ${usd(worth, 0)}` : ''}`;
      return refused.has(`${symbol} ${action}`) ? `${what} (refused)` : what;
    })
    .join(', ')
    .replace(/^./, (letter) => letter.toUpperCase());
}
