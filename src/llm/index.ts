/** Opens the model behind every participant of the arena. */

import type { Config, Participant } from '../config.ts';
import { BUILTIN_STRATEGIES } from './builtin/index.ts';
import type { DecisionModel } from './decision-model.ts';
import { openAiCompatibleModel } from './openai-compatible.ts';

const PER_MILLION = 1_000_000;

/** A built-in strategy by name, or a client of the endpoint that the participant names. */
export function openModel(participant: Participant, config: Config): DecisionModel {
  if (participant.strategy !== undefined) return BUILTIN_STRATEGIES[participant.strategy].create();
  const endpoint = participant.endpoint;
  // The arena file's check lets no participant through that has neither.
  if (endpoint === undefined) throw new Error(`participant ${participant.id} has neither strategy nor endpoint`);
  return openAiCompatibleModel({
    name: participant.id,
    baseUrl: endpoint.baseUrl,
    apiKey: endpoint.apiKeyEnv === undefined ? '' : (config.apiKeys[endpoint.apiKeyEnv] ?? ''),
    model: endpoint.model,
    ...(endpoint.temperature === undefined ? {} : { temperature: endpoint.temperature }),
    ...(endpoint.reasoningEffort === undefined ? {} : { reasoningEffort: endpoint.reasoningEffort }),
    maxCompletionTokens: endpoint.maxCompletionTokens,
    timeoutMs: endpoint.timeout,
    promptUsdPerToken: endpoint.promptUsdPerMillionTokens / PER_MILLION,
    completionUsdPerToken: endpoint.completionUsdPerMillionTokens / PER_MILLION,
  });
}
