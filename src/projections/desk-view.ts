/** The whole desk as people look at it, from its published keys. */

import { type DeskView, deskViewSchema } from '../domain/desk/published.ts';
import type { Family } from '../domain/published-keys.ts';
import { CodedError } from '../errors.ts';
import type { Publisher } from './publisher.ts';

/** Throws NOF0_INPUT_INVALID in a run that has no desk. */
export async function viewDesk(publisher: Publisher): Promise<DeskView> {
  if (!publisher.families.includes('systemState'))
    throw new CodedError('NOF0_INPUT_INVALID', 'this run has no equities desk: `nof0 up --desk equities` begins one');
  const one = async (family: Family) => parsed(await publisher.read({ family, ids: [] }));
  const [system, watchlist, candidates, performance, market, held, seen] = await Promise.all([
    one('systemState'),
    one('watchlist'),
    one('candidates'),
    one('performance'),
    one('marketContext'),
    publisher.allTargets(['stockPosition']),
    publisher.allTargets(['stockSignal']),
  ]);
  const positions = await publisher.readMany(held);
  const looks = await publisher.readMany(held.map(({ ids }) => ({ family: 'stockMonitoring' as const, ids })));
  const signals = await publisher.readMany(seen);
  return deskViewSchema.parse({
    ...{ system, watchlist, candidates, performance, market },
    positions: held.map((_, index) => ({ position: parsed(positions[index]), monitoring: parsed(looks[index]) })),
    signals: seen.map(({ ids: [type = '', symbol = ''] }, index) => ({ type, symbol, signal: parsed(signals[index]) })),
  });
}

function parsed(members: readonly string[] | undefined): unknown {
  const text = members?.[0];
  return text === undefined ? null : JSON.parse(text);
}
