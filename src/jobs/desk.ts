/** Jobs in their queues, as people see and control them. Whoever holds the queues implements the desk. */

/** One job of one queue. */
export type QueuedJob = {
  readonly queue: string;
  /** The queue's own id; where jobs coalesce it differs from the identity. */
  readonly id: string;
  readonly identity: string;
  /** It came before its slot has fired: unless it is promised meanwhile, it is nothing yet. */
  readonly announced: boolean;
  readonly state: string;
  readonly data: unknown;
  /** Attempts that have ended, and how often its process died. */
  readonly attempts: number;
  readonly stalls: number;
};

/**
 * How stopping a job ended. `withdrawn`: taken out of its queue before it ran. `stopped`: its worker aborted it. `completed`,
 * `failed`, `gone`: it ended by itself. `running`: nobody has let go of it in time.
 */
export type Stopped = 'withdrawn' | 'stopped' | 'completed' | 'failed' | 'gone' | 'running';

export interface JobDesk {
  /** Names of all queues. */
  readonly queueNames: readonly string[];
  /** Jobs with this id or identity, whatever their state; none when no queue knows it. */
  find(idOrIdentity: string): Promise<QueuedJob[]>;
  /**
   * Marks the job as cancelled and takes it out of its queue, or has the worker that runs it abort it, waiting so long at most. The
   * mark stays until `allow`, so that nobody starts the job in between.
   */
  stop(job: QueuedJob, waitMs: number): Promise<Stopped>;
  /** Lets jobs of these ids run again. */
  allow(ids: readonly string[]): Promise<void>;
  /** Pauses or resumes a queue for all workers, also those that start later. True when it was paused before. */
  setPaused(queue: string, paused: boolean): Promise<boolean>;
}
