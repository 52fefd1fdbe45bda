/** Redis beside Postgres, and Postgres beside the exchange: what differs is put right where that needs nobody's opinion. */

import { raiseAlert } from '../engine/alerts.ts';
import { compareBooks } from '../engine/compare-books.ts';
import { done, type Outcome, type Stories } from '../engine/context.ts';
import { repairKeys } from '../projections/check.ts';
import type { Resources } from '../resources.ts';

type Difference = { readonly family: string; readonly text: string; readonly repaired: boolean };

export async function checkConsistency(
  { publisher, db, metrics, logger }: Resources,
  signal: AbortSignal,
  stories: Stories,
  asOfMs: number,
): Promise<Outcome> {
  const keys = await repairKeys(publisher, db);
  const books = await compareBooks(stories, asOfMs, signal);
  const differences: Difference[] = [
    ...keys.differences,
    ...books.repaired.map((text) => ({ family: 'exchange', text, repaired: true })),
    ...books.left.map((text) => ({ family: 'exchange', text, repaired: false })),
  ];
  for (const { family, text, repaired } of differences) {
    metrics.inconsistencies.inc({ family, result: repaired ? 'repaired' : 'left' });
    if (repaired) logger.warn({ family, difference: text }, 'a difference was found and put right');
    else
      logger.error({ family, difference: text }, 'a difference was found that cannot be put right: see `nof0 verify`');
  }
  await raiseAlert(stories, 'inconsistency', findingsOf(differences));
  const left = differences.filter(({ repaired }) => !repaired).length;
  return done({ keys: keys.compared, models: books.compared, repaired: differences.length - left, left });
}

/** One finding a family: its first difference, those that are left before those that are not. */
function findingsOf(differences: readonly Difference[]): { subject: string; summary: string }[] {
  return [...new Set(differences.map(({ family }) => family))].map((family) => {
    const own = differences.filter((one) => one.family === family);
    const first = own.find(({ repaired }) => !repaired) ?? own[0];
    const others = own.length > 1 ? `, and ${own.length - 1} more` : '';
    return {
      subject: family,
      summary: `${first?.text}${others}; ${first?.repaired ? 'put right' : 'could not be put right'}`,
    };
  });
}
