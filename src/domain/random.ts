/**
 * Randomness as a function of its name: `hash(seed, purpose, model, slot, index)`. Nothing here has state, so a value is the
 * same whoever asks for it, in whatever order and however often.
 */

import { createHash } from 'node:crypto';

type Part = string | number;

/** A uniform number in [0, 1) that depends on nothing but the parts. 53 bits wide. */
export function uniform(...parts: Part[]): number {
  const digest = createHash('sha256').update(parts.join('\u001f')).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/** Hexadecimal SHA-256 of the text: digests of frames, prompts and configurations. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A 32-bit mix of integers for hot loops (market noise), far cheaper than a digest; uniform in [0, 1). */
export function mix(seed: number, a: number, b: number): number {
  let h =
    Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^
    Math.imul(a | 0, 0xc2b2ae35) ^
    Math.imul((a / 4294967296) | 0, 0x165667b1);
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad) ^ Math.imul(b | 0, 0x27d4eb2f);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}
