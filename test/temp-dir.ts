/** Temporary folders that the embedded servers can live in. */

import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Makes a folder that every user may enter. In one that only root may enter, Postgres (which root starts as another user) would be
 * moved elsewhere, and its data would outlive the folder.
 */
export async function tempDir(prefix: string): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), prefix));
  await chmod(dir, 0o755);
  return dir;
}
