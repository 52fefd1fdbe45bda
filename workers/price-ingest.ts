import type { Stories } from '../src/engine/context.ts';
import { ingestPrices, ingestPushed } from '../src/engine/ingest-prices.ts';
import { CodedError } from '../src/errors.ts';
import { unpackBatch } from '../src/jobs/price-ingest.ts';
import type { Handler } from './define-worker.ts';

export function priceIngestHandler(stories: Stories): Handler<'price-ingest'> {
  return async (payload, { signal }) => {
    if (payload.provider !== stories.market.provider) {
      throw new CodedError(
        'NOF0_INPUT_INVALID',
        `this run ingests "${stories.market.provider}", not "${payload.provider}"`,
      );
    }
    if (payload.batch !== null) return ingestPushed(stories, unpackBatch(payload.batch), payload.asOfMs, signal);
    return ingestPrices(stories, payload.asOfMs, signal);
  };
}
