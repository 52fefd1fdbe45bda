// The operators' page: what it shows, and how often it looks.

import { ask, flatten, halt, pause, redrive, resume } from './ops-controls.js';
import { button, byId, element, notice, put, span, state, table, when, wide } from './ops-view.js';

const POLL_MS = 3000;
/** A process speaks every 15 s. */
const SILENT_MS = 60_000;
let isOperator = false;
let shownLetters = [];

const ACTIONS = {
  'pause-all': () => pause('all'),
  'resume-all': () => resume('all'),
  halt,
  'redrive-shown': () => (shownLetters.length > 0 ? redrive(shownLetters) : notice('no failed job is shown')),
};

const actions = (...buttons) => (isOperator ? element('div', { className: 'actions' }, ...buttons) : '');

function showTraders(traders) {
  const rows = traders.map((one) => {
    const held = !['running', 'shadow'].includes(one.state);
    const target = `model:${one.traderId}`;
    return [
      one.traderId,
      state(one.state, !held),
      wide(held ? (one.reason ?? '') : ''),
      when(one.pauseUntilMs),
      when(one.lastDecisionAtMs),
      actions(
        held ? button('Resume', () => resume(target)) : button('Pause', () => pause(target)),
        button('Flatten', () => flatten(one.traderId), true),
      ),
    ];
  });
  put('traders', table(['model', 'state', 'why', 'until (UTC)', 'last decision (UTC)', ''], rows, 'no models yet'));
}

function showAlerts(alerts) {
  byId('alerts-section').hidden = false;
  const rows = alerts.map((one) => [
    one.alert,
    one.subject,
    wide(one.summary),
    when(one.sinceMs),
    state(one.state, one.state === 'resolved'),
  ]);
  put('alerts', table(['alert', 'of', 'what', 'since (UTC)', 'state'], rows, 'nothing is wrong'));
}

function showEffects({ pending, stuck }) {
  const counts = table(
    ['effects', 'pending', 'oldest'],
    pending.map((one) => [one.kind, one.count, span(one.oldestMs)]),
    'no effect is pending',
  );
  const failing = stuck.map((one) => [one.target, one.kind, one.attempts, wide(one.lastError), when(one.createdAt)]);
  const parts = [counts];
  if (failing.length > 0) parts.push(table(['effect', 'kind', 'tries', 'last error', 'since (UTC)'], failing, ''));
  put('effects', ...parts);
}

function showSlots(slots) {
  const rows = [...slots]
    .sort((a, b) => b.lagMs - a.lagMs || a.name.localeCompare(b.name))
    .map((one) => [
      one.name,
      one.spec.cron ?? span(one.spec.everyMs),
      when(one.lastSlotMs),
      state(span(one.lagMs), one.lagMs < 60_000),
    ]);
  put('slots', table(['schedule', 'every', 'last slot (UTC)', 'behind'], rows, 'no schedules yet'));
}

function showQueues(queues) {
  const rows = queues.map(({ queue, paused, counts, longestWaitMs }) => [
    queue,
    state(paused ? 'paused' : 'running', !paused),
    counts.waiting + (counts.prioritized ?? 0),
    counts.active,
    counts.delayed,
    counts.failed,
    span(longestWaitMs),
    actions(paused ? button('Resume', () => resume(`queue:${queue}`)) : button('Pause', () => pause(`queue:${queue}`))),
  ]);
  put(
    'queues',
    table(['queue', 'state', 'waiting', 'active', 'delayed', 'failed', 'longest wait', ''], rows, 'no queues'),
  );
}

function showProcesses(processes) {
  const rows = processes.map((one) => [
    one.name,
    when(one.startedMs),
    state(`${span(one.silentMs)} ago`, one.silentMs < SILENT_MS),
    one.diskFree === null ? '' : state(`${Math.round(one.diskFree * 100)} %`, one.diskFree > 0.1),
  ]);
  put(
    'processes',
    table(['process', 'since (UTC)', 'last seen', 'disk free'], rows, 'no process has said that it works'),
  );
}

