// What the operators' page is built of. Whatever the server says is put in as text, never as markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function table(heads, rows, nothing) {
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
export function put(id, ...nodes) {
  const old = [...byId(id).childNodes];
  if (old.length === nodes.length && nodes.every((node, index) => node.isEqualNode(old[index]))) return;
  byId(id).replaceChildren(...nodes);
}

export const wide = (text) => element('td', { className: 'wide', textContent: text ?? '' });
export const state = (text, good) => element('td', { className: good ? 'good' : 'bad', textContent: text });
export const when = (value) =>
  value === null || value === undefined ? '' : `${new Date(value).toISOString().slice(0, 19).replace('T', ' ')}`;

export function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

export function notice(text) {
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}

export function button(text, handler, grave = false) {
  return element('button', { type: 'button', textContent: text, className: grave ? 'grave' : '', onclick: handler });
}
