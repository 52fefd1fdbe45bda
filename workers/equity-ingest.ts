import type { Stories } from '../src/engine/context.ts';
import { ingestStocks } from '../src/engine/desk/ingest.ts';
import type { Handler } from './define-worker.ts';

export function equityIngestHandler(stories: Stories): Handler<'equity-ingest'> {
  return (payload, { signal }) => ingestStocks(stories, payload.asOfMs, signal);
}
