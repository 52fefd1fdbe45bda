/** What fails the check of dependencies, and what does not. */

import { describe, expect, it } from 'vitest';
import { judge } from '../../scripts/audit.mjs';

const report = (...severities: string[]) =>
  JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: Object.fromEntries(
      severities.map((severity, index) => [`pkg-${index}`, { severity, range: '<1' }]),
    ),
  });

describe('the audit of dependencies', () => {
  it.each([
    [[], 0],
    [['low', 'moderate'], 0],
    [['moderate', 'high'], 1],
    [['critical'], 1],
  ])('of %j ends with %i', (severities, code) => {
    expect(judge(report(...severities)).code).toBe(code);
  });

  it('says what it has found', () => {
    expect(judge(report('high')).lines).toEqual(['high  pkg-0 <1', '1 known, 1 of them high or critical']);
  });

  it.each([
    ['{"message":"405 Method Not Allowed","error":{"summary":""}}'],
    ['{"error":{"code":"ENOTFOUND","summary":"no such host"}}'],
    ['null'],
    [''],
  ])('passes over a registry that does not answer, and says so (%s)', (text) => {
    const { code, lines } = judge(text);
    expect(code).toBe(0);
    expect(lines.join()).toMatch(/^not audited: ./);
  });
});
