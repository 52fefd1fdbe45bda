/** Secrets come from the environment or from files that it names, and never from the arena file. */

import path from 'node:path';
import type { Fault } from '../errors.ts';
import { readText } from './files.ts';
import type { Credential } from './http.ts';

/** Variables that hold secrets, or addresses with passwords. `NAME_FILE` names a file that holds the value of `NAME`. */
export const SECRET_VARIABLES = [
  'DATABASE_URL',
  'REDIS_URL',
  'REDIS_QUEUE_URL',
  'REDIS_CACHE_URL',
  'APCA_API_KEY_ID',
  'APCA_API_SECRET_KEY',
  'NOF0_WEBHOOK_SECRET',
  'NOF0_ALERT_WEBHOOK_SECRET',
  'NOF0_ALERT_SLACK_URL',
  'NOF0_ALERT_DISCORD_URL',
] as const;

/** Addresses that are secrets as a whole: whoever knows one may post. */
const SECRET_ADDRESSES: ReadonlySet<string> = new Set(['NOF0_ALERT_SLACK_URL', 'NOF0_ALERT_DISCORD_URL']);

const FILE = '_FILE';

/** Names that are understood beside those of the variables: where each secret's file is. */
export function secretFileNames(keyNames: readonly string[]): string[] {
  return [...SECRET_VARIABLES, ...keyNames].map((name) => `${name}${FILE}`);
}

/** The variables with the values of those that are given as files. The end of the last line does not belong to a value. */
export function withSecretFiles(
  variables: Readonly<Record<string, string>>,
  keyNames: readonly string[],
  cwd: string,
  faults: Fault[],
): Record<string, string> {
  const all = { ...variables };
  for (const name of new Set([...SECRET_VARIABLES, ...keyNames])) {
    const file = variables[`${name}${FILE}`];
    if (file === undefined) continue;
    if (variables[name] !== undefined) {
      faults.push({ path: `environment: ${name}${FILE}`, expected: `either ${name} or ${name}${FILE}, not both` });
      continue;
    }
    const value = readText(path.resolve(cwd, file), faults)?.replace(/\r?\n$/, '');
    if (value === '') faults.push({ path: `environment: ${name}${FILE}`, expected: 'a file that is not empty' });
    else if (value !== undefined) all[name] = value;
  }
  return all;
}

/** Every secret value there is, for whoever has to hide them. Of an address its password. */
export function secretValues(
  variables: Readonly<Record<string, string>>,
  keyNames: readonly string[],
  credentials: readonly Credential[],
): string[] {
  const given = [...SECRET_VARIABLES, ...keyNames].flatMap((name) => {
    const value = variables[name];
    if (value === undefined) return [];
    return SECRET_ADDRESSES.has(name) ? [value] : secretsIn(value);
  });
  return [...given, ...credentials.map(({ secret }) => secret)];
}

function secretsIn(value: string): string[] {
  if (!URL.canParse(value)) return [value];
  const { password } = new URL(value);
  // As it stands in the address, and as the server knows it: the encoding may be none.
  const decoded = /%(?![0-9a-f]{2})/i.test(password) ? password : unescapeBytes(password);
  return password === '' ? [] : [password, decoded];
}

function unescapeBytes(text: string): string {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
