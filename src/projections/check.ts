/** The consistency check of the cache: every key equals its projection. */

import { setTimeout as pause } from 'node:timers/promises';
import { type Family, refresh } from '../domain/published-keys.ts';
import type { Queryable } from '../store/database.ts';
import { promisedRefreshes } from '../store/effects.ts';
import type { Members, Target } from './projection.ts';
import { typeOf } from './projection.ts';
import type { Publisher } from './publisher.ts';

export type FamilyCheck = {
  readonly family: string;
  readonly compared: number;
  readonly empty: number;
  readonly differences: string[];
};

/** A running system moves between two looks; a key that differs is refreshed and looked at again this often. */
const LOOKS = 5;

/** Warms every key of the projections and compares it with what Postgres says. `onFamily` hears which one comes next. */
export async function checkKeys(
  publisher: Publisher,
  onFamily: (family: Family, done: number, total: number) => void = () => {},
): Promise<FamilyCheck[]> {
  const checks: FamilyCheck[] = [];
  for (const family of publisher.families) {
    onFamily(family, checks.length, publisher.families.length);
    checks.push(await checkFamily(publisher, family));
  }
  return checks;
}

async function checkFamily(publisher: Publisher, family: Family): Promise<FamilyCheck> {
  const targets = await publisher.allTargets([family]);
  let open = targets;
  let empty = 0;
  let differences: string[] = [];
  for (let look = 0; look < LOOKS && open.length > 0; look++) {
    await publisher.refresh(open);
    const [wanted, found] = await Promise.all([publisher.load(open), publisher.peek(open)]);
    const equal = open.map((_, index) => same(family, found[index], wanted[index] ?? []));
    empty += open.filter((_, index) => equal[index] && (wanted[index] ?? []).length === 0).length;
    differences = open.flatMap((target, index) =>
      equal[index] ? [] : [describe(target, found[index], wanted[index] ?? [])],
    );
    open = open.filter((_, index) => !equal[index]);
  }
  return { family, compared: targets.length, empty, differences };
}

function same(family: Family, found: Members | undefined, wanted: Members): boolean {
  if (found === undefined || found.length !== wanted.length) return false;
  const type = typeOf(family);
  if (type === 'list' || type === 'string') return found.every((member, index) => member === wanted[index]);
  const wantedPairs = pairs(wanted, type === 'zset');
  return [...pairs(found, type === 'zset')].every(([key, value]) => wantedPairs.get(key) === value);
}

/** A hash as field → value, a sorted set as member → score; neither has an order, and Redis spells scores in its own way. */
function pairs(members: Members, scored: boolean): Map<string, string> {
  const entries = new Map<string, string>();
  for (let i = 0; i + 1 < members.length; i += 2) {
    const [first, second] = [members[i] ?? '', members[i + 1] ?? ''];
    if (scored) entries.set(second, String(Number(first)));
    else entries.set(first, second);
  }
  return entries;
}

function describe(target: Target, found: Members | undefined, wanted: Members): string {
  const short = (members: Members | undefined) =>
    members === undefined ? '(missing)' : members.join(' ').slice(0, 200);
  return `${target.family} ${target.ids.join(':')}: Redis has ${short(found)}, Postgres says ${short(wanted)}`;
}

/** `repaired` false: however often it was refreshed, it says something else. */
export type KeyDifference = { readonly family: Family; readonly text: string; readonly repaired: boolean };

/** Families whose values move with the market between two commits; a key of theirs that differs is older, not wrong. */
const MOVING: ReadonlySet<Family> = new Set<Family>([
  'positions',
  'sinceInception',
  'simBalances',
  'marketCtx',
  'stockPrice',
  'stockIndicators',
  'stockPosition',
  'systemState',
]);
/** Keys compared at a time: their values have to fit into memory. */
const CHUNK = 500;

/** Longer than a key needs to follow its rows; what follows later still has its effect in the outbox. */
const SETTLE_MS = 3000;

/**
 * Keys that stand in Redis and say something else than Postgres are refreshed and reported, with those that differ all the same. A key
 * counts as wrong when it still says the same a moment later and no refresh of it is promised: else it is only on its way.
 */
export async function repairKeys(
  publisher: Publisher,
  db: Queryable,
): Promise<{ compared: number; differences: KeyDifference[] }> {
  const targets = await publisher.allTargets(publisher.families.filter((family) => !MOVING.has(family)));
  const suspects: Differing[] = [];
  for (let first = 0; first < targets.length; first += CHUNK) {
    const differ = await differing(publisher, targets.slice(first, first + CHUNK));
    suspects.push(...(await differing(publisher, targetsOf(differ))));
  }
  const found = suspects.length === 0 ? [] : await lasting(publisher, db, suspects);
  let left = found;
  for (let look = 0; look < LOOKS && left.length > 0; look++) {
    await publisher.refresh(targetsOf(left));
    left = await differing(publisher, targetsOf(left));
  }
  const still = new Set(left.map(({ target }) => target));
  const differences = found.map(({ target, text }) => ({ family: target.family, text, repaired: !still.has(target) }));
  return { compared: targets.length, differences };
}

type Differing = { readonly target: Target; readonly found: string; readonly text: string };

/** Those that stay as they are although nobody is about to refresh them. */
async function lasting(publisher: Publisher, db: Queryable, suspects: readonly Differing[]): Promise<Differing[]> {
  await pause(SETTLE_MS);
  const promised = new Set(await promisedRefreshes(db));
  const before = new Map(suspects.map(({ target, found }) => [target, found]));
  return (await differing(publisher, targetsOf(suspects))).filter(
    ({ target, found }) => before.get(target) === found && !promised.has(refresh(target.family, ...target.ids).target),
  );
}

const targetsOf = (differing: readonly Differing[]): Target[] => differing.map(({ target }) => target);

async function differing(publisher: Publisher, targets: readonly Target[]): Promise<Differing[]> {
  if (targets.length === 0) return [];
  const [wanted, found] = await Promise.all([publisher.load(targets), publisher.peek(targets)]);
  return targets.flatMap((target, index) => {
    const here = found[index];
    const there = wanted[index] ?? [];
    // A missing key is filled by its next reader.
    return here === undefined || same(target.family, here, there)
      ? []
      : [{ target, found: JSON.stringify(here), text: describe(target, here, there) }];
  });
}
