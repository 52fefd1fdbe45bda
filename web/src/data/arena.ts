/** What the page knows of the arena, how it is kept up, and whether that still works. */

import { api } from './api.ts';
import { Store } from './store.ts';
import { Stream } from './stream.ts';
import type {
  Analytics,
  Curves,
  Decision,
  Desk,
  Model,
  Position,
  Price,
  Run,
  Season,
  Standing,
  Trade,
} from './types.ts';

/** `lost`: what is shown was true at `lostAt` and may no longer be. */
export type Connection = 'connecting' | 'live' | 'lost';

export type OpenPosition = Position & { readonly modelId: string };
/** A price with where it came from: above, below, or the first one seen. */
export type Tick = Price & { readonly moved: -1 | 0 | 1 };

export type Arena = {
  readonly connection: Connection;
  readonly lostAt: number | null;
  /** Everything has been read once. */
  readonly ready: boolean;
  readonly run: Run | null;
  readonly models: readonly Model[];
  readonly leaderboard: readonly Standing[];
  readonly prices: Readonly<Record<string, Tick>>;
  readonly positions: readonly OpenPosition[];
  readonly trades: readonly Trade[];
  readonly curves: Curves | null;
  /** How far back the curves reach, ms; null: to the beginning. */
  readonly period: number | null;
  readonly decisions: readonly Decision[];
  /** The equities desk; null in the arena, and until it has been read. */
  readonly desk: Desk | null;
  readonly analytics: ReadonlyMap<string, Analytics>;
  /** Newest first; null until they are read. */
  readonly seasons: readonly Season[] | null;
  /** Counts the decisions that were told of, by model: pages of a model read again when theirs moves. */
  readonly decided: Readonly<Record<string, number>>;
};

export const arena = new Store<Arena>({
  connection: 'connecting',
  lostAt: null,
  ready: false,
  run: null,
  models: [],
  leaderboard: [],
  prices: {},
  positions: [],
  trades: [],
  curves: null,
  period: null,
  decisions: [],
  desk: null,
  analytics: new Map(),
  seasons: null,
  decided: {},
});

/** The server says what this page is of. */
export const isDesk = document.body.dataset.desk !== undefined;

/** Bands and hourly figures are read again so often; everything else comes by itself. */
const REFRESH_MS = 60_000;
const GATHER_MS = 400;
const RETRY_MS = 3000;
/** Decisions that are kept, and those that are asked for when some are new: what models write is long. */
const KEPT_DECISIONS = 120;
const NEW_DECISIONS = 12;

export function startArena(): void {
  const stream = new Stream('/api/stream', {
    open: () => void readAll(),
    lost,
    prices: (data) => takePrices((data as { prices: Record<string, Price> }).prices),
    equity: (data) => takeLeaderboard((data as { leaderboard: Standing[] }).leaderboard),
    trades: () => void gather('trades', readTrades),
    decisions: (data) => takeDecision((data as { model_id: string }).model_id),
    desk: () => void gather('desk', readDesk),
  });
  stream.start();
  setInterval(() => {
    if (arena.value.connection === 'live' && !document.hidden) void read(readSlow);
  }, REFRESH_MS);
}

/** Curves over so long (ms) until now; null: from the beginning. */
export function setPeriod(period: number | null): void {
  arena.set({ period });
  void read(readCurves);
}

async function readCurves(): Promise<void> {
  const { period } = arena.value;
  const curves = await api.curves(period === null ? undefined : Math.round(marketNow(arena.value) - period));
  // Another period may have been chosen meanwhile; its own answer comes.
  if (arena.value.period === period) arena.set({ curves });
}

async function readAll(): Promise<void> {
  try {
    if (arena.value.connection === 'lost') await reloadWhenReplaced();
    const [run, models, leaderboard, prices] = await Promise.all([
      api.run(),
      api.models(),
      api.leaderboard(),
      api.prices(),
      readPositions(),
      readTrades(),
      readDecisions(),
      readSlow(),
      isDesk ? readDesk() : undefined,
    ]);
    arena.set({ run, models, leaderboard, connection: 'live', lostAt: null, ready: true });
    takePrices(prices);
  } catch {
    failed();
  }
}

/** The server may be another version than the one that this page came from. */
async function reloadWhenReplaced(): Promise<void> {
  const own = document.querySelector('script[src]')?.getAttribute('src');
  const page = await (await fetch('/')).text();
  if (own && page.includes('/assets/') && !page.includes(own)) location.reload();
}

async function readSlow(): Promise<void> {
  const [models, analytics, seasons] = await Promise.all([api.models(), api.analytics(), api.seasons(), readCurves()]);
  arena.set({ models, seasons, analytics: new Map(analytics.map((each) => [each.model_id, each])) });
}

