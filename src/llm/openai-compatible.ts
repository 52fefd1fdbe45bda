/** A language model behind any endpoint that speaks the OpenAI chat protocol. One request, one answer, no hidden retries. */

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, type LanguageModelUsage, NoObjectGeneratedError, Output } from 'ai';
import { type Answer, answerSchema } from '../domain/decision.ts';
import { CodedError, type Fault, messageOf } from '../errors.ts';
import type { DecisionModel, DecisionRequest, ModelReply } from './decision-model.ts';

export type OpenAiCompatibleOptions = {
  /** Name of the endpoint, for messages and as the model's kind. */
  readonly name: string;
  /** For instance `https://host/v1`, without `/chat/completions`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Model id as the endpoint knows it. */
  readonly model: string;
  readonly temperature?: number;
  readonly maxCompletionTokens: number;
  /** Wall time for the whole of `decide`. */
  readonly timeoutMs: number;
  readonly promptUsdPerToken: number;
  readonly completionUsdPerToken: number;
};

/** What came back, whether or not it is an answer. */
type Completion = { readonly text: string; readonly usage: LanguageModelUsage | undefined; readonly isCutOff: boolean };

/** Rough tokens per character, on the expensive side: for endpoints that do not report their usage. */
const CHARACTERS_PER_TOKEN = 3;
/** Objects tried inside a text that is not JSON as a whole; more than this many braces is no prose. */
const MAX_CANDIDATES = 50;

/**
 * A model at an OpenAI-compatible endpoint. It asks for JSON of the answer's schema; an endpoint that refuses
 * `response_format` is asked again in plain words (a refusal costs no tokens) and from then on only so.
 *
 * `decide` throws NOF0_LLM_UNAVAILABLE (no connection, timeout, HTTP error; `details.statusCode`, `details.retryAfterMs`
 * when the endpoint named one), NOF0_LLM_ANSWER_INVALID (`details.raw`, `promptTokens`, `completionTokens`, `costUsd`: it
 * has to be paid all the same) and NOF0_JOB_ABORTED when the caller's signal fired.
 */
