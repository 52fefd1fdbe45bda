import type { Stories } from '../src/engine/context.ts';
import { SnapshotTaker } from '../src/engine/take-snapshot.ts';
import type { Handler } from './define-worker.ts';

export function snapshotHandler(stories: Stories): Handler<'snapshot'> {
  const taker = new SnapshotTaker(stories);
  return (payload) => taker.take(payload.modelId, payload.asOfMs);
}
