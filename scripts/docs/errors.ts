/** The catalogue of errors. */

import { ERROR_CATALOGUE } from '../../src/errors.ts';
import { code, table } from './table.ts';

export function errorTable(): string {
  return table(
    ['code', 'tried again', 'HTTP', 'meaning'],
    Object.entries(ERROR_CATALOGUE).map(([name, entry]) => [
      code(name),
      entry.retryable ? 'yes' : 'no',
      String(entry.status),
      entry.meaning,
    ]),
  );
}