export function openAiCompatibleModel(options: OpenAiCompatibleOptions): DecisionModel {
  let structured = true;
  return {
    kind: options.name,
    deterministic: false,
    maxCompletionTokens: options.maxCompletionTokens,
    pricePerToken: { promptUsd: options.promptUsdPerToken, completionUsd: options.completionUsdPerToken },
    async decide(request: DecisionRequest, signal: AbortSignal): Promise<ModelReply> {
      const timeout = AbortSignal.timeout(options.timeoutMs);
      const either = AbortSignal.any([signal, timeout]);
      try {
        const first = await complete(options, request, either, structured);
        if (first !== 'format-refused') return toReply(options, request, first);
        structured = false;
        const second = await complete(options, request, either, structured);
        if (second !== 'format-refused') return toReply(options, request, second);
        throw new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name} refuses a request without response_format too.`);
      } catch (error) {
        throw toLlmError(options, error, { caller: signal, timeout });
      }
    },
  };
}

async function complete(
  options: OpenAiCompatibleOptions,
  request: DecisionRequest,
  abortSignal: AbortSignal,
  structured: boolean,
): Promise<Completion | 'format-refused'> {
  const { baseUrl: baseURL, apiKey } = options;
  // The library derives option keys from its own name for the endpoint, so it is not the configured one.
  const endpoint = createOpenAICompatible({ name: 'endpoint', baseURL, apiKey, supportsStructuredOutputs: true });
  try {
    const result = await generateText({
      model: endpoint.chatModel(options.model),
      system: request.prompt.system,
      prompt: request.prompt.user,
      maxOutputTokens: options.maxCompletionTokens,
      maxRetries: 0,
      abortSignal,
      // Strict mode would demand that every optional field be present.
      providerOptions: { endpoint: { strictJsonSchema: false } },
      ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
      ...(structured ? { output: Output.object({ schema: answerSchema, name: 'answer' }) } : {}),
    });
    return { text: result.text, usage: result.usage, isCutOff: result.finishReason === 'length' };
  } catch (error) {
    // The text is judged in one place, whether or not the library could read it.
    if (NoObjectGeneratedError.isInstance(error)) {
      return { text: error.text ?? '', usage: error.usage, isCutOff: error.finishReason === 'length' };
    }
    if (structured && isFormatRefusal(error)) return 'format-refused';
    throw error;
  }
}

function isFormatRefusal(error: unknown): boolean {
  if (!APICallError.isInstance(error) || (error.statusCode !== 400 && error.statusCode !== 422)) return false;
  return /response_format|json_schema|structured output/i.test(`${error.message} ${error.responseBody ?? ''}`);
}

function toReply(options: OpenAiCompatibleOptions, request: DecisionRequest, completion: Completion): ModelReply {
  const { text, usage } = completion;
  const { system, user } = request.prompt;
  const promptTokens = usage?.inputTokens ?? Math.ceil((system.length + user.length) / CHARACTERS_PER_TOKEN);
  const completionTokens = usage?.outputTokens ?? Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  const costUsd = promptTokens * options.promptUsdPerToken + completionTokens * options.completionUsdPerToken;
  const spent = { promptTokens, completionTokens, costUsd };
  const read = readAnswer(text);
  if ('answer' in read) return { answer: read.answer, raw: text, ...spent };
  const cause = completion.isCutOff ? ` It was cut off after ${options.maxCompletionTokens} tokens; allow more.` : '';
  throw new CodedError('NOF0_LLM_ANSWER_INVALID', `${options.name} answered no decision.${cause}`, {
    faults: read.faults,
    details: { raw: text, ...spent },
  });
}

/** The answer in a text: the text itself, or the last object inside it that is one (prose, fences, thoughts around it). */
export function readAnswer(text: string): { readonly answer: Answer } | { readonly faults: readonly Fault[] } {
  const visible = text.replace(/<think>[\s\S]*?<\/think>/g, '').trim();
  let faults: Fault[] = [{ path: '', expected: 'a JSON object with "reasoning" and "decisions"' }];
  let answer: Answer | undefined;
  for (const candidate of [visible, ...objectsIn(visible)]) {
    const value = parseJson(candidate);
    if (value === undefined) continue;
    const parsed = answerSchema.safeParse(value);
    if (parsed.success) answer = parsed.data;
    else faults = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message }));
  }
  return answer === undefined ? { faults } : { answer };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not being JSON is one of the expected outcomes: the next candidate is tried, and none is a coded error.
    return undefined;
  }
}

/** Outermost balanced `{…}` stretches, in order. Braces inside JSON strings do not count. */
function objectsIn(text: string): string[] {
  const found: string[] = [];
  let start = text.indexOf('{');
  for (let tried = 0; start !== -1 && tried < MAX_CANDIDATES; tried++) {
    const end = closingBrace(text, start);
    if (end !== -1) found.push(text.slice(start, end + 1));
    start = text.indexOf('{', end === -1 ? start + 1 : end + 1);
  }
  return found;
}

function closingBrace(text: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return i;
  }
  return -1;
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
      details: { timeoutMs: options.timeoutMs },
    });
  }
  if (!APICallError.isInstance(error)) {
    return new CodedError(
      'NOF0_LLM_UNAVAILABLE',
      `${options.name} did not answer: ${redact(options, messageOf(error))}`,
    );
  }
  return fromCall(options, error);
}

/** The library's error carries the whole prompt and every header, so it is not passed on as a cause. */
function fromCall(options: OpenAiCompatibleOptions, error: APICallError): CodedError {
  const { statusCode, responseHeaders = {}, responseBody } = error;
  const text = redact(options, error.message);
  // A successful status with a readable body that is no completion: somebody answered, but not with a decision.
  if (statusCode !== undefined && statusCode < 300 && responseBody !== undefined) {
    const details = { raw: responseBody, statusCode };
    return new CodedError('NOF0_LLM_ANSWER_INVALID', `${options.name} sent no chat completion: ${text}`, { details });
  }
  const retryAfterMs = retryAfter(responseHeaders);
  const status = statusCode === undefined ? 'cannot be reached' : `answered HTTP ${statusCode}`;
  return new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name} ${status}: ${text}`, {
    details: {
      ...(statusCode === undefined ? {} : { statusCode }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  });
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date; a date is compared with the server's own clock. */
function retryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const { 'retry-after-ms': inMs, 'retry-after': after, date } = headers;
  if (inMs !== undefined && /^\d+(\.\d+)?$/.test(inMs)) return Math.ceil(Number(inMs));
  if (after === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(after)) return Math.ceil(Number(after) * 1000);
  const waitMs = date === undefined ? Number.NaN : Date.parse(after) - Date.parse(date);
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

function redact(options: OpenAiCompatibleOptions, text: string): string {
  return options.apiKey === '' ? text : text.replaceAll(options.apiKey, '[key]');
}
