import type { Stories } from '../src/engine/context.ts';
import { takeSnapshot } from '../src/engine/take-snapshot.ts';
import type { Handler } from './define-worker.ts';

export function snapshotHandler(stories: Stories): Handler<'snapshot'> {
  return (payload) => takeSnapshot(stories, payload.modelId, payload.asOfMs);
}
