// What operators do: ask first, then the server. It refuses whoever may not.

import { byId, notice } from './ops-view.js';

export async function ask(path, options = {}) {
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
  document.dispatchEvent(new Event('acted'));
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

export const pause = (target) =>
  act(
    `Pause ${target}`,
    'No decisions are made until it is resumed. Positions keep their stops.',
    null,
    '/api/control/pause',
    { target },
    switched,
  );
export const resume = (target) =>
  act(`Resume ${target}`, 'It goes on as what it was.', null, '/api/control/resume', { target }, switched);
export const flatten = (model) =>
  act(
    `Flatten ${model}`,
    'Pauses it, cancels its orders and closes its positions at the market.',
    model,
    '/api/control/flatten',
    { model },
    flat,
  );
export const halt = () =>
  act(
    'Flatten all',
    'The emergency stop: every model is paused, every order cancelled, every position closed at the market.',
    'all',
    '/api/control/halt',
    {},
    flat,
  );
export const redrive = (ids) =>
  act(
    `Redrive ${ids.length} failed job${ids.length === 1 ? '' : 's'}`,
    'They run again.',
    null,
    '/api/control/redrive',
    { ids },
    redriven,
  );
