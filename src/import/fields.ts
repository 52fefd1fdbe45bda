/** Fields of the original's files: used ones are checked strictly, all others are left out. */

import { z } from 'zod';

/** Year 5138; whatever is above it are milliseconds. */
const MAX_SECONDS = 100_000_000_000;

/** Float unix seconds; become Unix ms. */
export const seconds = z
  .number()
  .refine((value) => value > 0 && value < MAX_SECONDS, 'expected unix seconds')
  .transform((value) => Math.round(value * 1000));

/** Unix ms, whole. */
export const milliseconds = z
  .number()
  .refine((value) => value >= MAX_SECONDS && value < MAX_SECONDS * 1000, 'expected unix milliseconds')
  .transform(Math.round);

export const text = z.string().min(1).max(200);
export const symbol = z.string().regex(/^[^{}\s:]{1,32}$/, 'expected a symbol without spaces, braces and colons');
export const usd = z.number();
export const price = z.number().positive();

/** Absent and null are the same: not known. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null);

/** Columns of counts hold this much. */
const MAX_COUNT = 2_147_483_647;
export const count = z.int().nonnegative().max(MAX_COUNT);

export const optionalNumber = optional(z.number());
export const optionalText = optional(z.string());
export const optionalBoolean = optional(z.boolean());
/** Numbers of orders and fills; the original writes −1 where there is none. */
export const optionalId = optional(z.int());
/** Anything JSON. */
export const optionalJson = optional(z.unknown());

/** Levels of an exit plan are read as numbers later on. */
export const exitPlan = z
  .looseObject({
    profit_target: z.number().nullish(),
    stop_loss: z.number().nullish(),
    invalidation_condition: z.string().nullish(),
  })
  .nullish()
  .transform((plan) => plan ?? {});
