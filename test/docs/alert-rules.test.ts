/** The rules of Prometheus name what there is: metrics, labels, alerts and recipes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ALERT_NAMES, ALERTS } from '../../src/domain/alerts.ts';
import { metricFaults } from '../deploy/promql.ts';
import { REPO } from '../paths.ts';

const rule = z.strictObject({
  alert: z.string().regex(/^[A-Z][A-Za-z]+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[smh]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({ summary: z.string(), runbook: z.string() }),
});
const file = z.strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })) });
const read = (name: string) => readFileSync(`${REPO}/${name}`, 'utf8');
const RULES = file.parse(parse(read('deploy/prometheus/alerts.yml'))).groups.flatMap(({ rules }) => rules);
const RECIPES = [...read('docs/incidents.md').matchAll(/^### (.+)$/gm)].map(([, title]) => (title ?? '').toLowerCase());

describe.each(RULES)('the rule $alert', ({ expr, annotations }) => {
  it('asks for metrics that exist, by labels that they have', () => {
    // `up` is what Prometheus itself says of a process.
    expect(metricFaults(expr.replace(/^up\{job="nof0"\}/, 'nof0_server_up'))).toEqual([]);
  });

  it('leads to a recipe', () => {
    const [page, anchor] = annotations.runbook.split('#');
    expect(page).toBe('docs/incidents.md');
    expect(RECIPES).toContain(anchor);
  });
});

describe('the rules', () => {
  const pascal = (name: string) => name.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());

  it('have one of the same severity for each alert of the platform', () => {
    for (const name of ALERT_NAMES) {
      const found = RULES.find(({ alert }) => alert === pascal(name));
      expect(found?.labels.severity, name).toBe(ALERTS[name].severity);
      expect(found?.annotations.runbook, name).toBe(`docs/incidents.md#${name}`);
    }
  });

  it('name alerts of the platform as they are called', () => {
    const named = RULES.flatMap(({ expr }) => [...expr.matchAll(/alert="([^"]*)"/g)].map(([, name]) => name));
    expect(named.filter((name) => !ALERT_NAMES.includes(name as (typeof ALERT_NAMES)[number]))).toEqual([]);
  });
});

describe('recipes', () => {
  it('stand for every alert of the platform', () => {
    for (const name of ALERT_NAMES) expect(RECIPES, name).toContain(name);
  });
});
