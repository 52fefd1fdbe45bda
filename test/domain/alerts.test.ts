/** When people are told: once when it begins, again while it lasts, once when it is over, and not for every flicker. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AlertMessage,
  type AlertState,
  type AlertStep,
  messageOfStep,
  notSeen,
  seen,
} from '../../src/domain/alerts.ts';

const PACE = { resolveAfter: 120_000, coolDown: 900_000, repeat: 3_600_000 };
const MINUTE = 60_000;
const FOUND = { subject: 'a model', summary: 'it is wrong' };

/** Looks once a minute: true, found wrong; false, in order; null, not judged. */
function watch(looks: readonly (boolean | null)[], pace = PACE): (AlertMessage & { minute: number })[] {
  let state: AlertState | null = null;
  const messages: (AlertMessage & { minute: number })[] = [];
  looks.forEach((found, minute) => {
    const nowMs = minute * MINUTE;
    let step: AlertStep | null = null;
    if (found === true) step = seen('slot_lag', state, FOUND, nowMs, pace);
    else if (found === false && state !== null) step = notSeen(state, nowMs, pace);
    if (step === null) return;
    state = step.state;
    const message = messageOfStep(step, nowMs, 'demo');
    if (message !== null) messages.push({ ...message, minute });
  });
  return messages;
}

const times = (count: number, found: boolean | null) => Array.from({ length: count }, () => found);
const said = (looks: readonly (boolean | null)[]) => watch(looks).map(({ minute, what }) => [minute, what]);

describe('an alert', () => {
  it('is told once when it begins and once when it is over', () => {
    expect(said([false, true, true, true, false, false, false, false])).toEqual([
      [1, 'firing'],
      [5, 'resolved'],
    ]);
  });

  it('is repeated while it lasts', () => {
    expect(said(times(130, true))).toEqual([
      [0, 'firing'],
      [60, 'reminder'],
      [120, 'reminder'],
    ]);
  });

  it('that flickers is not over in between', () => {
    expect(said([true, false, true, false, true, false, true])).toEqual([[0, 'firing']]);
  });

  it('that comes back too soon is held back, and told when it lasts', () => {
    const back = [true, ...times(3, false), ...times(20, true)];
    expect(said(back)).toEqual([
      [0, 'firing'],
      [2, 'resolved'],
      [17, 'firing'],
    ]);
  });

  it('that nobody was told of ends without a word', () => {
    expect(said([true, ...times(3, false), true, ...times(5, false)])).toEqual([
      [0, 'firing'],
      [2, 'resolved'],
    ]);
  });

  it('that could not be judged stays as it is', () => {
    expect(said([true, ...times(30, null), true, ...times(3, false)])).toEqual([
      [0, 'firing'],
      [33, 'resolved'],
    ]);
  });

  it('says in one line what is wrong, without control signs', () => {
    const { state } = seen('slot_lag', null, { subject: 's', summary: ' a\u0000\n\tb\ud800 ' }, 0, PACE);
    expect(state.summary).toBe('a b');
    expect(seen('slot_lag', null, { subject: 's', summary: 'x'.repeat(5000) }, 0, PACE).state.summary).toHaveLength(
      600,
    );
  });
});

describe('whatever happens', () => {
  const looks = fc.array(fc.oneof(fc.boolean(), fc.constant(null)), { maxLength: 300 });

  it('every message has an id of its own, beginnings and ends take turns, and beginnings keep their distance', () => {
    fc.assert(
      fc.property(looks, (all) => {
        const messages = watch(all);
        expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
        const turns = messages.filter(({ what }) => what !== 'reminder').map(({ what }) => what);
        expect(turns).toEqual(turns.map((_, index) => (index % 2 === 0 ? 'firing' : 'resolved')));
        messages.forEach(({ minute, what }, index) => {
          const before = messages[index - 1];
          if (what === 'firing' && before)
            expect((minute - before.minute) * MINUTE).toBeGreaterThanOrEqual(PACE.coolDown);
          if (what === 'reminder')
            expect((minute - (before?.minute ?? 0)) * MINUTE).toBeGreaterThanOrEqual(PACE.repeat);
        });
      }),
    );
  });
});
