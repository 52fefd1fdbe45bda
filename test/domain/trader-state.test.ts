import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isHeld,
  ordered,
  pauseIsOver,
  type StateOrder,
  TRADER_STATES,
  type TraderStanding,
  type TraderState,
} from '../../src/domain/trader-state.ts';

const standing = (state: TraderState, more: Partial<TraderStanding> = {}): TraderStanding => ({
  ...{
    state,
    resumesAs: state === 'shadow' ? 'shadow' : 'running',
    pauseUntilMs: null,
    reason: null,
    heldSinceMs: null,
  },
  ...more,
});
const told = (state: TraderState, order: StateOrder, more: Partial<TraderStanding> = {}) =>
  ordered(standing(state, more), order, 'carol');

describe('an order', () => {
  it.each([
    ['running', 'pause', 'paused', 'running'],
    ['shadow', 'pause', 'paused', 'shadow'],
    ['halted', 'pause', 'halted', 'running'],
    ['retired', 'pause', 'retired', 'running'],
    ['paused', 'resume', 'running', 'running'],
    ['halted', 'resume', 'halted', 'running'],
    ['halted', 'resume-halted', 'running', 'running'],
    ['paused', 'resume-halted', 'running', 'running'],
    ['shadow', 'resume', 'shadow', 'shadow'],
    ['retired', 'resume-halted', 'retired', 'running'],
    ['running', 'shadow', 'shadow', 'shadow'],
    ['paused', 'shadow', 'paused', 'shadow'],
    ['halted', 'shadow', 'halted', 'shadow'],
    ['retired', 'shadow', 'retired', 'running'],
    ['shadow', 'trade', 'running', 'running'],
    ['paused', 'trade', 'paused', 'running'],
    ['running', 'trade', 'running', 'running'],
  ] as const)('%s, told to %s, is %s', (state, order, becomes, resumesAs) => {
    expect(told(state, order)).toMatchObject({ state: becomes, resumesAs });
  });

  it('to pause takes the end from a breaker’s pause and keeps why and since when', () => {
    const byBreaker = { pauseUntilMs: 99, reason: 'lost', heldSinceMs: 7 };
    expect(told('paused', 'pause', byBreaker)).toEqual(standing('paused', { reason: 'by carol', heldSinceMs: 7 }));
  });

  const anyStanding = fc.record({
    state: fc.constantFrom(...TRADER_STATES),
    resumesAs: fc.constantFrom('running' as const, 'shadow' as const),
    pauseUntilMs: fc.option(fc.nat(), { nil: null }),
    reason: fc.option(fc.string(), { nil: null }),
    heldSinceMs: fc.option(fc.nat(), { nil: null }),
  });

  it('given twice does what it does once', () => {
    const orders = fc.constantFrom<StateOrder>('pause', 'resume', 'shadow', 'trade');
    fc.assert(
      fc.property(anyStanding, orders, (before, order) => {
        const once = ordered(before, order, 'carol');
        expect(ordered(once, order, 'carol')).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  it('never lets a held trader act but by a resume, and never wakes a retired one', () => {
    const orders = fc.constantFrom<StateOrder>('pause', 'resume', 'resume-halted', 'shadow', 'trade');
    fc.assert(
      fc.property(anyStanding, orders, (before, order) => {
        const then = ordered(before, order, 'carol');
        if (isHeld(before.state) && !isHeld(then.state)) expect(order).toMatch(/^resume/);
        if (before.state === 'retired') expect(then).toBe(before);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a pause', () => {
  it('is over at its moment, and only where it has one', () => {
    expect(pauseIsOver(standing('paused', { pauseUntilMs: 10 }), 9)).toBe(false);
    expect(pauseIsOver(standing('paused', { pauseUntilMs: 10 }), 10)).toBe(true);
    expect(pauseIsOver(standing('paused'), 10)).toBe(false);
    expect(pauseIsOver(standing('halted', { pauseUntilMs: 10 }), 10)).toBe(false);
  });
});
