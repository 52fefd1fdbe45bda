import { describe, expect, it } from 'vitest';
import { type HeldPosition, type LiveStop, nakedEntries, stopRepairs } from '../../src/domain/stops.ts';

describe('an entry of a cycle that was sent', () => {
  const entry = { leg: 'entry' as const, symbol: 'BTC', status: 'filled', filledSize: 2, error: null };
  const stop = { ...entry, leg: 'stop' as const, filledSize: 0 };
  const errors = (...legs: (typeof entry | typeof stop)[]) => nakedEntries(legs).map(({ error }) => error);

  it.each(['resting', 'filled', 'canceled'])('with a stop that is %s is guarded', (status) => {
    expect(errors(entry, { ...stop, status })).toEqual([]);
  });

  it('is naked where its stop was rejected, was not spoken of, or is not there', () => {
    const rejected = { ...stop, status: 'rejected', error: 'Invalid TP/SL price.' as unknown as null };
    expect(errors(entry, rejected)).toEqual(['Invalid TP/SL price.']);
    expect(errors(entry, { ...stop, status: 'planned' })).toEqual(['there was none']);
    expect(errors(entry, { ...stop, symbol: 'ETH', status: 'resting' })).toEqual(['there was none']);
  });

  it('is naked when it was filled in part, and not when nothing was filled', () => {
    expect(errors({ ...entry, status: 'canceled', filledSize: 0.5 })).toEqual(['there was none']);
    expect(errors({ ...entry, status: 'canceled', filledSize: 0 })).toEqual([]);
    expect(errors({ ...entry, status: 'rejected', filledSize: 0 }, { ...stop, status: 'rejected' })).toEqual([]);
  });
});

describe('a position that is looked at', () => {
  const long: HeldPosition = { symbol: 'BTC', quantity: 0.3, markPrice: 100, stopLoss: 90 };
  const short: HeldPosition = { ...long, quantity: -0.3, stopLoss: 110 };
  const stop: LiveStop = { symbol: 'BTC', side: 'sell', size: 0.3 };

  it('needs nothing where its stops cover it, together, or as a whole', () => {
    expect(stopRepairs([long], [stop])).toEqual([]);
    expect(
      stopRepairs(
        [long],
        [
          { ...stop, size: 0.1 },
          { ...stop, size: 0.2 },
        ],
      ),
    ).toEqual([]);
    expect(stopRepairs([long], [{ ...stop, size: 0 }])).toEqual([]);
    expect(stopRepairs([short], [{ ...stop, side: 'buy' }])).toEqual([]);
    expect(stopRepairs([{ ...long, quantity: 0 }], [])).toEqual([]);
  });

  it('gets the remembered stop back, for the part that has none', () => {
    const place = { kind: 'place', symbol: 'BTC', side: 'sell', triggerPrice: 90 };
    expect(stopRepairs([long], [])).toEqual([{ ...place, size: 0.3 }]);
    expect(stopRepairs([long], [{ ...stop, size: 0.1 }])).toEqual([{ ...place, size: 0.2 }]);
    expect(stopRepairs([long], [{ ...stop, symbol: 'ETH' }])).toEqual([{ ...place, size: 0.3 }]);
    // A stop of the other side protects nothing.
    expect(stopRepairs([long], [{ ...stop, side: 'buy' }])).toEqual([{ ...place, size: 0.3 }]);
    expect(stopRepairs([short], [])).toEqual([{ ...place, side: 'buy', size: 0.3, triggerPrice: 110 }]);
  });

  it('is closed where the market is at its stop or beyond', () => {
    const kinds = (position: HeldPosition) => stopRepairs([position], []).map(({ kind }) => kind);
    expect([90.01, 90, 89.99].flatMap((markPrice) => kinds({ ...long, markPrice }))).toEqual([
      'place',
      'close',
      'close',
    ]);
    expect([109.99, 110, 110.01].flatMap((markPrice) => kinds({ ...short, markPrice }))).toEqual([
      'place',
      'close',
      'close',
    ]);
  });

  it('is told of where no stop is remembered', () => {
    expect(stopRepairs([{ ...long, stopLoss: null }], [])).toEqual([
      { kind: 'report', symbol: 'BTC', side: 'sell', size: 0.3 },
    ]);
  });
});
