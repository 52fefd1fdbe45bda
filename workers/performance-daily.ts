import type { Stories } from '../src/engine/context.ts';
import { countPerformance } from '../src/engine/desk/performance.ts';
import type { Handler } from './define-worker.ts';

export function performanceDailyHandler(stories: Stories): Handler<'performance-daily'> {
  return (payload) => countPerformance(stories, payload.asOfMs);
}
