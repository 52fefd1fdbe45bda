/** The doors of a run: its market, and the exchange that its orders go to. */

import type { Config, MarketSettings } from './config.ts';
import { pace } from './config.ts';
import { CodedError } from './errors.ts';
import type { Exchange } from './exchange/exchange.ts';
import { PaperExchange } from './exchange/paper/paper-exchange.ts';
import type { ClientOptions } from './hyperliquid/client.ts';
import { PROVIDER, providerAddresses } from './hyperliquid/provider.ts';
import { WEIGHT_FOR_ORDERS, WEIGHT_PER_MINUTE } from './hyperliquid/weights.ts';
import { ALPACA, ALPACA_URL, AlpacaClient, type AlpacaKey } from './market/alpaca/client.ts';
import { LISTED } from './market/equities/synthetic.ts';
import type { EquitiesConfig } from './market/index.ts';
import { openMarket } from './market/index.ts';
import type { MarketData } from './market/market-data.ts';
import type { ScriptedRedis } from './redis/connections.ts';
import type { KeyRegistry } from './redis/keys.ts';
import { RateLimiter } from './redis/rate-limiter.ts';
import type { Database } from './store/database.ts';
import { entryTimeMs } from './store/ledger.ts';
import type { RunRow } from './store/runs.ts';
import type { Logger } from './telemetry/logger.ts';
import type { Metrics } from './telemetry/metrics.ts';

