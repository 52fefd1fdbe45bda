/** The processes a command may become. They are handed in by the entry point, because nothing in `src` imports `workers`. */

import type { Stories } from '../engine/context.ts';
import type { FrameBuilder } from '../engine/market-frame.ts';
import type { JobName } from '../jobs/registry.ts';
import type { Resources } from '../resources.ts';

export type ProcessRoles = {
  readonly queues: readonly JobName[];
  startScheduler(
    resources: Resources,
    stories: Stories,
    speed: number | 'max',
  ): Promise<{ readonly finished: Promise<void>; stop(): Promise<void> }>;
  /** Stands for election as the holder of the market's feed. */
  startFeed(resources: Resources, stories: Stories): { stop(): Promise<void> };
  startWorkers(
    resources: Resources,
    opened: { stories: Stories; frames: FrameBuilder },
    options: { queues: readonly JobName[]; concurrency: number },
  ): Promise<{ close(deadlineMs: number): Promise<void> }>;
};
