/** The scheduler of a replay: from moment to moment, each as soon as the one before is done. */

import { toEnqueue } from '../src/effect-handlers.ts';
import { computeAllAnalytics } from '../src/engine/compute-analytics.ts';
import type { Stories } from '../src/engine/context.ts';
import { dueInReplay } from '../src/engine/slots.ts';
import { toCoded } from '../src/errors.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { contractOf } from '../src/jobs/registry.ts';
import type { Resources } from '../src/resources.ts';
import { refreshViews } from '../src/store/analytics.ts';
import { clockIsHeld, type EffectRow, hasUnfinishedJobs } from '../src/store/effects.ts';
import { finishRun } from '../src/store/runs.ts';
import { type DueSlot, fireSlots, listSchedules, type NextMoment, type Schedule } from '../src/store/schedules.ts';
import { crossing } from '../src/telemetry/boundaries.ts';
import { MAX_SLEEP_MS, ScheduleLoop } from './schedule-loop.ts';

/** How often a replay asks whether the jobs of its moment have finished: less and less often. */
const SETTLE_POLL_MS = [5, 10, 20, 30];
/** The same where this process has settled the last moment itself: it will know at once, unless another one takes over. */
const OWN_POLL_MS = 250;
/** How often one asks at the end of the data whether everything has finished that the clock did not wait for. */
const END_POLL_MS = 20;
/** Slots of a moment that are handed over: they go with every settlement until the last, so of more than a few it does not pay. */
const HANDED_MOST = 64;

/** Slots that come together, and the cursors they follow from. */
type Moment = { readonly slotMs: number; readonly due: readonly DueSlot[]; readonly cursors: readonly Schedule[] };
type Begun = { readonly moment: Moment; readonly fired: readonly EffectRow[] };

/**
 * Market time of a replay: it moves to the next slot when every job of the present one has finished, so where the workers cannot keep
 * up it waits and no slot is skipped. What is remembered here only saves questions: the statement that fires asks again, and a scheduler
 * that takes over finds everything in the cursors.
 */
export class ReplayLoop extends ScheduleLoop {
  readonly #speed: number | 'max';
  #last: { slotMs: number; wallMs: number } | null = null;
  /** The cursors as this scheduler left them; null when they have to be read. */
  #cursors: readonly Schedule[] | null = null;
  #settled = false;
  /** Whether the last moment ended here. */
  #own = false;
  #polls = 0;

  constructor(resources: Resources, stories: Stories, speed: number | 'max') {
    super(resources, stories);
    this.#speed = speed;
  }

  override stop(): void {
    super.stop();
    this.resources.outbox.handOver.withdraw();
  }

  protected async tick(): Promise<number | null> {
    const { db } = this.resources;
    if (!this.#settled && (await clockIsHeld(db))) {
      await this.#untilSettled(null);
      return 0;
    }
    this.#settled = true;
    this.#cursors ??= await listSchedules(db);
    const moment = this.#following(this.#cursors);
    if (moment === null) {
      await this.resources.outbox.flush();
      if (!(await this.#atEnd())) {
        this.#cursors = null;
        this.#settled = false;
        return END_POLL_MS;
      }
      if (this.resources.run.state !== 'finished') await this.#finish();
      return null;
    }
    const wait = this.#pace(moment.slotMs);
    if (wait > 0) return Math.min(wait, MAX_SLEEP_MS);
    this.#last = { slotMs: moment.slotMs, wallMs: Date.now() };
    this.#cursors = null;
    this.#settled = false;
    let begun: Begun | null = { moment, fired: await fireSlots(db, moment.due, nextOf(moment).replay) };
    while (begun !== null) begun = await this.#work(begun);
    return 0;
  }

  /**
   * Nothing looks after the platform in a replay; its end is when somebody will look at the figures, the keys and the views. What was counted
   * on the way has seen one cycle more or less.
   */
  async #finish(): Promise<void> {
    const { db, outbox } = this.resources;
    await this.#countToTheEnd();
    await outbox.flush();
    await refreshViews(db);
    await finishRun(db);
  }

