/** What control commands share: who acts, and on what. */

import type { Control } from '../engine/control.ts';
import type { Desk } from '../engine/control-positions.ts';
import { CodedError } from '../errors.ts';
import { openStories, type Resources } from '../resources.ts';
import { operator } from '../telemetry/operator.ts';
import { type CommonFlags, withSession } from './session.ts';

/** Runs a control command's work in a session of the run. */
export function withControl<T>(flags: CommonFlags, work: (control: Control) => Promise<T>): Promise<T> {
  return withSession(flags, {}, async (session) => work(controlOf(await session.resources('control'), operator())));
}

/** The same with the run's stories: for controls that trade. Interrupted, the work stops at its next call. */
export function withDesk<T>(flags: CommonFlags, work: (desk: Desk) => Promise<T>): Promise<T> {
  return withSession(flags, {}, async (session) => {
    const resources = await session.resources('control');
    const { stories } = await openStories(resources);
    const stop = new AbortController();
    const interrupt = () => stop.abort(new CodedError('NOF0_JOB_ABORTED', 'interrupted; run it again to go on'));
    process.once('SIGINT', interrupt);
    try {
      return await work({ control: controlOf(resources, operator()), stories, signal: stop.signal });
    } finally {
      process.off('SIGINT', interrupt);
    }
  });
}

function controlOf(resources: Resources, who: string): Control {
  const { db, outbox, queues, keys } = resources;
  return { db, drain: (effects) => outbox.drain(effects), desk: queues.desk(keys), who };
}
