/** A language model behind any endpoint that speaks the OpenAI chat protocol. One question, one answer, no hidden retries. */

import { z } from 'zod';
import { answerSchema, type Usage } from '../domain/decision.ts';
import { CodedError, messageOf } from '../errors.ts';
import type { DecisionModel, DecisionRequest, ModelReply } from './decision-model.ts';
import { readAnswer } from './read-answer.ts';
import { type Completion, postChat, type Refusal, redact, type Target } from './wire.ts';

export type OpenAiCompatibleOptions = Target & {
  /** Model id as the endpoint knows it. */
  readonly model: string;
  readonly temperature?: number;
  /** How hard a reasoning model thinks, in the endpoint's words. */
  readonly reasoningEffort?: string;
  readonly maxCompletionTokens: number;
  /** Wall time for the whole of `decide`. */
  readonly timeoutMs: number;
  readonly promptUsdPerToken: number;
  readonly completionUsdPerToken: number;
};

type Message = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };

/** How an endpoint wants to be asked. Found out by its refusals, which cost no tokens, and remembered. */
type Dialect = {
  readonly format: 'json_schema' | 'json_object' | 'prose';
  readonly limit: 'max_tokens' | 'max_completion_tokens';
};

/** Rough tokens per character of an answer whose endpoint does not report its usage. */
const CHARACTERS_PER_TOKEN = 3;
/** What a message costs beside its text. */
const TOKENS_PER_MESSAGE = 16;
/** One for every way in which a dialect can change, and the answer. */
const MAX_QUESTIONS = 4;

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
export function openAiCompatibleModel(options: OpenAiCompatibleOptions): DecisionModel {
  let dialect: Dialect = { format: 'json_schema', limit: 'max_tokens' };
  return {
    kind: options.name,
    deterministic: false,
    bound: (request) => boundOf(options, request),
    async decide(request: DecisionRequest, signal: AbortSignal): Promise<ModelReply> {
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const either = AbortSignal.any([signal, timeout]);
      try {
        for (let asked = 1; ; asked++) {
          const said = await postChat(options, bodyOf(options, dialect, request), either);
          if (!('status' in said)) return toReply(options, request, said);
          const next = asked < MAX_QUESTIONS ? dialectAfter(dialect, said) : null;
          if (next === null) throw refused(options, said);
          dialect = next;
        }
      } catch (error) {
        throw toLlmError(options, error, { caller: signal, timeout });
      }
    },
  };
}

/** A token is at least a byte, so no text has more tokens than bytes: the real number is a third of it, but no call passes this one. */
function boundOf(options: OpenAiCompatibleOptions, request: DecisionRequest): Usage {
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

function bodyOf(options: OpenAiCompatibleOptions, { format, limit }: Dialect, request: DecisionRequest): object {
  return {
    model: options.model,
    messages: messagesOf(request),
    [limit]: options.maxCompletionTokens,
    stream: false,
    ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
    ...(options.reasoningEffort === undefined ? {} : { reasoning_effort: options.reasoningEffort }),
    ...(format === 'json_schema' ? { response_format: ANSWER_FORMAT } : {}),
    ...(format === 'json_object' ? { response_format: { type: 'json_object' } } : {}),
  };
}

/** How to ask after a refusal; null when it is about something else. */
function dialectAfter(dialect: Dialect, { said }: Refusal): Dialect | null {
  if (dialect.limit === 'max_tokens' && /max_completion_tokens/.test(said))
    return { ...dialect, limit: 'max_completion_tokens' };
  if (!/response_format|json_schema|json_object|structured.?output|json mode|grammar|guided/i.test(said)) return null;
  if (dialect.format === 'json_schema') return { ...dialect, format: 'json_object' };
  return dialect.format === 'json_object' ? { ...dialect, format: 'prose' } : null;
}

function toReply(options: OpenAiCompatibleOptions, request: DecisionRequest, completion: Completion): ModelReply {
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

function refused(options: OpenAiCompatibleOptions, { status, said }: Refusal): CodedError {
  return new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name} answered HTTP ${status}: ${said || 'nothing more'}`, {
    details: { statusCode: status, retry: false, spent: false },
  });
}

function toLlmError(
  options: OpenAiCompatibleOptions,
  error: unknown,
  signals: { readonly caller: AbortSignal; readonly timeout: AbortSignal },
): CodedError {
  if (error instanceof CodedError) return error;
  if (signals.caller.aborted) {
    const { reason } = signals.caller;
    return reason instanceof CodedError
      ? reason
      : new CodedError('NOF0_JOB_ABORTED', `${options.name}: ${messageOf(reason)}`);
  }
  if (signals.timeout.aborted) {
    return new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name} did not answer within ${options.timeoutMs} ms.`, {
      details: { timeoutMs: options.timeoutMs, retry: true, spent: true },
    });
  }
  return new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name}: ${redact(options, messageOf(error))}`, {
    details: { retry: false, spent: true },
  });
}
