/** The registry of every Redis key: families, types, lifetimes. No other file builds a key. */

import type { TtlClasses } from '../config.ts';
import { encodeId } from '../domain/ids.ts';
import type { Family } from '../domain/published-keys.ts';

export type { Family } from '../domain/published-keys.ts';

export type KeyType = 'string' | 'hash' | 'list' | 'zset';

type FamilySpec = {
  /** Pattern after the prefix; each `{}` takes one encoded id. */
  readonly pattern: string;
  readonly type: KeyType;
  readonly ttl: keyof TtlClasses;
  /** Whether one process at a time recomputes it. */
  readonly locked: boolean;
  /** Of the equities desk, whose keys have a prefix of their own. */
  readonly desk?: true;
};

/** Families of the cache role. Everything here can be rebuilt from Postgres. */
export const FAMILIES = {
  priceLatest: { pattern: 'price:latest:{}', type: 'string', ttl: 'short', locked: false },
  priceLatestByProvider: { pattern: 'price:latest:{}:{}', type: 'string', ttl: 'short', locked: false },
  cryptoPrices: { pattern: 'crypto_prices', type: 'hash', ttl: 'short', locked: false },
  marketAsset: { pattern: 'market:asset:{}:{}', type: 'string', ttl: 'long', locked: false },
  marketCtx: { pattern: 'market:ctx:{}:{}', type: 'string', ttl: 'medium', locked: true },
  marketFrame: { pattern: 'market:frame:{}', type: 'string', ttl: 'long', locked: true },
  positions: { pattern: 'positions:{}', type: 'hash', ttl: 'positions', locked: true },
  tradesRecent: { pattern: 'trades:recent:{}', type: 'list', ttl: 'medium', locked: true },
  leaderboard: { pattern: 'leaderboard', type: 'zset', ttl: 'medium', locked: true },
  leaderboardCache: { pattern: 'leaderboard:cache', type: 'string', ttl: 'medium', locked: true },
  sinceInception: { pattern: 'since_inception:{}', type: 'list', ttl: 'long', locked: true },
  inception: { pattern: 'inception:{}', type: 'string', ttl: 'long', locked: true },
  accountTotals: { pattern: 'account_totals:{}', type: 'list', ttl: 'long', locked: true },
  analytics: { pattern: 'analytics:{}', type: 'string', ttl: 'analytics', locked: true },
  analyticsAll: { pattern: 'analytics:all', type: 'string', ttl: 'analytics', locked: true },
  conversations: { pattern: 'conversations:{}', type: 'list', ttl: 'long', locked: true },
  decisionLast: { pattern: 'decision:last:{}', type: 'string', ttl: 'medium', locked: false },
  traderState: { pattern: 'trader:{}:state', type: 'string', ttl: 'medium', locked: false },
  simOrders: { pattern: 'sim:orders:{}', type: 'string', ttl: 'medium', locked: true },
  simBalances: { pattern: 'sim:balances:{}', type: 'string', ttl: 'medium', locked: true },
  seasons: { pattern: 'seasons', type: 'string', ttl: 'medium', locked: true },
  stockPrice: { pattern: 'stocks:price:{}', type: 'string', ttl: 'medium', locked: false, desk: true },
  stockIndicators: { pattern: 'stocks:indicators:{}', type: 'string', ttl: 'medium', locked: false, desk: true },
  stockSentiment: { pattern: 'stocks:sentiment:{}', type: 'string', ttl: 'analytics', locked: false, desk: true },
  watchlist: { pattern: 'watchlist:current', type: 'string', ttl: 'long', locked: false, desk: true },
  candidates: { pattern: 'candidates:ranked', type: 'string', ttl: 'long', locked: false, desk: true },
  stockPosition: { pattern: 'positions:active:{}', type: 'string', ttl: 'positions', locked: false, desk: true },
  stockMonitoring: { pattern: 'positions:monitoring:{}', type: 'string', ttl: 'positions', locked: false, desk: true },
  stockSignal: { pattern: 'signals:{}:{}', type: 'string', ttl: 'long', locked: false, desk: true },
  systemState: { pattern: 'system:state', type: 'string', ttl: 'medium', locked: false, desk: true },
  performance: { pattern: 'metrics:performance', type: 'string', ttl: 'analytics', locked: false, desk: true },
  marketContext: { pattern: 'context:market', type: 'string', ttl: 'long', locked: false, desk: true },
} as const satisfies Record<Family, FamilySpec>;

