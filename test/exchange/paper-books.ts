/** Books of the paper exchange without a database. */

import { paperSchema } from '../../src/config/paper.ts';
import type { AccountRow } from '../../src/domain/paper-book.ts';
import { type PaperRules, type PaperSettings, paperRules } from '../../src/exchange/paper/paper-rules.ts';

export const DEFAULTS: PaperSettings = paperSchema.parse({});

const ASSETS = {
  BTC: { sizeDecimals: 3, maxLeverage: 40, onlyIsolated: false },
  ETH: { sizeDecimals: 3, maxLeverage: 25, onlyIsolated: false },
  SOL: { sizeDecimals: 2, maxLeverage: 20, onlyIsolated: false },
  HYPE: { sizeDecimals: 2, maxLeverage: 10, onlyIsolated: false },
  FART: { sizeDecimals: 1, maxLeverage: 3, onlyIsolated: true },
};

export function testRules(settings: Partial<PaperSettings> = {}): PaperRules {
  return paperRules({ ...DEFAULTS, ...settings }, new Map(Object.entries(ASSETS)));
}

export function emptyRow(fields: Partial<AccountRow> = {}): AccountRow {
  return {
    ...{ account: 'a', no: 1, cashUsd: 10_000, nextOid: 1, nextSeq: 1, turnover: 0, volumes: {}, settings: {} },
    ...fields,
  };
}
