import type { Stories } from '../src/engine/context.ts';
import { CycleRunner } from '../src/engine/decision-cycle/cycle-runner.ts';
import type { FrameBuilder } from '../src/engine/market-frame.ts';
import type { Handler } from './define-worker.ts';

export function decisionCycleHandler(stories: Stories, frames: FrameBuilder): Handler<'decision-cycle'> {
  const cycles = new CycleRunner(stories, frames);
  return (payload, { signal }) => cycles.run(payload.modelId, payload.slotMs, signal);
}
