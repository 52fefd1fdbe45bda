/** What a crash has lost or doubled, compared with a run that had none. */

import type { Cycle, EndState, Fact } from './end-state.ts';
import type { Played } from './run-case.ts';
import { ORACLE } from './stage.ts';

export type Verdict = { readonly lost: readonly string[]; readonly doubled: readonly string[] };

type Faults = { readonly lost: string[]; readonly doubled: string[] };

export function judge(calm: EndState, played: Played, asked: ReadonlyMap<number, number>): Verdict {
  const faults: Faults = { lost: [], doubled: [] };
  const lostSlots = new Set(played.deaths.flatMap(({ asking }) => asking));
  // What follows from a lost answer is the model's own fate; everybody else's must be the same.
  const comparable = (fact: Fact) => lostSlots.size === 0 || fact.model !== ORACLE;
  compare(calm.facts.filter(comparable), played.end.facts.filter(comparable), faults);
  judgeAnswers(calm, played.end, lostSlots, faults);
  for (const [slot, times] of asked)
    if (times > 1) faults.doubled.push(`the language model was asked ${times} times in slot ${slot}`);
  for (const what of played.end.held) faults.lost.push(`${what} is still held`);
  for (const difference of played.end.disagreements) faults.lost.push(`verify: ${difference}`);
  return faults;
}

/** Facts as a multiset: the same one twice is doubled, too. */
function compare(calm: readonly Fact[], crashed: readonly Fact[], faults: Faults): void {
  const open = new Map<string, number>();
  const nameOf = ({ family, text }: Fact) => `${family}: ${text}`;
  for (const fact of calm) open.set(nameOf(fact), (open.get(nameOf(fact)) ?? 0) + 1);
  for (const fact of crashed) {
    const left = open.get(nameOf(fact)) ?? 0;
    if (left === 0) faults.doubled.push(nameOf(fact));
    else open.set(nameOf(fact), left - 1);
  }
  for (const [name, left] of open) for (let i = 0; i < left; i++) faults.lost.push(name);
}

/** Exactly the answers that were awaited at a death are lost; the model says the same in every other slot, and each reservation is kept. */
function judgeAnswers(calm: EndState, end: EndState, lostSlots: ReadonlySet<number>, faults: Faults): void {
  const cycles = end.cycles.get(ORACLE) ?? [];
  const bySlot = new Map(cycles.map((cycle) => [cycle.slotMs, cycle]));
  for (const wanted of calm.cycles.get(ORACLE) ?? []) {
    const cycle = bySlot.get(wanted.slotMs);
    const at = `${ORACLE} in slot ${wanted.slotMs}`;
    if (cycle === undefined) faults.lost.push(`${at}: no cycle`);
    else if (isLost(cycle) !== lostSlots.has(wanted.slotMs))
      (isLost(cycle) ? faults.lost : faults.doubled).push(
        `${at}: ${cycle.errorMessage ?? 'answered'}, but ${isLost(cycle) ? 'nobody died' : 'its process died'} while it was asked`,
      );
    else if (!isLost(cycle) && cycle.decisions !== wanted.decisions)
      faults.lost.push(`${at}: decided ${cycle.decisions}, not ${wanted.decisions}`);
  }
  if (end.usage.requests !== cycles.length)
    faults.doubled.push(`${end.usage.requests} requests were reserved in ${cycles.length} slots`);
  const spent = cycles.filter(isLost).reduce((sum, cycle) => sum + cycle.reservedTokens, 0);
  // A failed call is settled before its cycle ends; a death in between loses the answer and keeps the settlement.
  if (end.usage.reservedTokens > spent)
    faults.lost.push(`${end.usage.reservedTokens} tokens stay reserved, ${spent} of them for lost answers`);
}

function isLost(cycle: Cycle): boolean {
  return cycle.errorMessage?.startsWith('answer_lost') ?? false;
}
