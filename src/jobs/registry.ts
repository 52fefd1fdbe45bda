/** Every job there is. Scheduler, workers, dashboard, command line, metrics and docs derive from this list. */

import type { z } from 'zod';
import { closest } from '../domain/closest.ts';
import { CodedError, type Fault } from '../errors.ts';
import { analytics } from './analytics.ts';
import type { JobContract } from './contract.ts';
import { decisionCycle } from './decision-cycle.ts';
import { equityIngest } from './equity-ingest.ts';
import { equityScreen } from './equity-screen.ts';
import { maintenance } from './maintenance.ts';
import { marketContext } from './market-context.ts';
import { newsSentiment } from './news-sentiment.ts';
import { performanceDaily } from './performance-daily.ts';
import { positionMonitor } from './position-monitor.ts';
import { priceIngest } from './price-ingest.ts';
import { snapshot } from './snapshot.ts';
import { tradeIngest } from './trade-ingest.ts';

export const JOBS = {
  'price-ingest': priceIngest,
  'decision-cycle': decisionCycle,
  'trade-ingest': tradeIngest,
  snapshot,
  analytics,
  maintenance,
  'equity-ingest': equityIngest,
  'equity-screen': equityScreen,
  'position-monitor': positionMonitor,
  'market-context': marketContext,
  'news-sentiment': newsSentiment,
  'performance-daily': performanceDaily,
} as const;

export type JobName = keyof typeof JOBS;
export type PayloadOf<Name extends JobName> = z.infer<(typeof JOBS)[Name]['payload']>;
/** What a producer may leave out. */
export type PayloadInput<Name extends JobName> = z.input<(typeof JOBS)[Name]['payload']>;

export const JOB_NAMES = Object.keys(JOBS) as JobName[];

/** The jobs that runs of a kind have: those of their own desk, and those of both. */
export function jobsOf(kind: string): JobName[] {
  const desk = kind === 'equities' ? 'equities' : 'arena';
  return JOB_NAMES.filter((name) => (contractOf(name).desk ?? desk) === desk);
}

/** The jobs that bring what the market said: they come before everything else of their moment. */
export const INGEST_JOBS: ReadonlySet<string> = new Set<JobName>(['price-ingest', 'equity-ingest']);

/** The contract of a name from outside; throws NOF0_JOB_UNKNOWN with the name that was probably meant. */
export function contractOf(name: string): JobContract {
  if (name in JOBS) return JOBS[name as JobName] as unknown as JobContract;
  const guess = closest(name, JOB_NAMES);
  throw new CodedError(
    'NOF0_JOB_UNKNOWN',
    `there is no job "${name}"; expected one of ${JOB_NAMES.join(', ')}${guess ? ` (did you mean ${guess}?)` : ''}`,
  );
}

/**
 * Checks a payload against its contract and fills in its defaults. Throws NOF0_PAYLOAD_TOO_NEW for a later version (a newer worker
 * will know it) and NOF0_PAYLOAD_INVALID with every fault otherwise.
 */
export function parsePayload(contract: JobContract, data: unknown): { v: number } {
  const version = versionOf(data);
  if (version > contract.version) {
    throw new CodedError(
      'NOF0_PAYLOAD_TOO_NEW',
      `${contract.name} payload has version ${version}, this worker knows up to ${contract.version}`,
    );
  }
  const current = upgrade(contract, data, version);
  const parsed = contract.payload.safeParse(current);
  if (parsed.success) return parsed.data;
  const faults: Fault[] = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), expected: 'no such field' }))
      : [{ path: issue.path.join('.') || '(whole)', expected: issue.message }],
  );
  throw new CodedError(
    'NOF0_PAYLOAD_INVALID',
    `${contract.name} payload is not valid: ${faults.map((fault) => `${fault.path}: ${fault.expected}`).join('; ')}`,
    { faults },
  );
}

/** The outbox row that makes a job run: checked here, so that nothing invalid is ever promised. */
export function enqueueEffect<Name extends JobName>(name: Name, input: PayloadInput<Name>) {
  const contract = JOBS[name] as unknown as JobContract;
  const data = parsePayload(contract, input);
  const payload = { job: name, data, ...(contract.aside?.(data) ? { aside: true } : {}) };
  return { kind: 'enqueue' as const, target: contract.identity(data), payload };
}

/** Version of a payload; one without a version is a new one, whose default is the contract's. */
function versionOf(data: unknown): number {
  return typeof data === 'object' && data !== null && 'v' in data && typeof data.v === 'number' ? data.v : Number.NaN;
}

/** Brings a payload from an older producer step by step to the contract's version. */
function upgrade(contract: JobContract, data: unknown, version: number): unknown {
  let current = data;
  for (let v = version + 1; v <= contract.version; v++) {
    const step = contract.upgrades?.[v];
    if (step) current = { ...step(current as Record<string, unknown>), v };
  }
  return current;
}
