/** What the configuration is, once it has been read and found whole. */

import type { OriginalEndpoint, ReadSource } from '../domain/original-api.ts';
import type { PromptTemplate } from '../domain/prompt-template.ts';
import type { Arena } from './arena.ts';
import type { Credential } from './http.ts';

/** The market of the equities desk: one session of a recording or of the synthetic feed, or the real one as a data API tells it. */
export type EquitiesMarket = {
  readonly kind: 'equities';
  readonly feed: 'synthetic' | 'csv' | 'api';
  /** Folder of the recording. */
  readonly dir: string | null;
  readonly speed: number | 'max';
};

export type MarketSettings =
  | { readonly kind: 'synthetic' }
  | { readonly kind: 'hyperliquid' }
  | EquitiesMarket
  | { readonly kind: 'replay'; readonly dir: string; readonly speed: number | 'max' };

export type TtlClasses = {
  readonly short: number;
  readonly medium: number;
  readonly long: number;
  readonly positions: number;
  readonly analytics: number;
  readonly responses: number;
  readonly guard: number;
  readonly lock: number;
};

export type TradingAccount = { readonly address: string; readonly privateKey: string; readonly isVault: boolean };

export type Config = {
  readonly dataDir: string;
  /** Named on the command line or in the environment; null: the command's own default. */
  readonly run: string | null;
  /** Null when the servers are embedded. */
  readonly servers: {
    readonly databaseUrl: string;
    readonly queueRedisUrl: string;
    readonly cacheRedisUrl: string;
  } | null;
  readonly redisPrefix: string;
  /** Before the keys of the equities desk; empty: none. */
  readonly deskPrefix: string;
  readonly redisServerPath: string | null;
  readonly http: {
    readonly host: string;
    readonly port: number | null;
    /** Whoever may control or look; empty: nobody is told from anybody. The secrets are never logged. */
    readonly credentials: readonly Credential[];
    readonly publicReads: boolean;
    /** Origins whose pages may read, or `*`. */
    readonly corsOrigins: readonly string[];
    /** Requests a minute of one address; 0: any number. */
    readonly rateLimit: number;
    /** Addresses whose X-Forwarded-For is believed, beside loopback. */
    readonly proxies: readonly string[];
  };
  /** Port of the probes of a process without an API; 0: any free one. */
  readonly metricsPort: number;
  /** Null: nothing is traced. */
  readonly tracing: { readonly endpoint: string; readonly service: string } | null;
  /** `accounts` by model; empty unless the mode is live, so that no key is held that is not needed. */
  readonly trading: { readonly mode: 'paper' | 'live'; readonly accounts: Readonly<Record<string, TradingAccount>> };
  /** Null: the network's public address. */
  readonly hyperliquid: {
    readonly network: 'testnet' | 'mainnet';
    readonly apiUrl: string | null;
    readonly wsUrl: string | null;
  };
  /** The data API of the equities desk; the key is null when none is set, and never logged. */
  readonly stockData: {
    readonly url: string | null;
    readonly key: { readonly id: string; readonly secret: string } | null;
  };
  readonly log: { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' };
  readonly dbPool: number;
  readonly concurrency: number;
  /** Milliseconds. */
  readonly ttl: TtlClasses;
  readonly arena: Arena;
  /** Wordings of prompts by the name that the arena file gives them; the shipped one under the empty name. */
  readonly prompts: Readonly<Record<string, PromptTemplate>>;
  /** The shipped wording of the equities desk; see `forRun`. */
  readonly deskPrompt: PromptTemplate;
  /** Where closed trades are posted to; null: nowhere. The secret is never logged. */
  readonly webhook: { readonly url: string; readonly secret: string; readonly timeoutMs: number } | null;
  /** Where people are told what is wrong; null: not there. The secrets are never logged. */
  readonly alerts: {
    readonly webhook: { readonly url: string; readonly secret: string } | null;
    readonly slack: { readonly url: string } | null;
    readonly discord: { readonly url: string } | null;
  };
  /** What answers the addresses of the original API; those without an entry are answered from the store. */
  readonly readSource: {
    readonly dir: string | null;
    readonly sources: Readonly<Partial<Record<OriginalEndpoint, ReadSource>>>;
  };
  /** Keys of endpoints by the name of their variable. Never logged. */
  readonly apiKeys: Readonly<Record<string, string>>;
  /** Every secret of this configuration, to be hidden from logs and dashboards. */
  readonly secrets: readonly string[];
};
