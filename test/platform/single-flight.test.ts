import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SingleFlight } from '../../src/store/single-flight.ts';
import { deferred } from './support.ts';

/** Work that waits until it is let go, and a shelf for what it brought. */
function stage({ keeps = true } = {}) {
  const shelf = new Map<string, number>();
  const loads: string[][] = [];
  let gate = deferred();
  const flights = new SingleFlight<string, number>({
    nameOf: (key) => key,
    look: async (keys) => keys.map((key) => shelf.get(key)),
    async load(keys) {
      loads.push([...keys]);
      const number = loads.length;
      await gate.promise;
      if (keeps) for (const key of keys) shelf.set(key, number);
      return keys.map(() => number);
    },
  });
  const go = () => {
    gate.resolve();
    gate = deferred();
  };
  return { flights, shelf, loads, go };
}

describe('what many ask for at once', () => {
  it('is loaded once for a thousand of them', async () => {
    const { flights, loads, go } = stage();
    const asks = Array.from({ length: 1000 }, () => flights.get(['a']));
    await turn();
    go();
    expect(new Set((await Promise.all(asks)).flat())).toEqual(new Set([1]));
    expect(loads).toEqual([['a']]);
  });

  it('is not given to one who asked after the loading began: he looks again when it is over', async () => {
    const { flights, loads, go, shelf } = stage({ keeps: false });
    const first = flights.get(['a']);
    await turn();
    const late = [flights.get(['a']), flights.get(['a'])];
    await turn();
    expect(loads).toHaveLength(1);
    go();
    expect(await first).toEqual([1]);
    await turn();
    expect(loads).toHaveLength(2);
    go();
    expect(await Promise.all(late)).toEqual([[2], [2]]);
    // Found on the shelf, it need not be loaded again.
    shelf.set('a', 7);
    expect(await flights.get(['a'])).toEqual([7]);
    expect(loads).toHaveLength(2);
  });

  it('is loaded together with what else is missing, and what is being loaded is waited for', async () => {
    const { flights, loads, go } = stage();
    const asks = [flights.get(['a', 'b']), flights.get(['b', 'c', 'b'])];
    await turn();
    go();
    expect(await Promise.all(asks)).toEqual([
      [1, 1],
      [1, 2, 1],
    ]);
    expect(loads).toEqual([['a', 'b'], ['c']]);
  });

  it('fails for those who share the failure, and is tried anew for the next', async () => {
    let number = 0;
    const flights = new SingleFlight<string, number>({
      nameOf: (key) => key,
      look: async (keys) => keys.map(() => undefined),
      async load() {
        number += 1;
        if (number === 1) throw new Error('no');
        return [number];
      },
    });
    const asks = await Promise.allSettled([flights.get(['a']), flights.get(['a'])]);
    expect(asks.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await flights.get(['a'])).toEqual([2]);
  });
});
