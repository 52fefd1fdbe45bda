/** Begins and ends decision cycles, those of a moment together. */

import { CodedError } from '../../errors.ts';
import { type CycleEnd, finishCycles } from '../../store/cycle-end.ts';
import {
  beginCycles,
  type CycleStart,
  type CycleWish,
  type StartedCycle,
  whyNotBegun,
} from '../../store/cycle-start.ts';
import { leaseLost, releaseLease } from '../../store/leases.ts';
import { Questions } from '../../store/questions.ts';
import { traderStates } from '../../store/trader-state.ts';
import { outsideWork } from '../../telemetry/work.ts';
import { committed, type Outcome, type Stories, skipped, snoozed } from '../context.ts';
import type { FrameBuilder } from '../market-frame.ts';
import { memoryMoment } from './build-context.ts';
import { accountAhead, DecisionCycle, isLate } from './decision-cycle.ts';

/** How long a slot waits for a worker that knows its model, and how often one looks. */
const ADDED_GRACE_MS = 600_000;
const ADDED_POLL_MS = 5000;

/** One cycle by itself; who runs many keeps a `CycleRunner`. */
export function runDecisionCycle(
  stories: Stories,
  frames: FrameBuilder,
  modelId: string,
  slotMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  return new CycleRunner(stories, frames).run(modelId, slotMs, signal);
}

/** Runs cycles. Those that begin or end at the same moment share a statement. */
export class CycleRunner {
  readonly #stories: Stories;
  readonly #frames: FrameBuilder;
  readonly #begins: Questions<CycleWish, StartedCycle | null>;
  /** Answered with what went wrong. */
  readonly #ends: Questions<CycleEnd, unknown>;

  constructor(stories: Stories, frames: FrameBuilder) {
    this.#stories = stories;
    this.#frames = frames;
    this.#begins = new Questions((wishes) => beginCycles(stories.db, wishes));
    this.#ends = new Questions((ends) => this.#finishAll(ends));
  }

  async run(modelId: string, slotMs: number, signal: AbortSignal): Promise<Outcome> {
    const stories = this.#stories;
    const trader = stories.traders.get(modelId);
    if (trader === undefined) return unknownHere(stories, modelId, slotMs);
    // A replay goes on when the slowest of a moment is done; elsewhere a trader that is held needs neither frame nor account.
    const early = stories.clock.repeats && !isLate(stories, trader, slotMs);
    if (early) this.#frames.begin(slotMs, signal);
    const ahead = early ? accountAhead(stories, modelId, slotMs) : null;
    // Its failure is told to the cycle that needs it.
    ahead?.catch(() => {});
    const start = await committed(stories, 'begin-cycle', () => this.#begin(modelId, slotMs));
    if (start.kind === 'done') return skipped('this slot has been decided');
    if (start.kind === 'busy') return snoozed(start.retryAfterMs, 'another cycle of this model is running');
    try {
      const record = (end: CycleEnd) => this.#finish(end);
      return await new DecisionCycle(stories, this.#frames, trader, start, ahead, signal, record).run();
    } catch (error) {
      // The next attempt need not wait for the lease to run out. If this fails too, it runs out.
      await outsideWork(() => releaseLease(stories.db, start.lease)).catch(() =>
        stories.metrics.swallowed.inc({ reason: 'lease_release' }),
      );
      throw error;
    }
  }

  async #begin(modelId: string, slotMs: number): Promise<CycleStart> {
    const wish = { modelId, ...memoryMoment(this.#stories, slotMs) };
    return (await this.#begins.ask(wish)) ?? whyNotBegun(this.#stories.db, wish);
  }

  async #finish(end: CycleEnd): Promise<void> {
    await committed(this.#stories, 'record-cycle', async () => {
      const fault = await this.#ends.ask(end);
      if (fault !== null) throw fault;
    });
  }

  async #finishAll(ends: readonly CycleEnd[]): Promise<unknown[]> {
    try {
      const { finished, effects } = await finishCycles(this.#stories.db, ends);
      await this.#stories.drain(effects);
      return ends.map(({ lease }) => (finished.has(lease) ? null : leaseLost(lease)));
    } catch (error) {
      if (ends.length === 1) return [error];
      // A record that Postgres refuses must not keep the others; its own error is what its cycle fails with.
      this.#stories.metrics.swallowed.inc({ reason: 'cycles_together' });
      return (await Promise.all(ends.map((end) => this.#finishAll([end])))).flat();
    }
  }
}

/** A model that the arena file of this process does not name: it has been added since the process began, or has left. */
async function unknownHere({ db, clock }: Stories, modelId: string, slotMs: number): Promise<Outcome> {
  const [row] = await traderStates(db, [modelId]);
  if (row?.state === 'retired') return skipped('the model is retired');
  if (row !== undefined && clock.now(slotMs) - slotMs < ADDED_GRACE_MS)
    return snoozed(ADDED_POLL_MS, 'this worker has not read the arena file since the model was added');
  throw new CodedError('NOF0_MODEL_UNKNOWN', `model "${modelId}" is not in the arena file of this worker`);
}
