/** Rules that refuse actions. */

import { arenaSchema } from '../../src/config/arena.ts';
import { ACTION_RULES, ENTRY_RULES } from '../../src/domain/guardrail-rules.ts';
import { PLAIN_MODEL, shown, valueAt } from './arena.ts';
import { ARENA_FIELDS } from './arena-fields.ts';
import { code, table } from './table.ts';

export function guardrailTable(): string {
  const { guardrails } = arenaSchema.parse({ models: [PLAIN_MODEL] });
  const shownDefault = (field: string): string => {
    const name = `guardrails.${field}`;
    return `${code(field)} ${code(shown(valueAt({ guardrails }, name), ARENA_FIELDS[name] ?? { meaning: '' }))}`;
  };
  return table(
    ['code', 'refused because', 'set by, with its default'],
    [
      ...ENTRY_RULES.map(({ code: name, meaning, fields }) => [
        code(name),
        meaning,
        fields.map(shownDefault).join(', '),
      ]),
      ...ACTION_RULES.map(({ code: name, meaning }) => [code(name), meaning, '']),
    ],
  );
}
