/** Models, what they cost, and what people should look at in their accounts. */

import { Counter, Histogram, type Registry } from 'prom-client';
import { LATENCY_BUCKETS_S } from './buckets.ts';

export function createTradingMetrics(registers: Registry[]) {
  return {
    ledgerFaults: new Counter({
      name: 'nof0_ledger_faults_total',
      help: 'Ingests of fills that people should look at: adopted (a history begins in the middle of a position), gap (a fill is missing), contradicted (a known id came with another content)',
      labelNames: ['fault'],
      registers,
    }),
    positionsUnguarded: new Counter({
      name: 'nof0_positions_unguarded_total',
      help: 'Positions found without their stop: closed, given it back (stop_placed), reported, or failed to be helped',
      labelNames: ['model', 'outcome'],
      registers,
    }),
    breakerTrips: new Counter({
      name: 'nof0_breaker_trips_total',
      help: 'Traders that a breaker has stopped',
      labelNames: ['breaker'],
      registers,
    }),
    llmCalls: new Counter({
      name: 'nof0_llm_calls_total',
      help: 'Questions to a language model: answered, invalid, unavailable, or not made because of the budget',
      labelNames: ['model', 'result'],
      registers,
    }),
    llmLatency: new Histogram({
      name: 'nof0_llm_latency_seconds',
      help: 'How long a call of a language model took',
      labelNames: ['model'],
      buckets: LATENCY_BUCKETS_S,
      registers,
    }),
    llmTokens: new Counter({
      name: 'nof0_llm_tokens_total',
      help: 'Tokens of prompts and completions',
      labelNames: ['model', 'kind'],
      registers,
    }),
    llmCost: new Counter({
      name: 'nof0_llm_cost_usd_total',
      help: 'What calls of language models cost',
      labelNames: ['model'],
      registers,
    }),
    llmCacheReads: new Counter({
      name: 'nof0_llm_cache_reads_total',
      help: 'Questions looked up in the response cache: hit or miss',
      labelNames: ['model', 'result'],
      registers,
    }),
  };
}
