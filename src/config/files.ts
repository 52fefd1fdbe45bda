/** Files that the configuration is read from. What is wrong with one becomes a fault beside all others. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { type PromptTemplate, parsePromptTemplate } from '../domain/prompt-template.ts';
import type { Fault } from '../errors.ts';

/** The variables of a `.env` file; none without one. */
export function readDotEnv(file: string, faults: Fault[]): Record<string, string> {
  if (!existsSync(file)) return {};
  const text = readText(file, faults);
  if (text === null) return {};
  text.split(/\r?\n/).forEach((line, index) => {
    if (
      line.trim() !== '' &&
      !line.trim().startsWith('#') &&
      !/^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=/.test(line)
    ) {
      faults.push({ path: `.env: line ${index + 1}`, expected: 'NAME=value, a comment or an empty line' });
    }
  });
  return definedOnly(parseEnv(text));
}

const shipped = (name: string) => fileURLToPath(new URL(`../../config/prompts/${name}`, import.meta.url));
const SHIPPED_PROMPT = shipped('decision.md');
/** How the model of the equities desk is asked unless the arena file names another wording. */
export const SHIPPED_DESK_PROMPT = shipped('equities.md');

/** The prompts that the arena file names, relative to its folder, and the shipped one under the empty name. */
export function readPrompts(
  names: readonly string[],
  folder: string,
  faults: Fault[],
): Readonly<Record<string, PromptTemplate>> {
  const prompts: Record<string, PromptTemplate> = {};
  for (const name of new Set(['', ...names])) {
    const file = name === '' ? SHIPPED_PROMPT : path.resolve(folder, name);
    const template = readPrompt(file, faults);
    if (template !== null) prompts[name] = template;
  }
  return prompts;
}

/** Reads a prompt file. Null, and faults, when it is none. */
export function readPrompt(file: string, faults: Fault[]): PromptTemplate | null {
  const text = readText(file, faults);
  if (text === null) return null;
  const read = parsePromptTemplate(text);
  if ('template' in read) return read.template;
  faults.push(...read.faults.map((expected) => ({ path: `${path.basename(file)}: (whole)`, expected })));
  return null;
}

/** The text of a file; null, and a fault, when it cannot be read. */
export function readText(file: string, faults: Fault[]): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    faults.push({ path: `${path.basename(file)}: (whole)`, expected: `a readable file at ${file}` });
    return null;
  }
}

export function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  // An empty variable is one that is not set: compose files and CI systems pass them so.
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
}
