/** A language model behind any endpoint that speaks the OpenAI chat protocol. One question, one answer, no hidden retries. */

import { z } from 'zod';
import { answerSchema, type Usage } from '../domain/decision.ts';
import { CodedError } from '../errors.ts';
import { ChatEndpoint, type ChatOptions, type Message } from './chat-endpoint.ts';
import type { DecisionModel, DecisionRequest, ModelReply } from './decision-model.ts';
import { readAnswer } from './read-answer.ts';
import type { Completion } from './wire.ts';

/** Rough tokens per character of an answer whose endpoint does not report its usage. */
const CHARACTERS_PER_TOKEN = 3;
/** What a message costs beside its text. */
const TOKENS_PER_MESSAGE = 16;

const ANSWER_FORMAT = {
  type: 'json_schema',
  // Strict mode would demand that every optional field be present.
  json_schema: { name: 'answer', strict: false, schema: z.toJSONSchema(answerSchema, { io: 'input' }) },
};
const FORMAT_BYTES = Buffer.byteLength(JSON.stringify(ANSWER_FORMAT));

/**
 * A model at an OpenAI-compatible endpoint. It asks for JSON of the answer's schema; an endpoint that refuses the schema is asked for any
 * JSON object, and one that refuses that too in plain words.
 *
 * `decide` throws NOF0_LLM_UNAVAILABLE, NOF0_LLM_ANSWER_INVALID (it has to be paid all the same) and NOF0_JOB_ABORTED when the caller's
 * signal fired.
 */
export function openAiCompatibleModel(options: ChatOptions): DecisionModel {
  const endpoint = new ChatEndpoint(options, ANSWER_FORMAT);
  return {
    kind: options.name,
    deterministic: false,
    bound: (request) => boundOf(options, request),
    async decide(request: DecisionRequest, signal: AbortSignal): Promise<ModelReply> {
      return toReply(options, request, await endpoint.ask(messagesOf(request), signal));
    },
  };
}

/** A token is at least a byte, so no text has more tokens than bytes: the real number is a third of it, but no call passes this one. */
function boundOf(options: ChatOptions, request: DecisionRequest): Usage {
  const texts = messagesOf(request).map(({ content }) => Buffer.byteLength(content) + TOKENS_PER_MESSAGE);
  const promptTokens = texts.reduce((sum, tokens) => sum + tokens, FORMAT_BYTES);
  return {
    tokens: promptTokens + options.maxCompletionTokens,
    usd: promptTokens * options.promptUsdPerToken + options.maxCompletionTokens * options.completionUsdPerToken,
  };
}

function messagesOf({ prompt, repair }: DecisionRequest): Message[] {
  return [
    { role: 'system', content: prompt.system },
    { role: 'user', content: prompt.user },
    ...(repair === undefined
      ? []
      : ([
          { role: 'assistant', content: repair.said },
          { role: 'user', content: repair.asked },
        ] as const)),
  ];
}

function toReply(options: ChatOptions, request: DecisionRequest, completion: Completion): ModelReply {
  const { text } = completion;
  const asked = messagesOf(request).reduce((sum, { content }) => sum + content.length, 0);
  const promptTokens = completion.promptTokens ?? Math.ceil(asked / CHARACTERS_PER_TOKEN);
  const completionTokens = completion.completionTokens ?? Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  const costUsd = promptTokens * options.promptUsdPerToken + completionTokens * options.completionUsdPerToken;
  const spent = { promptTokens, completionTokens, costUsd };
  const read = readAnswer(text, completion.isCutOff);
  if ('answer' in read) return { answer: read.answer, raw: text, ...spent };
  const cause = completion.isCutOff ? ` It was cut off after ${options.maxCompletionTokens} tokens; allow more.` : '';
  throw new CodedError('NOF0_LLM_ANSWER_INVALID', `${options.name} answered no decision.${cause}`, {
    faults: read.faults,
    details: { raw: text, ...spent },
  });
}