/** Builds keys under one prefix. Ids are percent-encoded. */
export class KeyRegistry {
  readonly prefix: string;
  readonly #ttl: TtlClasses;
  readonly #queueCluster: boolean;
  /** Before the desk's keys, with its separator; empty: they stand as they are. */
  readonly #deskPrefix: string;

  /** `queueCluster`: the queue role is a cluster, where keys that are used together carry a hash tag. */
  constructor(prefix: string, ttl: TtlClasses, queueCluster = false, deskPrefix = '') {
    this.prefix = prefix;
    this.#ttl = ttl;
    this.#queueCluster = queueCluster;
    this.#deskPrefix = deskPrefix;
  }

  /** Key of a family; as many ids as its pattern has places. */
  key(family: Family, ids: readonly string[]): string {
    let next = 0;
    const { pattern, desk }: FamilySpec = FAMILIES[family];
    const body = pattern.replace(/\{\}/g, () => encodeId(ids[next++] ?? ''));
    return `${desk ? this.#deskPrefix : `${this.prefix}:`}${body}`;
  }

  /** Where a key's token and remembered emptiness live: the braces put it into the same cluster slot. */
  sidecar(key: string): string {
    return `v:{${key}}`;
  }

  /** Lifetime of a family's values, ms. */
  ttlMs(family: Family): number {
    return this.#ttl[FAMILIES[family].ttl];
  }

  lock(resource: string, id: string): string {
    return `${this.prefix}:lock:${resource}:${encodeId(id)}`;
  }

  /** Cache role: a remembered answer of a language model, by the digest of the question. */
  llmResponse(digest: string): string {
    return `${this.prefix}:llm:response:${digest}`;
  }

  get responseTtlMs(): number {
    return this.#ttl.responses;
  }

  /** Cache role: there as long as the cache has not lost everything. Without a lifetime: it goes only with all the others. */
  cacheMark(): string {
    return `${this.prefix}:cache:filled`;
  }

  /** Queue role: the trade stream. One script writes it and a guard, so in a cluster they share a tag: `{nof0:trades}:stream`. */
  tradeStream(): string {
    return this.#queueCluster ? `{${this.prefix}:trades}:stream` : `${this.prefix}:trades:stream`;
  }

  /** Queue role: entries of the trade stream that a consumer has given up. Moved there together with their acknowledgement. */
  buriedTrades(consumer: string): string {
    const own = `trades:buried:${encodeId(consumer)}`;
    return this.#queueCluster ? `{${this.prefix}:trades}:${own}` : `${this.prefix}:${own}`;
  }

  /** Queue role: which revision of a trade the stream holds. */
  tradeGuard(tradeId: string): string {
    const own = `ingest:trade:${encodeId(tradeId)}`;
    return this.#queueCluster ? `{${this.prefix}:trades}:${own}` : `${this.prefix}:${own}`;
  }

  /** Queue role: lock of a job whose runs must not overlap. */
  jobLock(key: string): string {
    return `${this.prefix}:lock:job:${encodeId(key)}`;
  }

  /** Queue role: weight taken from a provider's budget in the last minute. */
  rateLimit(provider: string): string {
    return `${this.prefix}:limit:${encodeId(provider)}`;
  }

  /** Queue role: who holds the WebSocket of a provider. */
  feedLock(provider: string): string {
    return `${this.prefix}:lock:feed:${encodeId(provider)}`;
  }

  /** Queue role: pub/sub channel of control words. */
  controlChannel(): string {
    return `${this.prefix}:control`;
  }

  /** Cache role: pub/sub channel of the equities desk. */
  deskChannel(): string {
    return `${this.#deskPrefix}system:events`;
  }

  /** Cache role: pub/sub channel of values as they are written, for those who watch. */
  liveChannel(): string {
    return `${this.prefix}:live`;
  }

  /** Queue role: a job that is to be cancelled wherever it turns up. Many are asked for at once. */
  cancelMark(jobId: string): string {
    return `${this.#together('cancel')}:${encodeId(jobId)}`;
  }

  /** Queue role: BullMQ's own prefix. Its scripts use many keys of a queue. */
  get queuePrefix(): string {
    return this.#together('bull');
  }

  /** First part of keys that one command or script uses together. */
  #together(name: string): string {
    return this.#queueCluster ? `{${this.prefix}:${name}}` : `${this.prefix}:${name}`;
  }

  get guardTtlMs(): number {
    return this.#ttl.guard;
  }

  get lockTtlMs(): number {
    return this.#ttl.lock;
  }
}
