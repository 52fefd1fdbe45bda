/** How the HTTP server is reached: who may do what, from where, and how often. */

import path from 'node:path';
import { z } from 'zod';
import type { Fault } from '../errors.ts';
import { readText } from './files.ts';

export const ROLES = ['viewer', 'operator'] as const;

/** Somebody who may read (`viewer`) or also control (`operator`). The secret is never logged. */
export type Credential = { readonly name: string; readonly role: (typeof ROLES)[number]; readonly secret: string };

const MIN_SECRET = 16;
const ENTRY = new RegExp(
  `^([A-Za-z0-9_.@-]{1,64}):(${ROLES.join('|')}):([\\x21-\\x2b\\x2d-\\x7e]{${MIN_SECRET},256})$`,
);
const EXPECTED = `NAME:ROLE:SECRET with the role ${ROLES.join(' or ')} and a secret of at least ${MIN_SECRET} characters without spaces and commas`;

/** `carol:operator:secret,dave:viewer:secret`. A fault never repeats what stands there: it may be a secret. */
export const credentialList = z.string().transform((text, context) => {
  const credentials: Credential[] = [];
  for (const [index, entry] of parts(text).entries()) {
    const [, name, role, secret] = ENTRY.exec(entry) ?? [];
    if (name === undefined || role === undefined || secret === undefined)
      context.addIssue({ code: 'custom', message: `${EXPECTED} (entry ${index + 1})` });
    else credentials.push({ name, role: role as Credential['role'], secret });
  }
  const names = credentials.map(({ name }) => name);
  const secrets = credentials.map(({ secret }) => secret);
  if (new Set(names).size < names.length || new Set(secrets).size < secrets.length)
    context.addIssue({ code: 'custom', message: 'a name and a secret of its own for each entry' });
  return credentials;
});

/** Origins of web pages, or `*`. */
export const originList = z.string().transform((text, context) => {
  const origins = parts(text);
  if (!origins.every((origin) => origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)))
    context.addIssue({ code: 'custom', message: '* or a list of origins such as https://arena.example' });
  return origins;
});

export const addressList = z.string().transform((text) => parts(text));

/** Credentials of a file: one entry a line, `#` begins a comment line. */
export function readCredentials(file: string | undefined, cwd: string, faults: Fault[]): readonly Credential[] {
  const text = file === undefined ? '' : readText(path.resolve(cwd, file), faults);
  const lines = (text ?? '').split(/\r?\n/).filter((line) => !line.trim().startsWith('#'));
  const parsed = credentialList.safeParse(lines.join(','));
  if (parsed.success) return parsed.data;
  faults.push(...parsed.error.issues.map(({ message }) => ({ path: 'NOF0_HTTP_TOKENS_FILE', expected: message })));
  return [];
}

function parts(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