  /** What cannot be counted must not keep the replay from its end; its job has failed before, and said why. */
  async #countToTheEnd(): Promise<void> {
    const { run, logger, metrics } = this.resources;
    try {
      await computeAllAnalytics(this.stories, run.endMs ?? 0, new AbortController().signal);
    } catch (error) {
      const coded = toCoded(error);
      if (coded.code === 'NOF0_DATABASE_UNAVAILABLE') throw coded;
      metrics.swallowed.inc({ reason: 'analytics_at_end' });
      logger.error(
        { code: coded.code, error: coded.message },
        'the analytics of the whole replay could not be computed',
      );
    }
  }

  /** What the database itself says: what is remembered may not have outlived a crash of its. */
  async #atEnd(): Promise<boolean> {
    const { db } = this.resources;
    return !(await hasUnfinishedJobs(db)) && this.#following(await listSchedules(db)) === null;
  }

  #following(cursors: readonly Schedule[]): Moment | null {
    const next = dueInReplay(cursors, this.resources.run.endMs ?? 0);
    return next === null ? null : { ...next, cursors };
  }

  /** Has the jobs of a moment done. Returns the moment that was fired together with the settlement of the last one, if it was. */
  async #work({ moment, fired }: Begun): Promise<Begun | null> {
    this.#polls = 0;
    this.#settled = false;
    this.#cursors = cursorsBehind(moment, fired);
    const next = this.#toHandOver();
    const alone = this.#own;
    const ended = this.#untilSettled(next);
    await this.begin(fired);
    if (alone && next !== null) await this.#announce(next);
    const following = await ended;
    if (next === null || following === null) return null;
    if (following.length > 0) return { moment: next, fired: following };
    // Another scheduler was there before, or the database has forgotten something.
    this.#cursors = null;
    return null;
  }

  /**
   * Lets the jobs of the next moment come to their workers while this one goes on, where those of the last were worked here: this process
   * will know at once when they may begin. Only where work that follows from others finds a place in the worker beside them.
   */
  async #announce({ slotMs, due, cursors }: Moment): Promise<void> {
    const { queues, outbox, metrics } = this.resources;
    // The clock has been there before: it could not tell whether such a slot is over.
    if (cursors.some(({ lastSlotMs }) => lastSlotMs > slotMs)) return;
    const jobs = due
      .map(({ effect }) => toEnqueue({ ...effect, attempts: 0 }))
      .filter(({ job }) => mayBeAnnounced(contractOf(job)));
    if (jobs.length === 0) return;
    try {
      await crossing('announce jobs', () => queues.add(jobs.map((job) => ({ ...job, announced: true }))));
      outbox.announced.queued(jobs.map(({ identity }) => identity));
    } catch {
      // One that is not announced comes when its slot fires.
      metrics.swallowed.inc({ reason: 'announce' });
    }
  }

  /** What may follow at once. */
  #toHandOver(): Moment | null {
    if (this.#speed !== 'max' || this.#cursors === null) return null;
    const next = this.#following(this.#cursors);
    return next !== null && next.due.length <= HANDED_MOST ? next : null;
  }

  /** Waits until this process has settled the last job, but not for long: other processes settle jobs too. Returns what was fired by that. */
  async #untilSettled(next: Moment | null): Promise<readonly EffectRow[] | null> {
    if (this.stopping) return null;
    const { handOver } = this.resources.outbox;
    const handed = handOver.want(next === null ? null : nextOf(next));
    const often = SETTLE_POLL_MS[Math.min(this.#polls++, SETTLE_POLL_MS.length - 1)] ?? MAX_SLEEP_MS;
    await this.sleep(this.#own ? OWN_POLL_MS : often, handed);
    handOver.withdraw();
    const fired = await handed;
    this.#own = fired !== null;
    this.#settled = fired?.length === 0;
    return fired;
  }

  /** Wall ms to wait until the slot may begin at the chosen speed. */
  #pace(slotMs: number): number {
    if (this.#speed === 'max' || this.#last === null) return 0;
    return this.#last.wallMs + (slotMs - this.#last.slotMs) / this.#speed - Date.now();
  }
}

function nextOf({ slotMs, due, cursors }: Moment): NextMoment {
  return { due, replay: { marketNowMs: slotMs, cursors } };
}

/** Where one job is worked at a time, one that waits would keep follow-ups out; what runs once a slot has none. */
function mayBeAnnounced({ runs, concurrency }: JobContract): boolean {
  return runs === 'each' || concurrency === undefined;
}

/** Null where they have to be read: another scheduler has fired some of the slots, or the database has forgotten some. */
function cursorsBehind({ due, cursors }: Moment, fired: readonly EffectRow[]): readonly Schedule[] | null {
  if (fired.length < due.length) return null;
  const moved = new Map(due.map((slot) => [slot.name, slot.slotMs]));
  return cursors.map((schedule) => ({ ...schedule, lastSlotMs: moved.get(schedule.name) ?? schedule.lastSlotMs }));
}
