/** What a trader may do, and how orders of people and of the platform change it. Pure. */

/**
 * `running` decides and trades, `shadow` decides and sends nothing. The others decide nothing and keep their positions with their
 * stops: `paused` by a person, or by a breaker until `pauseUntilMs`; `halted` by a breaker until somebody who names it resumes it;
 * `retired` for good.
 */
export const TRADER_STATES = ['running', 'shadow', 'paused', 'halted', 'retired'] as const;
export type TraderState = (typeof TRADER_STATES)[number];

export type TraderStanding = {
  readonly state: TraderState;
  /** What a held trader goes on as. */
  readonly resumesAs: 'running' | 'shadow';
  /** Market ms at which a pause ends by itself; null: when somebody ends it. */
  readonly pauseUntilMs: number | null;
  /** Why a held trader is held, for people. */
  readonly reason: string | null;
  /** Market ms since which a breaker holds it; null when a person does. */
  readonly heldSinceMs: number | null;
};

/** Whether the trader decides nothing. */
export function isHeld(state: string): boolean {
  return state !== 'running' && state !== 'shadow';
}

/** `resume-halted` wakes halted traders too; `trade` takes a trader out of the shadow; `retire` is for good. */
export type StateOrder = 'pause' | 'resume' | 'resume-halted' | 'shadow' | 'trade' | 'retire';

const FREE = { pauseUntilMs: null, reason: null, heldSinceMs: null };

/** The standing after an order; the same object when the order changes nothing. Given twice, an order does what it does once. */
export function ordered(before: TraderStanding, order: StateOrder, who: string): TraderStanding {
  switch (order) {
    case 'pause':
      return pause(before, who);
    case 'resume':
      return before.state === 'paused' ? { ...FREE, state: before.resumesAs, resumesAs: before.resumesAs } : before;
    case 'resume-halted':
      return before.state === 'halted'
        ? { ...FREE, state: before.resumesAs, resumesAs: before.resumesAs }
        : ordered(before, 'resume', who);
    case 'shadow':
      return become(before, 'shadow');
    case 'trade':
      return become(before, 'running');
    case 'retire':
      return before.state === 'retired'
        ? before
        : { ...FREE, state: 'retired', resumesAs: before.resumesAs, reason: `by ${who}` };
  }
}

function pause(before: TraderStanding, who: string): TraderStanding {
  const reason = `by ${who}`;
  if (before.state === 'running' || before.state === 'shadow')
    return { ...FREE, state: 'paused', resumesAs: before.state, reason };
  // A pause that a breaker would end by itself lasts from now on until a person ends it.
  if (before.state === 'paused' && before.pauseUntilMs !== null) return { ...before, pauseUntilMs: null, reason };
  return before;
}

/** A held trader stays held and goes on as told once it is resumed. */
function become(before: TraderStanding, as: 'running' | 'shadow'): TraderStanding {
  if (before.state === 'retired') return before;
  if (isHeld(before.state)) return before.resumesAs === as ? before : { ...before, resumesAs: as };
  return before.state === as ? before : { ...FREE, state: as, resumesAs: as };
}

/** Whether a breaker's pause is over at this moment of market time. */
export function pauseIsOver({ state, pauseUntilMs }: TraderStanding, nowMs: number): boolean {
  return state === 'paused' && pauseUntilMs !== null && pauseUntilMs <= nowMs;
}
