/** The fields of the arena file with their defaults and limits. */

import { z } from 'zod';
import { arenaSchema } from '../../src/config/arena.ts';
import { parseDuration } from '../../src/domain/time.ts';
import { ARENA_FIELDS, type FieldDoc } from './arena-fields.ts';
import { allowed, code, type JsonSchema, table } from './table.ts';

/** Who trades for the desk is described like a model of the arena. */
const TRADER = 'equities.trader.';

export const PLAIN_MODEL = { id: 'm', strategy: 'buy-and-hold' };
const ENDPOINT_MODEL = { id: 'm', endpoint: { baseUrl: 'http://127.0.0.1:1/v1', model: 'm' } };

export function arenaTable(): string {
  const schema = z.toJSONSchema(arenaSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const leaves = leavesOf(schema, '', true).filter(({ path: field }) => !field.startsWith(TRADER));
  const undescribed = leaves.filter((leaf) => ARENA_FIELDS[leaf.path] === undefined).map((leaf) => leaf.path);
  const unknown = Object.keys(ARENA_FIELDS).filter((field) => !leaves.some((leaf) => leaf.path === field));
  if (undescribed.length + unknown.length > 0)
    throw new Error(`arena fields without a description: ${undescribed}; descriptions without a field: ${unknown}`);
  const defaults = arenaSchema.parse({ models: [ENDPOINT_MODEL] });
  return table(
    ['field', 'default', 'allowed', 'meaning'],
    leaves.map((leaf) => {
      const doc = ARENA_FIELDS[leaf.path] ?? { meaning: '' };
      const value = leaf.required ? undefined : valueAt(defaults, leaf.path);
      const fallback = value === undefined ? (leaf.required ? '(required)' : 'none') : code(shown(value, doc));
      return [
        code(leaf.path),
        fallback,
        doc.min ? durationLimit(leaf.path, doc.min) : allowed(leaf.schema),
        doc.meaning,
      ];
    }),
  );
}

type Leaf = { readonly path: string; readonly schema: JsonSchema; readonly required: boolean };

/** A field counts as required when it is so in every object on the way to it. */
function leavesOf(schema: JsonSchema, at: string, required: boolean): Leaf[] {
  // A list of plain values is one field.
  if (schema.items?.properties) return leavesOf(schema.items, `${at}[]`, required);
  if (!schema.properties) return [{ path: at, schema, required }];
  return Object.entries(schema.properties).flatMap(([name, inner]) =>
    leavesOf(
      inner,
      at === '' ? name : `${at}.${name}`,
      schema.default === undefined && (schema.required ?? []).includes(name),
    ),
  );
}

export function valueAt(root: unknown, field: string): unknown {
  return field
    .replaceAll('[]', '.0')
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], root);
}

export function shown(value: unknown, doc: FieldDoc): string {
  if (typeof value === 'object') return JSON.stringify(value);
  return doc.min === undefined ? String(value) : durationText(Number(value));
}

function durationText(ms: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const)
    if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

/** Says the shortest duration, after trying that it is accepted and a shorter one is not. */
function durationLimit(field: string, min: string): string {
  const ms = parseDuration(min) ?? 0;
  const accepts = (text: string) => arenaSchema.safeParse(arenaWith(field, text)).success;
  if (!accepts(min) || accepts(`${ms - 1}ms`)) throw new Error(`the shortest ${field} is not ${min}`);
  return `duration, at least ${code(min)}`;
}

function arenaWith(field: string, value: string): object {
  const arena: Record<string, unknown> = {
    schedules: { price: '1s', decision: '3m', snapshot: '5m', analytics: '1h' },
    paces: {},
    alerts: {},
    retention: {},
    gaps: {},
    guardrails: {},
    equities: { schedules: {} },
    models: [structuredClone(field.includes('endpoint') ? ENDPOINT_MODEL : PLAIN_MODEL)],
  };
  const names = field.replaceAll('[]', '.0').split('.');
  const last = names.pop() ?? '';
  const parent = names.reduce((inner, name) => {
    inner[name] ??= {};
    return inner[name] as Record<string, unknown>;
  }, arena);
  parent[last] = value;
  return arena;
}
