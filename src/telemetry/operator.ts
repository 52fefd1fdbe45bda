/** Who runs this process. */

import { hostname, userInfo } from 'node:os';

/** The person at this terminal, as the audit log names him: `carol@arena-1`. */
export function operator(): string {
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
