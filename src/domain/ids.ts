/** Identities that are derived, never drawn: the same thing gets the same id on every attempt. */

import { z } from 'zod';
import { sha256 } from './random.ts';

/** Words that commands and keys use for every model, and for every queue. */
const RESERVED_MODEL_IDS = ['all', 'queues'];

/** What may be the id of a model, wherever one comes in. */
export const modelIdSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^{}\s]+$/, 'an id without spaces and braces')
  .refine((id) => !RESERVED_MODEL_IDS.includes(id), `an id other than ${RESERVED_MODEL_IDS.join(', ')}`);

/**
 * An id as part of a Redis key or a job id: `:`, `{`, `}`, `%` and white space are percent-encoded, so that no id can reach
 * into another key or break a cluster's hash tag.
 */
export function encodeId(id: string): string {
  return id.replace(/[:{}%\s]/g, encodeURIComponent);
}

/** The id that `encodeId` was given. */
export function decodeId(encoded: string): string {
  // White space beyond ASCII takes several bytes, which only decode together.
  return encoded.replace(/(?:%[0-9A-F]{2})+/g, decodeURIComponent);
}

/** What an order of a decision is for. Its number is part of the client order id. */
export const LEGS = ['entry', 'stop', 'target', 'close', 'guard'] as const;
export type Leg = (typeof LEGS)[number];

const SLOT_HEX = 12;

/**
 * Client order id of (model, slot, leg, symbol): `0x` and 32 hex digits, of which the first 12 are the slot and the next two
 * the leg, so that a fill leads back to the decision that caused it. It never depends on a clock.
 */
export function clientOrderId(modelId: string, slotMs: number, leg: Leg, symbol: string): string {
  const slot = slotMs.toString(16).padStart(SLOT_HEX, '0');
  const legHex = LEGS.indexOf(leg).toString(16).padStart(2, '0');
  return `0x${slot}${legHex}${sha256(`${modelId}\u001f${slotMs}\u001f${leg}\u001f${symbol}`).slice(0, 18)}`;
}

/** Slot and leg of a client order id of ours; null for any other id. */
export function readClientOrderId(cloid: string): { slotMs: number; leg: Leg } | null {
  const match = /^0x([0-9a-f]{12})([0-9a-f]{2})[0-9a-f]{18}$/.exec(cloid);
  const leg = LEGS[Number.parseInt(match?.[2] ?? 'ff', 16)];
  return match && leg ? { slotMs: Number.parseInt(match[1] ?? '', 16), leg } : null;
}

/** Where ids of decisions have their leg. */
const MANUAL_HEX = 'ff';

/**
 * Client order id of a person's order to close a position: no slot, no leg, and a hash of the position and the attempt. The same
 * attempt on the same position has the same id whoever makes it and whenever; a later position of the symbol has others.
 */
export function manualOrderId(modelId: string, symbol: string, positionId: string, attempt: number): string {
  const digest = sha256(['manual', modelId, symbol, positionId, attempt].join('\u001f')).slice(0, 18);
  return `0x${'0'.repeat(SLOT_HEX)}${MANUAL_HEX}${digest}`;
}
