import { computeAllAnalytics, computeModelAnalytics } from '../src/engine/compute-analytics.ts';
import type { Stories } from '../src/engine/context.ts';
import type { Handler } from './define-worker.ts';

export function analyticsHandler(stories: Stories): Handler<'analytics'> {
  return (payload, { signal }) =>
    payload.modelId === null
      ? computeAllAnalytics(stories, payload.asOfMs, signal)
      : computeModelAnalytics(stories, payload.modelId, payload.asOfMs);
}
