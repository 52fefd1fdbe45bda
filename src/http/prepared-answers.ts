/**
 * Answers that were given, to be given again while the keys they are made of stand as they stood. Redis is asked every time, and only for
 * the versions of the keys: an answer is never older than what reading it would give.
 */

import { type Prepared, prepare } from './answer.ts';
import type { Endpoint } from './endpoints.ts';
import type { Reader } from './known-models.ts';

const MAX_PLANS = 500;
/** Larger answers are made anew each time. */
const MAX_BYTES = 500_000;

/** What one question takes: worked out once, and again when the models have changed. */
type Plan = {
  /** Of the list of models that it was made with. */
  readonly edition: number;
  readonly keys: readonly string[];
  /** Counts a read of each of the families. */
  readonly hit: () => void;
  kept: { readonly answer: Prepared; readonly versions: string } | null;
  /** Callers who find the same versions while the answer is being made wait for it: what it is made of is as new as they are, or newer. */
  making: { readonly answer: Promise<Prepared>; readonly versions: string } | null;
};

export class PreparedAnswers {
  readonly #reader: Reader;
  readonly #plans = new Map<string, Plan>();
  readonly #bodies = new WeakMap<object, Prepared>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async of(endpoint: Endpoint, query: object, params: Readonly<Record<string, string>>): Promise<Prepared> {
    const plan = await this.#plan(endpoint, query, params);
    // Before the values: what is read afterwards may be newer than its versions say, and is then made anew, but never older.
    const versions = plan === null ? null : await this.#reader.publisher.versions(plan.keys);
    if (plan !== null && plan.kept !== null && plan.kept.versions === versions) {
      plan.hit();
      return plan.kept.answer;
    }
    if (plan === null || versions === null) return this.#make(endpoint, query, params);
    if (plan.making?.versions === versions) return plan.making.answer;
    const making = { answer: this.#make(endpoint, query, params), versions };
    plan.making = making;
    try {
      const answer = await making.answer;
      plan.kept = answer.bytes.length > MAX_BYTES ? null : { answer, versions };
      return answer;
    } finally {
      if (plan.making === making) plan.making = null;
    }
  }

  async #make(endpoint: Endpoint, query: object, params: Readonly<Record<string, string>>): Promise<Prepared> {
    return this.#written(await endpoint.read(this.#reader, query, params));
  }

  /** What a reader gives once more is not written once more. */
  #written(body: object): Prepared {
    const known = this.#bodies.get(body) ?? prepare(body);
    this.#bodies.set(body, known);
    return known;
  }

  /** Null: the answer is made of more than keys. */
  async #plan(endpoint: Endpoint, query: object, params: Readonly<Record<string, string>>): Promise<Plan | null> {
    if (endpoint.keys === undefined) return null;
    const { knownModels, publisher, metrics } = this.#reader;
    const ids = await knownModels.ids();
    const { edition } = knownModels;
    const name = `${endpoint.path} ${JSON.stringify(query)} ${JSON.stringify(params)}`;
    const known = this.#plans.get(name);
    if (known?.edition === edition) return known;
    const targets = endpoint.keys(ids, query, params) ?? [];
    if (targets.length === 0) return null;
    const families = [...new Set(targets.map(({ family }) => family))];
    // Looked up once: labels cost more than counting.
    const counters = families.map((family) => metrics.cacheReads.labels({ family, result: 'hit' }));
    const hit = () => {
      for (const counter of counters) counter.inc();
    };
    const plan: Plan = {
      edition,
      keys: targets.map((target) => publisher.nameOf(target)),
      hit,
      kept: null,
      making: null,
    };
    this.#plans.delete(name);
    this.#plans.set(name, plan);
    // A map remembers the order of its entries: the first one was made longest ago.
    if (this.#plans.size > MAX_PLANS) this.#plans.delete(this.#plans.keys().next().value ?? '');
    return plan;
  }
}
