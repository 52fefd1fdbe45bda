import type { Stories } from '../src/engine/context.ts';
import { runDecisionCycle } from '../src/engine/decision-cycle/decision-cycle.ts';
import type { FrameBuilder } from '../src/engine/market-frame.ts';
import type { Handler } from './define-worker.ts';

export function decisionCycleHandler(stories: Stories, frames: FrameBuilder): Handler<'decision-cycle'> {
  return (payload, { signal }) => runDecisionCycle(stories, frames, payload.modelId, payload.slotMs, signal);
}
