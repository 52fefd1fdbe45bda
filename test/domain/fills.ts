/** Fills for the ledger's tests, and what was recorded from the real exchange and the original arena. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Fill } from '../../src/domain/fill.ts';

let made = 0;

/** A taker buy of one unit at 100, flat before; every field can be given. */
export function fill(fields: Partial<Fill> = {}): Fill {
  made += 1;
  return {
    id: `test:account:${made}`,
    modelId: 'm',
    provider: 'test',
    symbol: 'BTC',
    side: 'buy',
    price: 100,
    size: 1,
    startPosition: null,
    seq: made,
    feeUsd: 0,
    closedPnl: 0,
    oid: made,
    cloid: null,
    tid: made,
    crossed: true,
    liquidation: false,
    kind: 'trade',
    tsMs: made,
    ...fields,
  };
}

const sharedFolder = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** Whether a recorded file lies beside the repository; tests that need it say that they are skipped. */
export function hasShared(path: string): boolean {
  return existsSync(sharedFolder + path);
}

export function readShared(path: string): unknown {
  return JSON.parse(readFileSync(sharedFolder + path, 'utf8'));
}
