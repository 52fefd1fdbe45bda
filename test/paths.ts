/** Where tests find things. */

import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPO = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** Real data beside the repository; tests that want it are skipped, visibly, where it is not. */
export const SHARED = path.resolve(REPO, '../shared');
export const CANDLES = path.join(SHARED, 'candles');
