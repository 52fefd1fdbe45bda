/** What an order must know of its instrument: its number and how finely its size is cut. */

import { z } from 'zod';
import type { HyperliquidClient } from '../../hyperliquid/client.ts';
import { faultIn } from '../../hyperliquid/wire.ts';
import type { InstrumentTerms } from './actions.ts';

const universe = z.object({ universe: z.array(z.unknown()) });
const instrument = z.object({ name: z.string(), szDecimals: z.int().min(0).max(6) });

/** Terms by name. An instrument of another shape is counted as refused and left out; the numbers of the others stay. */
export async function instrumentTerms(client: HyperliquidClient): Promise<Map<string, InstrumentTerms>> {
  const body = await client.info({ type: 'meta' }, universe, 'exchange');
  return new Map(
    body.universe.flatMap((row, asset): [string, InstrumentTerms][] => {
      const { data } = instrument.safeParse(row);
      const fault = faultIn(instrument, row, `meta.universe[${asset}]`);
      if (fault !== null) client.refused('meta.universe', fault);
      return data === undefined ? [] : [[data.name, { asset, sizeDecimals: data.szDecimals }]];
    }),
  );
}
