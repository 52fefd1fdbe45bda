/** Answers of the original API straight from its files. */

import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { OriginalEndpoint } from '../domain/original-api.ts';

type Kept = { readonly look: string; readonly answer: unknown };

/** Reads the file of an address and keeps it until it changes. While one is being written the last whole one stands. */
export class AnswerFiles {
  readonly #dir: string;
  readonly #kept = new Map<OriginalEndpoint, Kept>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What the file says. Throws when there never was a whole one. */
  async read(endpoint: OriginalEndpoint): Promise<unknown> {
    const file = path.join(this.#dir, `${endpoint}.json`);
    const kept = this.#kept.get(endpoint);
    try {
      const { ino, size, mtimeNs } = await stat(file, { bigint: true });
      const look = `${ino}:${size}:${mtimeNs}`;
      if (kept?.look === look) return kept.answer;
      const answer: unknown = JSON.parse(await readFile(file, 'utf8'));
      this.#kept.set(endpoint, { look, answer });
      return answer;
    } catch (error) {
      if (kept !== undefined) return kept.answer;
      throw error;
    }
  }
}
