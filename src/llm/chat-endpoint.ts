/** Questions to one endpoint that speaks the OpenAI chat protocol, asked as it wants to be. */

import { CodedError, messageOf } from '../errors.ts';
import { type Completion, postChat, type Refusal, redact, type Target } from './wire.ts';

export type ChatOptions = Target & {
  /** Model id as the endpoint knows it. */
  readonly model: string;
  readonly temperature?: number;
  /** How hard a reasoning model thinks, in the endpoint's words. */
  readonly reasoningEffort?: string;
  readonly maxCompletionTokens: number;
  /** Wall time for a question, with those that it takes to find out how to ask. */
  readonly timeoutMs: number;
  readonly promptUsdPerToken: number;
  readonly completionUsdPerToken: number;
};

export type Message = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };

/** How an endpoint wants to be asked. Found out by its refusals, which cost no tokens, and remembered. */
type Dialect = {
  readonly format: 'json_schema' | 'json_object' | 'prose';
  readonly limit: 'max_tokens' | 'max_completion_tokens';
};

/** One for every way in which a dialect can change, and the answer. */
const MAX_QUESTIONS = 4;

export class ChatEndpoint {
  readonly #options: ChatOptions;
  readonly #schema: object | null;
  #dialect: Dialect;

  /** `schema`: the `response_format` that every answer shall have; null: it is asked for in words alone. */
  constructor(options: ChatOptions, schema: object | null) {
    this.#options = options;
    this.#schema = schema;
    this.#dialect = { format: schema === null ? 'prose' : 'json_schema', limit: 'max_tokens' };
  }

  /**
   * Asks, again where the endpoint refuses how it was asked. Throws NOF0_LLM_UNAVAILABLE, NOF0_LLM_ANSWER_INVALID for what is no
   * completion, and NOF0_JOB_ABORTED when the caller's signal fired.
   */
  async ask(messages: readonly Message[], signal: AbortSignal): Promise<Completion> {
    const options = this.#options;
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const either = AbortSignal.any([signal, timeout]);
    try {
      for (let asked = 1; ; asked++) {
        const said = await postChat(options, this.#body(messages), either);
        if (!('status' in said)) return said;
        const next = asked < MAX_QUESTIONS ? dialectAfter(this.#dialect, said) : null;
        if (next === null) throw refused(options, said);
        this.#dialect = next;
      }
    } catch (error) {
      throw toLlmError(options, error, { caller: signal, timeout });
    }
  }

  #body(messages: readonly Message[]): object {
    const options = this.#options;
    const { format, limit } = this.#dialect;
    return {
      model: options.model,
      messages,
      [limit]: options.maxCompletionTokens,
      stream: false,
      ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
      ...(options.reasoningEffort === undefined ? {} : { reasoning_effort: options.reasoningEffort }),
      ...(format === 'json_schema' ? { response_format: this.#schema } : {}),
      ...(format === 'json_object' ? { response_format: { type: 'json_object' } } : {}),
    };
  }
}

/** How to ask after a refusal; null when it is about something else. */
function dialectAfter(dialect: Dialect, { said }: Refusal): Dialect | null {
  if (dialect.limit === 'max_tokens' && /max_completion_tokens/.test(said))
    return { ...dialect, limit: 'max_completion_tokens' };
  if (!/response_format|json_schema|json_object|structured.?output|json mode|grammar|guided/i.test(said)) return null;
  if (dialect.format === 'json_schema') return { ...dialect, format: 'json_object' };
  return dialect.format === 'json_object' ? { ...dialect, format: 'prose' } : null;
}

function refused(options: ChatOptions, { status, said }: Refusal): CodedError {
  return new CodedError('NOF0_LLM_UNAVAILABLE', `${options.name} answered HTTP ${status}: ${said || 'nothing more'}`, {
    details: { statusCode: status, retry: false, spent: false },
  });
}

function toLlmError(
  options: ChatOptions,
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
