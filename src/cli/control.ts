/** What control commands share: who acts, and on what. */

import { hostname, userInfo } from 'node:os';
import type { Control } from '../engine/control.ts';
import type { Resources } from '../resources.ts';
import { type CommonFlags, withSession } from './session.ts';

/** Runs a control command's work in a session of the run. */
export function withControl<T>(flags: CommonFlags, work: (control: Control) => Promise<T>): Promise<T> {
  return withSession(flags, {}, async (session) => work(controlOf(await session.resources('control'), operator())));
}

function controlOf(resources: Resources, who: string): Control {
  const { db, outbox, queues, keys } = resources;
  return { db, drain: (effects) => outbox.drain(effects), desk: queues.desk(keys), who };
}

/** The person at this terminal, as the audit log names him. */
function operator(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name; the number says who it is.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
