/** Environment variables. */

import { z } from 'zod';
import { environmentFields } from '../../src/config/environment.ts';
import { allowed, code, type JsonSchema, table } from './table.ts';

type Variable = { readonly name: string; readonly fallback: string | null; readonly allowed: string; meaning: string };

function variables(): Variable[] {
  return Object.entries(environmentFields).map(([name, field]: [string, z.ZodType]) => {
    const parsed = field.safeParse(undefined);
    const schema = z.toJSONSchema(field, { io: 'output', unrepresentable: 'any' }) as JsonSchema;
    if (field.description === undefined) throw new Error(`environment variable ${name} has no description`);
    return {
      name,
      // What a value is made into says nothing about how to write it.
      fallback:
        parsed.success && parsed.data !== undefined && typeof parsed.data !== 'object' ? String(parsed.data) : null,
      allowed: allowed(schema),
      meaning: field.description,
    };
  });
}

export function environmentTable(): string {
  return table(
    ['variable', 'default', 'allowed', 'meaning'],
    variables().map((v) => [code(v.name), v.fallback === null ? 'unset' : code(v.fallback), v.allowed, v.meaning]),
  );
}

export function envExample(): string {
  return variables()
    .map((v) => `\n# ${v.meaning}${v.fallback === null ? ' Default: unset.' : ''}\n#${v.name}=${v.fallback ?? ''}`)
    .join('\n');
}
