/** What a check has found. */

import { messageOf } from '../errors.ts';

/** `warning`: it works, and should not stay like this. `fault`: it does not work, or not for long. `skipped`: there is nothing to look at. */
export type FindingState = 'ok' | 'warning' | 'fault' | 'skipped';

export type Finding = {
  /** What was looked at, such as `queue redis`. */
  readonly check: string;
  readonly state: FindingState;
  /** What is so. */
  readonly said: string;
  /** What to do about it; null when there is nothing to do. */
  readonly remedy: string | null;
};

export const ok = (check: string, said: string): Finding => ({ check, state: 'ok', said, remedy: null });
export const skipped = (check: string, said: string, remedy: string): Finding => ({
  check,
  state: 'skipped',
  said,
  remedy,
});
export const warning = (check: string, said: string, remedy: string): Finding => ({
  check,
  state: 'warning',
  said,
  remedy,
});
export const fault = (check: string, said: string, remedy: string): Finding => ({
  check,
  state: 'fault',
  said,
  remedy,
});

/** A check that cannot be made is a fault of what it looks at. */
export async function examined(
  check: string,
  remedy: string,
  look: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [fault(check, messageOf(error), remedy)];
  }
}
