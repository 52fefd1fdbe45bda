/** Opens the model behind every participant of the arena. */

import type { Config, Participant } from '../config.ts';
import type { PromptTemplate } from '../domain/prompt-template.ts';
import { CodedError } from '../errors.ts';
import { BUILTIN_STRATEGIES } from './builtin/index.ts';
import type { ChatOptions } from './chat-endpoint.ts';
import type { DecisionModel, HeadlineScorer } from './decision-model.ts';
import { headlineScorer } from './headlines.ts';
import { openAiCompatibleModel } from './openai-compatible.ts';
import { type ResponseStore, responseMemory } from './response-memory.ts';

const PER_MILLION = 1_000_000;

/** What a model may remember, and whether it does without being told to. */
export type Memories = { readonly responses: ResponseStore; readonly isReplay: boolean };

/** A built-in strategy by name, or a client of the endpoint that the participant names. */
export function openModel(participant: Participant, config: Config, memories: Memories): DecisionModel {
  if (participant.strategy !== undefined) return BUILTIN_STRATEGIES[participant.strategy].create();
  const { id, endpoint } = participant;
  // The arena file's check lets no participant through that has neither.
  if (endpoint === undefined) throw new CodedError('NOF0_INTERNAL', `${id} has neither strategy nor endpoint`);
  const model = openAiCompatibleModel(chatOptions(id, endpoint, config));
  if (!(endpoint.cache ?? memories.isReplay)) return model;
  const { baseUrl, model: name, temperature, reasoningEffort, maxCompletionTokens } = endpoint;
  const asker = { id, baseUrl, name, temperature, reasoningEffort, maxCompletionTokens };
  return { ...model, memory: responseMemory(memories.responses, asker) };
}

/** Scores headlines with the endpoint of the desk's trader, where the arena file wants it; else null. */
export function openHeadlines(config: Config): HeadlineScorer | null {
  const { sentiment, trader } = config.arena.equities;
  if (sentiment !== 'model' || trader.endpoint === undefined) return null;
  return headlineScorer(chatOptions(trader.id, trader.endpoint, config));
}

function chatOptions(
  id: string,
  endpoint: NonNullable<Participant['endpoint']>,
  { apiKeys }: Pick<Config, 'apiKeys'>,
): ChatOptions {
  const { baseUrl, model, apiKeyEnv, temperature, reasoningEffort, maxCompletionTokens } = endpoint;
  return {
    ...{ name: id, baseUrl, model, maxCompletionTokens },
    apiKey: apiKeyEnv === undefined ? '' : (apiKeys[apiKeyEnv] ?? ''),
    ...(temperature === undefined ? {} : { temperature }),
    ...(reasoningEffort === undefined ? {} : { reasoningEffort }),
    timeoutMs: endpoint.timeout,
    promptUsdPerToken: endpoint.promptUsdPerMillionTokens / PER_MILLION,
    completionUsdPerToken: endpoint.completionUsdPerMillionTokens / PER_MILLION,
  };
}

/** How the participant is asked. */
export function promptOf({ endpoint }: Participant, { prompts }: Config): PromptTemplate {
  const prompt = prompts[endpoint?.prompt ?? ''];
  // The configuration has read every prompt that the arena file names.
  if (prompt === undefined) throw new CodedError('NOF0_INTERNAL', `the prompt "${endpoint?.prompt}" was not read`);
  return prompt;
}
