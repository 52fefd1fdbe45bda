/** Chromium where there is one. In CI there must be one; elsewhere the tests that want it are skipped, and say so. */

import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function find(): string | null {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const wanted = process.env.CHROMIUM ?? '';
  const candidates = [
    ...(wanted === '' ? [] : [wanted]),
    ...folders.flatMap((at) => NAMES.map((name) => path.join(at, name))),
  ];
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export const CHROMIUM = find();

/** Whether to skip; never in CI, where starting it fails instead and tells why. */
export const skipsBrowser = CHROMIUM === null && process.env.CI !== 'true';
if (skipsBrowser) process.stderr.write('SKIPPED: browser tests, no chromium found on PATH (or name one in CHROMIUM)\n');

/** Without its sandbox, which root and most containers cannot give it: it visits this machine's own pages alone. */
export function startChromium(): Promise<Browser> {
  if (CHROMIUM === null)
    throw new Error('no chromium on PATH: install it (apt-get install chromium) or name one in CHROMIUM');
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
