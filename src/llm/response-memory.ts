/** Answers that were given before, by the digest of everything that a question consists of. */

import { z } from 'zod';
import { canonicalJson } from '../domain/canonical-json.ts';
import { answerSchema } from '../domain/decision.ts';
import { sha256 } from '../domain/random.ts';
import type { DecisionRequest, ModelReply, ResponseMemory } from './decision-model.ts';

/** Where remembered answers lie. Never fails: what cannot be read is not there, what cannot be written is not kept. */
export interface ResponseStore {
  get(digest: string): Promise<string | null>;
  set(digest: string, value: string): Promise<void>;
}

const rememberedSchema = z.object({ answer: answerSchema, raw: z.string() });

/**
 * A memory of one model. `asker`: everything about the model that changes its answers, and its own id: two participants behind one
 * endpoint are not to become each other's twin.
 */
export function responseMemory(store: ResponseStore, asker: object): ResponseMemory {
  const digestOf = ({ prompt }: DecisionRequest): string =>
    sha256(canonicalJson({ asker, system: prompt.system, user: prompt.user }));
  return {
    async recall(request) {
      const text = await store.get(digestOf(request));
      const parsed = text === null ? null : rememberedSchema.safeParse(parse(text));
      return parsed?.data === undefined ? null : free(parsed.data);
    },
    // An answer that was put right answers the question it was asked first.
    keep: (request, { answer, raw }) => store.set(digestOf(request), JSON.stringify({ answer, raw })),
  };
}

/** It costs nothing, for nobody is asked. */
function free(said: z.infer<typeof rememberedSchema>): ModelReply {
  return { ...said, promptTokens: 0, completionTokens: 0, costUsd: 0 };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A key that somebody else has written to: no answer is remembered.
    return undefined;
  }
}
