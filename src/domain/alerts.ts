/** What people are woken for, and when they are told: once when it begins, again while it lasts, and when it is over. Pure. */

export const ALERTS = {
  breaker_tripped: { severity: 'critical', of: 'model', meaning: 'A breaker has stopped a trader after a loss.' },
  naked_position: { severity: 'critical', of: 'model', meaning: 'A position was found without its stop.' },
  budget_spent: {
    severity: 'warning',
    of: 'model',
    meaning: "A model's budget of tokens or dollars is spent for the day.",
  },
  worker_lost: { severity: 'critical', of: 'process', meaning: 'A process is gone without having said good-bye.' },
  inconsistency: {
    severity: 'warning',
    of: 'key family or `exchange`',
    meaning: 'Keys did not say what Postgres says, or positions what the exchange says.',
  },
  slot_lag: {
    severity: 'critical',
    of: 'schedules or queue',
    meaning: 'Slots are not enqueued, or jobs not begun, in time.',
  },
  no_decision: {
    severity: 'critical',
    of: 'model',
    meaning: 'A model that may decide has finished no cycle for several slots.',
  },
  endpoint_down: {
    severity: 'warning',
    of: 'model',
    meaning: "A model's endpoint has not answered for several cycles.",
  },
  cache_down: {
    severity: 'warning',
    of: 'server',
    meaning: 'The cache Redis does not answer; reads come from Postgres.',
  },
  disk_nearly_full: { severity: 'critical', of: 'host', meaning: 'The disk of the data folder is nearly full.' },
} as const satisfies Record<string, AlertSpec>;

type AlertSpec = { readonly severity: 'critical' | 'warning'; readonly of: string; readonly meaning: string };

export type AlertName = keyof typeof ALERTS;
export const ALERT_NAMES = Object.keys(ALERTS) as AlertName[];

/** One thing that is wrong now. */
export type Finding = { readonly subject: string; readonly summary: string };

/** An alert of one subject, as it is remembered. Times are wall ms of the database. */
export type AlertState = {
  readonly alert: AlertName;
  readonly subject: string;
  readonly state: 'firing' | 'resolved';
  /** How many times it has begun. */
  readonly episode: number;
  readonly summary: string;
  readonly sinceMs: number;
  readonly lastSeenMs: number;
  readonly resolvedMs: number | null;
  /** Messages of this episode. */
  readonly messages: number;
  /** When the last message of any episode was written. */
  readonly messagedMs: number | null;
};

/** Milliseconds. */
export type AlertPace = {
  /** How long nothing must have been seen before it is over. */
  readonly resolveAfter: number;
  /** An alert that comes back sooner after its last message is held back so long. */
  readonly coolDown: number;
  /** How often people are reminded of what lasts. */
  readonly repeat: number;
};

export type AlertMessage = {
  /** The same whenever this message is sent, and no other message's: receivers drop what they have seen. */
  readonly id: string;
  readonly alert: AlertName;
  readonly subject: string;
  readonly severity: 'critical' | 'warning';
  readonly what: 'firing' | 'reminder' | 'resolved' | 'test';
  readonly summary: string;
  readonly sinceMs: number;
  readonly atMs: number;
  readonly run: string;
};

export type AlertStep = { readonly state: AlertState; readonly what: 'firing' | 'reminder' | 'resolved' | null };

const MAX_SUMMARY = 600;

/** Begins or goes on with an alert whose subject was found wrong. */
export function seen(
  alert: AlertName,
  before: AlertState | null,
  finding: Finding,
  nowMs: number,
  pace: AlertPace,
): AlertStep {
  const goesOn = before?.state === 'firing';
  const state: AlertState = {
    alert,
    subject: finding.subject,
    state: 'firing',
    episode: (before?.episode ?? 0) + (goesOn ? 0 : 1),
    summary: oneLine(finding.summary),
    sinceMs: goesOn ? before.sinceMs : nowMs,
    lastSeenMs: nowMs,
    resolvedMs: null,
    messages: goesOn ? before.messages : 0,
    messagedMs: before?.messagedMs ?? null,
  };
  const quietMs = state.messagedMs === null ? Number.POSITIVE_INFINITY : nowMs - state.messagedMs;
  if (state.messages === 0) return quietMs >= pace.coolDown ? told(state, 'firing', nowMs) : { state, what: null };
  return quietMs >= pace.repeat ? told(state, 'reminder', nowMs) : { state, what: null };
}

/** What becomes of an alert whose subject was judged and found in order. Null: nothing changes. */
export function notSeen(before: AlertState, nowMs: number, pace: AlertPace): AlertStep | null {
  if (before.state !== 'firing' || nowMs - before.lastSeenMs < pace.resolveAfter) return null;
  const state: AlertState = { ...before, state: 'resolved', resolvedMs: nowMs };
  // Nobody was told that it began: nobody wants to know that it is over.
  return before.messages === 0 ? { state, what: null } : told(state, 'resolved', nowMs);
}

function told(state: AlertState, what: 'firing' | 'reminder' | 'resolved', nowMs: number): AlertStep {
  return { state: { ...state, messages: state.messages + 1, messagedMs: nowMs }, what };
}

/** The message of a step. */
export function messageOfStep({ state, what }: AlertStep, nowMs: number, run: string): AlertMessage | null {
  if (what === null) return null;
  const { alert, subject, summary, sinceMs, messages } = state;
  const id = [run, alert, encodeURIComponent(subject), `${sinceMs}.${messages}`].join(':');
  return { id, alert, subject, severity: ALERTS[alert].severity, what, summary, sinceMs, atMs: nowMs, run };
}

/** Text from outside as one line without control signs. */
function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
  return line.length <= MAX_SUMMARY ? line : `${line.slice(0, MAX_SUMMARY - 1)}…`;
}
