/** Asking a person before something that cannot be taken back. */

import { createInterface } from 'node:readline/promises';
import { CodedError } from '../errors.ts';

/** Asks at a terminal and throws NOF0_INPUT_INVALID unless the answer is yes. With `--yes`, and where nobody sits, nobody is asked. */
export async function confirm(what: string, flags: { readonly yes?: boolean }): Promise<void> {
  if (flags.yes || !process.stdin.isTTY || !process.stderr.isTTY) return;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${what} Type yes to go on: `);
    if (answer.trim().toLowerCase() !== 'yes')
      throw new CodedError('NOF0_INPUT_INVALID', 'not confirmed; nothing was done');
  } finally {
    terminal.close();
  }
}
