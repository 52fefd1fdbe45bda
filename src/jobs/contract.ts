/** What a job is, whoever runs it. */

import { z } from 'zod';

/** Ids arrive from people too; what they may not hold is said once. */
export const modelId = z.string().min(1).max(64);
/** Unix ms of market time: between 2001 and 2286. */
export const marketMs = z.int().min(1_000_000_000_000).max(9_999_999_999_999);

export type JobContract<Payload extends { v: number } = { v: number }> = {
  /** Name of the job, of its queue and of its handler's file. */
  readonly name: string;
  /** One sentence for lists and help texts. */
  readonly summary: string;
  /** The desk whose runs have the job; absent: the runs of both. */
  readonly desk?: 'arena' | 'equities';
  /** Newest payload version this code knows. A payload from a newer producer waits for a newer worker. */
  readonly version: number;
  readonly payload: z.ZodType<Payload>;
  /** Turns a payload of the version before its key into that version: `2` makes a 2 out of a 1. */
  readonly upgrades?: Readonly<Record<number, (old: Record<string, unknown>) => Record<string, unknown>>>;
  /** The job's identity: equal for everything that is the same piece of work. Never holds a colon. */
  readonly identity: (payload: Payload) => string;
  /**
   * `each`: every identity runs once (slots). `latest`: runs of one identity coalesce; one that begins after a request covers
   * it, and one more follows when a request arrives during a run.
   */
  readonly runs: 'each' | 'latest';
  /** Runs with the same key never overlap, in whatever process; absent where the work guards itself. */
  readonly exclusive?: (payload: Payload) => string;
  /** Whether nothing that decides or trades reads what it does: the clock of a replay does not wait for it. */
  readonly aside?: (payload: Payload) => boolean;
  /** What history keeps of a payload; absent: all of it. */
  readonly remembered?: (payload: Payload) => unknown;
  /** Whether a run that ended well leaves no row of history: there are very many of them, and what they did stands elsewhere. */
  readonly routine?: (payload: Payload) => boolean;
  readonly modelOf: (payload: Payload) => string | null;
  /** The slot the job belongs to, for lag and history; null for a follow-up. */
  readonly slotOf: (payload: Payload) => number | null;
  /** Market time the job works at. */
  readonly asOf: (payload: Payload) => number;
  readonly attempts: number;
  readonly backoff: { readonly baseMs: number; readonly capMs: number };
  readonly timeoutMs: number;
  /** Within the queue: 0 in order of arrival, before every higher number. */
  readonly priority: number;
  /** Jobs of the queue that one process runs at a time; absent: the process' own setting. */
  readonly concurrency?: number;
  /** How many finished jobs the queue remembers; run history in Postgres is the long memory. */
  readonly keep: { readonly completed: number; readonly failed: number };
};

/** Types a contract without widening its payload. */
export function defineJob<Payload extends { v: number }>(contract: JobContract<Payload>): JobContract<Payload> {
  return contract;
}
