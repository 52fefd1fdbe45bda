/** As much of Postgres' protocol as it takes to know which statement a client is running. */

import type { Listener } from './proxy.ts';

/** Names of prepared statements are hashes of their text, so all connections agree on them. */
const prepared = new Map<string, string>();

/**
 * A listener that tells `see` about every statement a client runs, as text. It answers `hold` when `see` returned true for one of them.
 * The first message of a connection has no type byte; every other one is type, length, body.
 */
export function statements(see: (sql: string) => boolean): Listener {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    let hold = false;
    for (;;) {
      const head = started ? 1 : 0;
      if (rest.length < head + 4) break;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) break;
      const sql = started ? statementOf(String.fromCharCode(rest[0] ?? 0), rest.subarray(5, end)) : null;
      if (sql !== null && see(sql)) hold = true;
      started = true;
      rest = rest.subarray(end);
    }
    return hold ? 'hold' : 'pass';
  };
}

/** Text of the statement that a message runs; null for a message that runs none. */
function statementOf(type: string, body: Buffer): string | null {
  if (type === 'Q') return text(body, 0);
  if (type === 'P') {
    const name = text(body, 0);
    prepared.set(name, text(body, Buffer.byteLength(name) + 1));
    return null;
  }
  // Bind: portal, then the statement's name.
  return type === 'B' ? (prepared.get(text(body, Buffer.byteLength(text(body, 0)) + 1)) ?? null) : null;
}

function text(body: Buffer, from: number): string {
  return body.toString('utf8', from, body.indexOf(0, from));
}
