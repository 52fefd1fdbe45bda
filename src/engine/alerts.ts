/** Telling people what is wrong: whoever finds something raises it, and the alert's check judges when it is over. */

import {
  ALERT_NAMES,
  type AlertMessage,
  type AlertName,
  type AlertState,
  type AlertStep,
  type Finding,
  messageOfStep,
  notSeen,
  seen,
} from '../domain/alerts.ts';
import { type AlertChange, changeAlerts } from '../store/alerts.ts';
import type { Stories } from './context.ts';

type Doors = Pick<Stories, 'db' | 'drain' | 'config' | 'logger'>;
type Findings = ReadonlyMap<AlertName, readonly Finding[]>;

/** Something was found, in passing. That it is over is for the check to say. */
export async function raiseAlert(doors: Doors, alert: AlertName, findings: readonly Finding[]): Promise<void> {
  if (findings.length > 0) await observe(doors, new Map([[alert, findings]]), false);
}

/** Everything that is wrong of these alerts: what was and is not found any more is over after a while. */
export function judgeAlerts(doors: Doors, findings: Findings): Promise<void> {
  return observe(doors, findings, true);
}

async function observe(doors: Doors, findings: Findings, isWhole: boolean): Promise<void> {
  const { db, config, logger } = doors;
  const channels = Object.entries(config.alerts).flatMap(([name, channel]) => (channel === null ? [] : [name]));
  const told: AlertMessage[] = [];
  const effects = await changeAlerts(db, [...findings.keys()], (remembered, nowMs, run): AlertChange => {
    const steps = stepsOf(remembered, findings, isWhole, nowMs, config.arena.alerts);
    told.push(...steps.flatMap((step) => messageOfStep(step, nowMs, run) ?? []));
    return {
      states: steps.map(({ state }) => state),
      messages: told.flatMap((message) => channels.map((channel) => ({ channel, message }))),
    };
  });
  for (const { alert, subject, what, summary } of told)
    logger[what === 'resolved' ? 'info' : 'warn']({ alert, subject, what, summary }, 'alert');
  await doors.drain(effects);
}

function stepsOf(
  remembered: readonly AlertState[],
  findings: Findings,
  isWhole: boolean,
  nowMs: number,
  pace: Doors['config']['arena']['alerts'],
): AlertStep[] {
  const before = (alert: AlertName, subject: string) =>
    remembered.find((one) => one.alert === alert && one.subject === subject) ?? null;
  const found = ALERT_NAMES.flatMap((alert) =>
    unique(findings.get(alert) ?? []).map((finding) => ({ alert, finding })),
  );
  const steps = found.map(({ alert, finding }) => seen(alert, before(alert, finding.subject), finding, nowMs, pace));
  if (!isWhole) return steps;
  const isFound = (one: AlertState) =>
    found.some(({ alert, finding }) => alert === one.alert && finding.subject === one.subject);
  return [...steps, ...remembered.filter((one) => !isFound(one)).flatMap((one) => notSeen(one, nowMs, pace) ?? [])];
}

/** One finding a subject: a row can change once in a statement. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.subject, finding])).values()];
}
