/**
 * Known vulnerabilities of what runs in production: fails on high and critical ones. A registry that does not answer is told and
 * passed over, because it says nothing about the code.
 *
 *   node scripts/audit.mjs
 */

import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const FAILING = ['high', 'critical'];
const TIMEOUT_MS = 120_000;

/** What a report of `npm audit --json` means: the exit code, and what people are told. */
export function judge(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return { code: 0, lines: ['not audited: npm answered with no report'] };
  }
  const found = report?.vulnerabilities;
  if (typeof found !== 'object' || found === null)
    return {
      code: 0,
      lines: [`not audited: ${report?.message ?? report?.error?.summary ?? 'the registry did not answer'}`],
    };
  const all = Object.entries(found).map(([name, { severity, range }]) => ({ name, severity, range }));
  const grave = all.filter(({ severity }) => FAILING.includes(severity));
  const lines = all.map(({ name, severity, range }) => `${severity}  ${name} ${range ?? ''}`.trimEnd());
  return {
    code: grave.length > 0 ? 1 : 0,
    lines: [...lines, `${all.length} known, ${grave.length} of them high or critical`],
  };
}

function audit() {
  // npm exits with 1 both for what it has found and for what it could not ask: the report tells them apart.
  execFile(
    'npm',
    ['audit', '--omit=dev', '--json'],
    { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 },
    (_error, stdout) => {
      const { code, lines } = judge(stdout);
      process.stdout.write(`${lines.join('\n')}\n`);
      process.exitCode = code;
    },
  );
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) audit();
