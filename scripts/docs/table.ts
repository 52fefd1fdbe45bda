/** What all tables are made of. */

export type JsonSchema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
};

export const code = (text: string): string => `\`${text}\``;

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Type and limits of a value, in words. */
export function allowed(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(allowed).join(' or ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ');
  const limits: string[] = [];
  if (schema.exclusiveMinimum !== undefined) limits.push(`above ${schema.exclusiveMinimum}`);
  if (schema.minimum !== undefined) limits.push(`at least ${schema.minimum}`);
  // Zod bounds every integer; that bound is nobody's limit.
  if (schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER)
    limits.push(`at most ${schema.maximum}`);
  if (schema.pattern !== undefined) limits.push(code(schema.pattern));
  else if (schema.maxLength !== undefined) limits.push(`at most ${schema.maxLength} characters`);
  const type = schema.format === 'uri' ? 'address' : schema.items ? 'list' : (schema.type ?? 'any');
  return limits.length === 0 ? type : `${type}, ${limits.join(', ')}`;
}