async function readPositions(): Promise<void> {
  const totals = await api.positions();
  arena.set({
    positions: totals.flatMap(({ model_id: modelId, positions }) =>
      Object.values(positions).map((position) => ({ ...position, modelId })),
    ),
  });
}

/** Prices come with it: of stocks nobody tells them one by one. */
async function readDesk(): Promise<void> {
  const [desk, prices] = await Promise.all([api.desk(), api.prices()]);
  arena.set({ desk });
  takePrices(prices);
}

async function readTrades(): Promise<void> {
  arena.set({ trades: (await api.trades()).trades });
}

async function readDecisions(): Promise<void> {
  arena.set({ decisions: (await api.decisions(undefined, KEPT_DECISIONS)).decisions });
}

/** The newest ones in front of those that are known; all of them when these do not meet. */
async function readNewDecisions(): Promise<void> {
  const { decisions: known } = arena.value;
  const { decisions: page } = await api.decisions(undefined, NEW_DECISIONS);
  const keyOf = (decision: Decision) => `${decision.model_id} ${decision.cycle_number}`;
  const fresh = new Set(page.map(keyOf));
  if (!known.some((decision) => fresh.has(keyOf(decision)))) return readDecisions();
  const older = known.filter((decision) => !fresh.has(keyOf(decision)));
  arena.set({ decisions: [...page, ...older].slice(0, KEPT_DECISIONS) });
}

let retrying: ReturnType<typeof setTimeout> | null = null;

/** Whatever could not be read: everything is asked for again until it comes. The stream comes back by itself. */
function failed(): void {
  lost();
  if (retrying !== null) return;
  retrying = setTimeout(() => {
    retrying = null;
    void readAll();
  }, RETRY_MS);
}

function lost(): void {
  const { connection, lostAt } = arena.value;
  arena.set({ connection: 'lost', lostAt: connection === 'lost' ? lostAt : Date.now() });
}

async function read(what: () => Promise<void>): Promise<void> {
  try {
    await what();
  } catch {
    failed();
  }
}

const gathering = new Map<string, ReturnType<typeof setTimeout>>();

/** Events come in bursts: what they announce is read once, a moment after the first of them. */
function gather(name: string, what: () => Promise<void>): void {
  if (gathering.has(name)) return;
  const timer = setTimeout(() => {
    gathering.delete(name);
    void read(what);
  }, GATHER_MS);
  gathering.set(name, timer);
}

function takePrices(news: Readonly<Record<string, Price>>): void {
  const known = arena.value.prices;
  const prices = Object.fromEntries(
    Object.entries(news).map(([symbol, price]) => {
      const before = known[symbol];
      if (before === undefined) return [symbol, { ...price, moved: 0 as const }];
      const moved = price.price === before.price ? before.moved : price.price > before.price ? 1 : -1;
      return [symbol, { ...price, moved } satisfies Tick];
    }),
  );
  arena.set({ prices: { ...known, ...prices } });
}

function takeLeaderboard(leaderboard: readonly Standing[]): void {
  arena.set({ leaderboard, curves: extended(arena.value.curves, leaderboard) });
  gather('positions', readPositions);
}

function takeDecision(modelId: string): void {
  const { decided } = arena.value;
  arena.set({ decided: { ...decided, [modelId]: (decided[modelId] ?? 0) + 1 } });
  gather('decisions', readNewDecisions);
}

/** Market time as the newest price knows it; a replay's is not that of this machine. */
export function marketNow({ prices }: Pick<Arena, 'prices'>): number {
  const newest = Math.max(...Object.values(prices).map(({ timestamp }) => timestamp));
  return Number.isFinite(newest) ? newest : Date.now();
}

/** The curves with what has just been recorded at their end. Bands come with the next reading. */
function extended(curves: Curves | null, leaderboard: readonly Standing[]): Curves | null {
  const last = curves?.times.at(-1);
  if (curves === null || last === undefined) return curves;
  const now = Math.max(marketNow(arena.value), last);
  const equity = new Map(leaderboard.map(({ id, equity }) => [id, equity]));
  const { held } = curves;
  const price = held === null ? undefined : arena.value.prices[held.symbol]?.price;
  // Within the same moment the newer value stands.
  const kept = now === last ? -1 : undefined;
  const grown = (values: readonly (number | null)[], value: number | null) => [...values.slice(0, kept), value];
  return {
    ...curves,
    times: [...curves.times.slice(0, kept), now],
    curves: curves.curves.map((curve) => ({
      ...curve,
      equity: grown(
        curve.equity,
        curve.baseline && held && price ? held.units * price : (equity.get(curve.id) ?? null),
      ),
      lower: curve.lower && grown(curve.lower, kept === -1 ? (curve.lower.at(-1) ?? null) : null),
      upper: curve.upper && grown(curve.upper, kept === -1 ? (curve.upper.at(-1) ?? null) : null),
    })),
  };
}
