/** Recorded answers of the exchange, read from beside the repository. Tests that want them are skipped, visibly, where they are not. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { SHARED } from '../paths.ts';

export const RECORDED = path.join(SHARED, 'hyperliquid/recorded');
export const hasRecorded = existsSync(RECORDED);

export function recordedText(name: string): string {
  return readFileSync(path.join(RECORDED, name), 'utf8');
}

/** A recorded body. Its shape is what the tests are about, so they say what they expect of it. */
// biome-ignore lint/suspicious/noExplicitAny: a foreign body whose shape is under test
export function recorded(name: string): any {
  return JSON.parse(recordedText(name));
}
