import type { Stories } from '../src/engine/context.ts';
import { describeMarket } from '../src/engine/desk/market-context.ts';
import type { Handler } from './define-worker.ts';

export function marketContextHandler(stories: Stories): Handler<'market-context'> {
  return (payload) => describeMarket(stories, payload.asOfMs);
}
