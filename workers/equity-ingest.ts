import type { Stories } from '../src/engine/context.ts';
import { ingestPrices } from '../src/engine/ingest-prices.ts';
import type { Handler } from './define-worker.ts';

export function equityIngestHandler(stories: Stories): Handler<'equity-ingest'> {
  return (payload, { signal }) => ingestPrices(stories, payload.asOfMs, signal);
}