type DoorNeeds = {
  readonly config: Config;
  readonly run: RunRow;
  readonly db: Database;
  readonly queueRedis: ScriptedRedis;
  readonly keys: KeyRegistry;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

type Doors = { readonly market: MarketData; readonly exchange: Exchange };

/** Opens market and exchange of the run. Only a run that was begun live, in a process that is told so, sends orders anywhere. */
export async function openDoors(resources: DoorNeeds): Promise<Doors> {
  const { config, run, db } = resources;
  assertTrading(run, config);
  if (run.kind === 'hyperliquid') return hyperliquidDoors(resources);
  if (run.kind === 'equities' && run.settings.feed === 'api') {
    const market = await stockMarket(resources);
    return { market, exchange: paperExchange(db, market, config) };
  }
  if (run.kind === 'equities') {
    const market = await openMarket(equitiesMarket(run.settings, run.seed, config));
    return { market, exchange: paperExchange(db, market, config) };
  }
  const schedules = pace(config.arena, run.kind);
  const market = await openMarket(
    run.kind === 'replay'
      ? { kind: 'replay', dir: run.settings.dir ?? '' }
      : { kind: 'synthetic', seed: run.seed, historyMs: config.arena.history, tickMs: schedules.price },
  );
  return { market, exchange: paperExchange(db, market, config) };
}

/** The real stock market. Only its data are real: orders stay on the paper exchange. */
function stockMarket({ config, queueRedis, keys, logger, metrics }: DoorNeeds): Promise<MarketData> {
  const { api, universe, sectors } = config.arena.equities;
  const known = new Map(LISTED.map(({ symbol, sector }) => [symbol, sector]));
  const symbols = universe.length === 0 ? [...known.keys()] : universe;
  return openMarket({
    kind: 'alpaca',
    client: new AlpacaClient({
      url: config.stockData.url ?? ALPACA_URL,
      key: stockDataKey(config),
      budget: new RateLimiter(queueRedis, keys.rateLimit(ALPACA), { perMinute: api.requestsPerMinute, reserved: 0 }),
      metrics,
    }),
    stocks: symbols.map((symbol) => ({ symbol, sector: sectors[symbol] ?? known.get(symbol) ?? 'other' })),
    feed: api.feed,
    sessionsBefore: api.sessionsBefore,
    onUnknown: (unknown) =>
      logger.warn({ symbols: unknown }, 'the stock data API does not know these; they are left out'),
  });
}

/** The key of the stock data API. Throws NOF0_CONFIG_INVALID when there is none. */
export function stockDataKey({ stockData }: Config): AlpacaKey {
  if (stockData.key !== null) return stockData.key;
  const names = ['APCA_API_KEY_ID', 'APCA_API_SECRET_KEY'];
  throw new CodedError('NOF0_CONFIG_INVALID', `--market api of the equities desk needs ${names.join(' and ')}`, {
    faults: names.map((name) => ({ path: `environment: ${name}`, expected: 'the key of the stock data API' })),
  });
}

/** Where a run of the equities desk has its prices from. */
export function equitiesMarket(settings: RunRow['settings'], seed: string, { arena }: Config): EquitiesConfig {
  const { universe, day } = arena.equities;
  return settings.feed === 'csv'
    ? { kind: 'equities', feed: 'csv', dir: settings.dir ?? '', universe }
    : { kind: 'equities', feed: 'synthetic', seed, day: settings.day ?? day, universe };
}

function paperExchange(db: Database, market: MarketData, config: Config): Exchange {
  return new PaperExchange(db, market.provider, config.arena.paper, market.book?.bind(market) ?? null);
}

/** What knows Hyperliquid is loaded here: most runs never go there, and its libraries are much of what a process loads. */
async function hyperliquidDoors(resources: DoorNeeds): Promise<Doors> {
  const [{ HyperliquidClient }, { HyperliquidExchange }, { openingId }] = await Promise.all([
    import('./hyperliquid/client.ts'),
    import('./exchange/hyperliquid/hyperliquid-exchange.ts'),
    import('./exchange/hyperliquid/ledger.ts'),
  ]);
  const { config, run, db, logger, metrics } = resources;
  const isLive = run.settings.trading === 'live';
  const live = isLive ? Object.entries(config.trading.accounts) : [];
  const client = new HyperliquidClient(clientOptions(resources));
  const market = await openMarket({
    kind: 'hyperliquid',
    client,
    symbols: config.arena.hyperliquid.symbols,
    historyMs: config.arena.history,
    onUnknown: (symbols) => logger.warn({ symbols }, 'Hyperliquid does not list these; they are left out'),
    feed: {
      accounts: new Map(live.map(([model, { address }]) => [address.toLowerCase(), model])),
      metrics,
      log: (message, details) => logger.warn(details, message),
    },
  });
  if (run.settings.trading !== 'live') return { market, exchange: paperExchange(db, market, config) };
  const accounts = config.arena.models.flatMap(({ id, initialEquityUsd }) => {
    const account = config.trading.accounts[id];
    if (account === undefined) return [];
    const { address, privateKey: key, isVault } = account;
    return [{ account: id, address, key, isVault, initialUsd: initialEquityUsd }];
  });
  logger.warn(
    { network: config.hyperliquid.network, accounts: accounts.map(({ account }) => account) },
    'live trading',
  );
  const exchange = await HyperliquidExchange.open(client, {
    accounts,
    ledgerBeganMs: (account) => entryTimeMs(db, openingId(account)),
  });
  return { market, exchange };
}

function clientOptions({ config, queueRedis, keys, metrics, logger }: DoorNeeds): ClientOptions {
  const { network, apiUrl, wsUrl } = config.hyperliquid;
  const limit = { perMinute: WEIGHT_PER_MINUTE, reserved: WEIGHT_FOR_ORDERS };
  return {
    addresses: providerAddresses(network, apiUrl, wsUrl),
    budget: new RateLimiter(queueRedis, keys.rateLimit(PROVIDER), limit),
    metrics,
    onRefused: (what, fault) =>
      logger.warn({ what, fault }, 'Hyperliquid said something of another shape; it is left out'),
  };
}

/** What a market setting makes of a run. */
export function runSettings(market: MarketSettings, config: Config): RunRow['settings'] {
  if (market.kind === 'replay') return { dir: market.dir };
  if (market.kind === 'synthetic') return {};
  if (market.kind === 'equities') {
    const { feed, dir } = market;
    return {
      feed,
      ...(dir === null ? {} : { dir }),
      ...(feed === 'synthetic' ? { day: config.arena.equities.day } : {}),
    };
  }
  return { network: config.hyperliquid.network, trading: config.trading.mode };
}

/** A run is live from its first moment or never, and on one network: its ledger could not tell the fills apart. */
export function assertTrading(run: RunRow, config: Config): void {
  const differs: string[] = [];
  const trading = run.settings.trading ?? 'paper';
  if (trading !== config.trading.mode)
    differs.push(`it was begun as a ${trading} run and TRADING_MODE is ${config.trading.mode}`);
  const { network } = run.settings;
  if (network !== undefined && network !== config.hyperliquid.network)
    differs.push(`it was begun on ${network} and HYPERLIQUID_NETWORK is ${config.hyperliquid.network}`);
  if (differs.length === 0) return;
  const hint =
    run.kind === 'hyperliquid'
      ? 'Take another --run name, or change it back'
      : 'Live trading needs --market hyperliquid';
  throw new CodedError('NOF0_RUN_MISMATCH', `run "${run.name}" cannot go on like this: ${differs.join('; ')}. ${hint}`);
}
