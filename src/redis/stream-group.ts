/** A consumer group on a stream: each entry is some member's until it is acknowledged or buried, whoever dies in between. */

import type { ScriptedRedis } from './connections.ts';

export type StreamEntry = { readonly id: string; readonly fields: Readonly<Record<string, string>> };

/** An entry that was given up: what it said, and why it was given up. */
export type BuriedEntry = StreamEntry & { readonly reason: string; readonly attempts: number };

export type GroupOptions = {
  readonly stream: string;
  /** The stream of entries that were given up. */
  readonly buried: string;
  readonly group: string;
  /** Name of this member. */
  readonly member: string;
  /** An entry that its member has not touched for so long belongs to a dead process, ms. */
  readonly abandonedMs: number;
};

const MAX_BURIED = 10_000;

export class StreamGroup {
  readonly #redis: ScriptedRedis;
  readonly #options: GroupOptions;

  constructor(redis: ScriptedRedis, options: GroupOptions) {
    this.#redis = redis;
    this.#options = options;
  }

  /** Makes the group unless it is there. It begins with the next entry, or with the oldest one that the stream holds. */
  async ensure(from: 'next' | 'oldest'): Promise<void> {
    const { stream, group } = this.#options;
    try {
      await this.#redis.xgroup('CREATE', stream, group, from === 'next' ? '$' : '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('BUSYGROUP'))) throw error;
    }
  }

  /** An entry that a dead member left behind; null when there is none. `lost`: entries that the stream had cut off before. */
  async abandoned(): Promise<{ entry: StreamEntry | null; lost: number }> {
    const { stream, group, member, abandonedMs } = this.#options;
    let cursor = '0-0';
    let lost = 0;
    do {
      const [next, [id], gone] = (await this.#redis.xautoclaim(
        ...([stream, group, member, abandonedMs, cursor, 'COUNT', 1, 'JUSTID'] as const),
      )) as [string, string[], string[] | undefined];
      cursor = next;
      lost += gone?.length ?? 0;
      if (id === undefined) continue;
      const [entry] = await this.#redis.xrange(stream, id, id);
      if (entry) return { entry: toEntry(entry), lost };
      // Servers before 7 leave it to the group to forget what the stream no longer holds.
      await this.acknowledge(id);
      lost += 1;
    } while (cursor !== '0-0');
    return { entry: null, lost };
  }

  /** The next entry that no member has had; waits so long for one. */
  async next(waitMs: number): Promise<StreamEntry | null> {
    const { stream, group, member } = this.#options;
    const read = (await this.#redis.xreadgroup(
      ...(['GROUP', group, member, 'COUNT', 1, 'BLOCK', waitMs, 'STREAMS', stream, '>'] as const),
    )) as [string, [string, string[]][]][] | null;
    const entry = read?.[0]?.[1]?.[0];
    return entry ? toEntry(entry) : null;
  }

  /** Begins another attempt: returns its number, or null when the entry is no longer this member's. Attempts are counted by the group. */
  async attempt(id: string): Promise<number | null> {
    const { stream, group, member } = this.#options;
    const [before] = await this.#pending(id);
    if (before === undefined || before[1] !== member) return null;
    const claimed = await this.#redis.xclaim(stream, group, member, 0, id, 'JUSTID', 'RETRYCOUNT', before[3] + 1);
    return claimed.length === 0 ? null : before[3];
  }

  /** Says that the member still works on the entry. */
  async touch(id: string): Promise<void> {
    const { stream, group, member } = this.#options;
    await this.#redis.xclaim(stream, group, member, 0, id, 'JUSTID');
  }

  async acknowledge(id: string): Promise<void> {
    await this.#redis.xack(this.#options.stream, this.#options.group, id);
  }

  /** Gives the entry up: it leaves the group and stays among the buried ones, in one step. */
  async bury({ id, fields }: StreamEntry, attempts: number, reason: string): Promise<void> {
    const { stream, buried, group } = this.#options;
    const grave = { entry: id, reason, attempts: String(attempts), buried_ms: String(Date.now()) };
    const values = [
      ...Object.entries(grave),
      ...Object.entries(fields).map(([name, value]) => [`field:${name}`, value]),
    ];
    const results = await this.#redis
      .multi()
      .xadd(buried, 'MAXLEN', '~', MAX_BURIED, '*', ...values.flat())
      .xack(stream, group, id)
      .exec();
    for (const [error] of results ?? []) if (error) throw error;
  }

  /** Entries that were given up, oldest first. Their ids are those of the buried entries. */
  async buried(limit = MAX_BURIED): Promise<BuriedEntry[]> {
    const entries = await this.#redis.xrange(this.#options.buried, '-', '+', 'COUNT', limit);
    return entries.map((raw) => {
      const { id, fields } = toEntry(raw);
      const own = Object.entries(fields).flatMap(([name, value]) =>
        name.startsWith('field:') ? [[name.slice('field:'.length), value] as const] : [],
      );
      return { id, fields: Object.fromEntries(own), reason: fields.reason ?? '', attempts: Number(fields.attempts) };
    });
  }

  async forget(buriedId: string): Promise<void> {
    await this.#redis.xdel(this.#options.buried, buriedId);
  }

  /** Leaves the group if nothing is left with this member. */
  async leave(): Promise<void> {
    const { stream, group, member } = this.#options;
    const mine = await this.#redis.xpending(stream, group, '-', '+', 1, member);
    if (mine.length === 0) await this.#redis.xgroup('DELCONSUMER', stream, group, member);
  }

  async #pending(id: string): Promise<[string, string, number, number][]> {
    const { stream, group } = this.#options;
    return (await this.#redis.xpending(stream, group, id, id, 1)) as [string, string, number, number][];
  }
}

/** Whether the stream or its group is gone: the queue role lost its data. */
export function isGroupGone(error: unknown): boolean {
  return error instanceof Error && error.message.includes('NOGROUP');
}

export function toEntry([id, list]: [string, string[]]): StreamEntry {
  const fields = list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1] ?? ''] as const] : []));
  return { id, fields: Object.fromEntries(fields) };
}
