// The operators' page. Whatever the server says is put in as text, never as markup.

const POLL_MS = 3000;
/** A process speaks every 15 s. */
const SILENT_MS = 60_000;
const byId = (id) => document.getElementById(id);
let isOperator = false;
let shownLetters = [];

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function table(heads, rows, nothing) {
  if (rows.length === 0) return element('p', { className: 'quiet', textContent: nothing });
  const head = element(
    'thead',
    {},
    element('tr', {}, ...heads.map((text) => element('th', { textContent: text, scope: 'col' }))),
  );
  const cell = (content) => {
    if (content instanceof Node) return content.tagName === 'TD' ? content : element('td', {}, content);
    return element('td', { textContent: content ?? '' });
  };
  const lines = rows.map((row) => element('tr', {}, ...row.map(cell)));
  return element('table', {}, head, element('tbody', {}, ...lines));
}

/** What has not changed stays, and whoever has the focus on it keeps it. */
function put(id, ...nodes) {
  const old = [...byId(id).childNodes];
  if (old.length === nodes.length && nodes.every((node, index) => node.isEqualNode(old[index]))) return;
  byId(id).replaceChildren(...nodes);
}

const wide = (text) => element('td', { className: 'wide', textContent: text ?? '' });
const state = (text, good) => element('td', { className: good ? 'good' : 'bad', textContent: text });
const when = (value) =>
  value === null || value === undefined ? '' : `${new Date(value).toISOString().slice(0, 19).replace('T', ' ')}`;

function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

function notice(text) {
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}

async function ask(path, options = {}) {
  const response = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...options });
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new Error(body.error ? `${body.error.code}: ${body.error.message}` : `the server answered ${response.status}`);
}

const post = (path, body) =>
  ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

/** Asks before anything is done; of what cannot be undone a word has to be typed. */
function confirmed(title, text, word) {
  const dialog = byId('confirm');
  const [input, yes] = [byId('confirm-input'), byId('confirm-yes')];
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-label').hidden = word === null;
  byId('confirm-word').textContent = word ?? '';
  input.value = '';
  yes.disabled = word !== null;
  input.oninput = () => {
    yes.disabled = word !== null && input.value.trim() !== word;
  };
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === 'yes' && !yes.disabled);
  });
}

async function act(title, text, word, path, body, told) {
  if (!(await confirmed(title, text, word))) return;
  notice(`${title} …`);
  try {
    notice(told(await post(path, body)));
  } catch (error) {
    notice(error.message);
  }
  await refresh();
}

const switched = ({ switched: all }) =>
  all.map((one) => `${one.target}: ${one.state}${one.changed ? '' : ' (as before)'}`).join('; ');
const flat = ({ flat: isFlat, flattened }) =>
  isFlat
    ? 'everything is flat'
    : `not flat: ${flattened
        .filter((one) => one.closing?.flat !== true)
        .map((one) => `${one.model} (${one.error?.message ?? 'something is left'})`)
        .join('; ')}`;
const redriven = ({ ids, already, unknown }) =>
  `redriven: ${ids.length}${already.length > 0 ? `, already: ${already.length}` : ''}${unknown.length > 0 ? `, unknown: ${unknown.length}` : ''}`;

const pause = (target) =>
  act(
    `Pause ${target}`,
    'No decisions are made until it is resumed. Positions keep their stops.',
    null,
    '/api/control/pause',
    { target },
    switched,
  );
const resume = (target) =>
  act(`Resume ${target}`, 'It goes on as what it was.', null, '/api/control/resume', { target }, switched);
const flatten = (model) =>
  act(
    `Flatten ${model}`,
    'Pauses it, cancels its orders and closes its positions at the market.',
    model,
    '/api/control/flatten',
    { model },
    flat,
  );
const halt = () =>
  act(
    'Flatten all',
    'The emergency stop: every model is paused, every order cancelled, every position closed at the market.',
    'all',
    '/api/control/halt',
    {},
    flat,
  );
const redrive = (ids) =>
  act(
    `Redrive ${ids.length} failed job${ids.length === 1 ? '' : 's'}`,
    'They run again.',
    null,
    '/api/control/redrive',
    { ids },
    redriven,
  );

const ACTIONS = {
  'pause-all': () => pause('all'),
  'resume-all': () => resume('all'),
  halt,
  'redrive-shown': () => (shownLetters.length > 0 ? redrive(shownLetters) : notice('no failed job is shown')),
};

function button(text, handler, grave = false) {
  return element('button', { type: 'button', textContent: text, className: grave ? 'grave' : '', onclick: handler });
}

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
