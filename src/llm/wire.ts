/** One HTTP request of the chat protocol, from bytes to a completion. Nothing that an endpoint sends can fill the memory or move the key. */

import { z } from 'zod';
import { causeOf, collectBytes, retryAfter } from '../domain/http-answer.ts';
import { CodedError } from '../errors.ts';

/** Far more than any answer. What is longer is not read to its end. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** Of what an endpoint says about a failure. */
const MAX_MESSAGE = 300;
/** A shorter key may be a part of words; it is not looked for in what comes back. */
const MIN_REDACTED = 8;
/** Counts beyond it are nonsense, and do not fit into the record. */
const MAX_TOKENS = 100_000_000;

export type Target = {
  /** Name of the endpoint, for messages. */
  readonly name: string;
  /** For instance `https://host/v1`, without `/chat/completions`. */
  readonly baseUrl: string;
  readonly apiKey: string;
};

export type Completion = {
  readonly text: string;
  /** Null where the endpoint does not say, or says nonsense. */
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly isCutOff: boolean;
};

/** A request that the endpoint refused, with what it said about it. No tokens were used. */
export type Refusal = { readonly status: number; readonly said: string };

const count = z.int().min(0).max(MAX_TOKENS).nullish().catch(null);
const part = z.object({ type: z.string().optional(), text: z.string().optional() });
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.union([z.string(), z.array(part)]).nullish() }),
        finish_reason: z.string().nullish().catch(null),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: count, completion_tokens: count }).nullish().catch(null),
});

const failureSchema = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) });

/**
 * Posts the body. A 400, 404, 415 or 422 is a refusal of what was asked for. Throws NOF0_LLM_UNAVAILABLE for everything else that is no
 * success and NOF0_LLM_ANSWER_INVALID for a success that is no completion; what the signal throws is passed on.
 */
export async function postChat(target: Target, body: object, signal: AbortSignal): Promise<Completion | Refusal> {
  const response = await fetch(`${target.baseUrl.replace(/\/+$/, '')}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(target.apiKey === '' ? {} : { authorization: `Bearer ${target.apiKey}` }),
    },
    body: JSON.stringify(body),
    signal,
    // Whoever the endpoint points to was not given the key.
    redirect: 'manual',
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw unavailable(target, `cannot be reached: ${redact(target, causeOf(error))}`, {
      retry: true,
      spent: !REFUSED.test(causeOf(error)),
    });
  });
  const bytes = await readBody(target, response, signal);
  if (response.status >= 200 && response.status < 300) return toCompletion(target, response.status, bytes);
  const said = redact(target, failureText(bytes));
  if ([400, 404, 415, 422].includes(response.status)) return { status: response.status, said };
  throw failed(target, response, said);
}

/** Connections that were never made: the request has not left. */
const REFUSED = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|bad port|CERT|certificate/;

async function readBody(target: Target, response: Response, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await collectBytes(response.body, MAX_BODY_BYTES).catch((error: unknown) => {
    signal.throwIfAborted();
    throw unavailable(target, `broke off: ${redact(target, causeOf(error))}`, { retry: true, spent: true });
  });
  if (bytes === null) throw tooLong(target);
  return bytes;
}

function toCompletion(target: Target, status: number, bytes: Uint8Array): Completion {
  const text = decode(bytes);
  const parsed = text === null ? null : completionSchema.safeParse(parseJson(text));
  const choice = parsed?.data?.choices[0];
  if (choice === undefined) {
    // Some answer an error with the status of a success.
    const said = redact(target, failureText(bytes));
    const why = text === null ? 'what it sent is not UTF-8' : `what it sent is "${said}"`;
    throw new CodedError('NOF0_LLM_ANSWER_INVALID', `${target.name} sent no chat completion: ${why}.`, {
      details: { statusCode: status },
    });
  }
  const { content } = choice.message;
  const said = typeof content === 'string' ? content : (content ?? []).map((piece) => piece.text ?? '').join('');
  return {
    text: redact(target, said),
    promptTokens: parsed?.data?.usage?.prompt_tokens ?? null,
    completionTokens: parsed?.data?.usage?.completion_tokens ?? null,
    isCutOff: choice.finish_reason === 'length',
  };
}

/** Null where the bytes are not UTF-8. A byte order mark is left out. */
function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // What is not text is no answer; the caller says so.
    return null;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is not JSON matches no schema; the caller says so.
    return undefined;
  }
}

function failureText(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  const parsed = failureSchema.safeParse(parseJson(text));
  if (!parsed.success) return text.replace(/\s+/g, ' ').trim().slice(0, MAX_MESSAGE);
  const { error } = parsed.data;
  return (typeof error === 'string' ? error : error.message).slice(0, MAX_MESSAGE);
}

function failed(target: Target, response: Response, said: string): CodedError {
  const { status } = response;
  if (status >= 300 && status < 400) {
    const to = redact(target, response.headers.get('location') ?? 'nowhere').slice(0, MAX_MESSAGE);
    const what = `answered HTTP ${status}: it redirects to ${to}, which is not followed with the key; configure that address`;
    return unavailable(target, what, { statusCode: status, retry: false, spent: false });
  }
  const retryAfterMs = retryAfter(response.headers);
  return unavailable(target, `answered HTTP ${status}: ${said || 'nothing more'}`, {
    statusCode: status,
    retry: status >= 500 || status === 408 || status === 425 || status === 429,
    spent: false,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function unavailable(target: Target, what: string, details: Record<string, unknown>): CodedError {
  return new CodedError('NOF0_LLM_UNAVAILABLE', `${target.name} ${what}`, { details });
}

function tooLong(target: Target): CodedError {
  return new CodedError('NOF0_LLM_ANSWER_INVALID', `${target.name} sent more than ${MAX_BODY_BYTES} bytes.`);
}

/** The text without the key: an endpoint may send back what it was sent. */
export function redact({ apiKey }: Pick<Target, 'apiKey'>, text: string): string {
  return apiKey.length < MIN_REDACTED ? text : text.replaceAll(apiKey, '[key]');
}
