/** The journal of a process: it writes files of finished cycles, and takes away its folder's old ones. */

import type { JournalRecord } from '../domain/journal.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { pruneJournal } from './prune-journal.ts';
import { writeJournal } from './write-journal.ts';

/** Files grow old slowly. */
const PRUNE_EVERY_MS = 3_600_000;

export class Journal {
  readonly #dir: string;
  readonly #keepMs: number;
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  #prunedAt = Number.NEGATIVE_INFINITY;

  /** `keepMs`: how long a file stays after it was written. */
  constructor(dir: string, keepMs: number, doors: { readonly metrics: Metrics; readonly logger: Logger }) {
    this.#dir = dir;
    this.#keepMs = keepMs;
    this.#metrics = doors.metrics;
    this.#logger = doors.logger;
  }

  write(record: JournalRecord, writer: string): Promise<string> {
    return writeJournal(this.#dir, record, writer);
  }

  /**
   * Whoever writes also clears: with several machines each has files that only it sees. At most once an hour, and a folder that cannot
   * be cleared keeps nobody from writing.
   */
  async prune(): Promise<void> {
    if (performance.now() - this.#prunedAt < PRUNE_EVERY_MS) return;
    this.#prunedAt = performance.now();
    try {
      const files = await pruneJournal(this.#dir, Date.now() - this.#keepMs);
      if (files > 0) this.#logger.info({ files }, 'old journal files are gone');
    } catch (error) {
      this.#metrics.swallowed.inc({ reason: 'journal_prune' });
      this.#logger.warn({ error: messageOf(error) }, 'old journal files cannot be deleted');
    }
  }
}
