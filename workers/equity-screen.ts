import type { Stories } from '../src/engine/context.ts';
import { screenStocks } from '../src/engine/desk/screen.ts';
import type { Handler } from './define-worker.ts';

export function equityScreenHandler(stories: Stories): Handler<'equity-screen'> {
  return (payload) => screenStocks(stories, payload.asOfMs);
}
