import type { Stories } from '../src/engine/context.ts';
import { ingestTrades } from '../src/engine/ingest-fills.ts';
import type { Handler } from './define-worker.ts';

export function tradeIngestHandler(stories: Stories): Handler<'trade-ingest'> {
  return ({ modelId, provider, fills, asOfMs }) => ingestTrades(stories, modelId, provider, fills, asOfMs);
}