const SHOW = {
  processes: showProcesses,
  traders: showTraders,
  alerts: showAlerts,
  effects: showEffects,
  slots: showSlots,
  queues: showQueues,
  servers: (servers) =>
    put(
      'servers',
      table(
        ['server', 'state'],
        Object.entries(servers).map(([name, check]) => [name, state(check, check === 'up')]),
        '',
      ),
    ),
};

function showCaller({ run, caller }) {
  const mode = run.kind === 'hyperliquid' ? `${run.trading}, ${run.network}` : run.kind;
  byId('run').textContent = `run ${run.name} (${mode})`;
  byId('run').dataset.trading = run.trading;
  byId('caller').textContent = `${caller.name}, ${caller.role}`;
  isOperator = caller.role === 'operator';
  for (const node of document.querySelectorAll('[data-operator]')) node.hidden = !isOperator;
}

async function refreshOverview() {
  const overview = await ask('/api/ops/overview');
  showCaller(overview);
  for (const [part, show] of Object.entries(SHOW)) {
    const why = overview.missing[part];
    if (why !== undefined) put(part, element('p', { className: 'bad', textContent: `no answer: ${why}` }));
    else if (overview[part] !== undefined && overview[part] !== null) show(overview[part]);
  }
}

function query(form) {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value === '') continue;
    if (name === 'since') given.set('sinceMs', String(new Date(value).getTime()));
    else given.set(name, value);
  }
  return given;
}

async function refreshFailed() {
  const { failed } = await ask(`/api/ops/failed?${query(byId('failed-form'))}`);
  shownLetters = failed.map(({ id }) => id);
  const rows = failed.map((one) => [
    one.id,
    one.job,
    one.modelId,
    wide(`${one.errorCode}: ${one.errorMessage}`),
    one.attempts,
    when(one.failedAt),
    actions(button('Redrive', () => redrive([one.id]))),
  ]);
  put('failed', table(['no', 'job', 'model', 'error', 'attempts', 'failed (UTC)', ''], rows, 'no failed jobs'));
}

async function refreshRuns() {
  const { runs } = await ask(`/api/ops/runs?${query(byId('runs-form'))}`);
  const rows = runs.map((one) => [
    when(one.finishedAt),
    one.job,
    one.modelId,
    state(one.outcome, one.outcome !== 'failed'),
    wide(one.errorCode === null ? one.reason : `${one.errorCode}: ${one.errorMessage}`),
    span(one.durationMs),
    one.attempt,
    one.worker,
  ]);
  put('runs', table(['ended (UTC)', 'job', 'model', 'outcome', 'why', 'took', 'attempt', 'worker'], rows, 'no runs'));
}

async function refreshAudit() {
  const { audit } = await ask('/api/ops/audit?limit=30');
  const change = (value) => (value === null || value === undefined ? '' : JSON.stringify(value));
  const rows = audit.map((one) => [
    when(one.at),
    one.who,
    one.what,
    one.target,
    wide(change(one.before)),
    wide(change(one.after)),
  ]);
  put('audit', table(['at (UTC)', 'who', 'what', 'target', 'before', 'after'], rows, 'nothing yet'));
}

let isAway = false;

async function refresh(parts = [refreshOverview, refreshFailed, refreshAudit]) {
  try {
    for (const part of parts) await part();
    if (isAway) notice('');
    isAway = false;
  } catch (error) {
    isAway = true;
    notice(`what you see is old: ${error.message}`);
  }
}

for (const [name, handler] of Object.entries(ACTIONS)) document.querySelector(`[data-act="${name}"]`).onclick = handler;
document.addEventListener('acted', () => refresh());
byId('failed-form').onsubmit = (event) => {
  event.preventDefault();
  refresh([refreshFailed]);
};
byId('runs-form').onsubmit = (event) => {
  event.preventDefault();
  refresh([refreshRuns]);
};

async function poll() {
  if (!document.hidden && !byId('confirm').open) await refresh();
  setTimeout(poll, POLL_MS);
}

await refresh([refreshOverview, refreshRuns]);
poll();
