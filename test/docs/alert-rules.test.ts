/** The rules of Prometheus name what there is: metrics, labels, alerts and recipes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ALERT_NAMES, ALERTS } from '../../src/domain/alerts.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
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

const { registry, ...metrics } = createMetrics(false);
registry.clear();
/** Names as they are scraped, with their labels. */
const SERIES = new Map<string, readonly string[]>(
  Object.values(metrics).flatMap((metric) => {
    const { name, labelNames } = metric as unknown as { name: string; labelNames: string[] };
    return ['', '_bucket', '_sum', '_count'].map((end) => [`${name}${end}`, [...labelNames, 'le']] as const);
  }),
);
/** What Prometheus itself adds. */
SERIES.set('up', ['job', 'instance']);

const selectorsOf = (expr: string) =>
  [...expr.matchAll(/([a-z_][a-z0-9_]*)\s*(?:\{([^}]*)\})?/g)].map(([, name = '', labels = '']) => ({ name, labels }));
const WORDS = new Set(['max', 'min', 'sum', 'by', 'increase', 'rate', 'absent', 'or', 'and', 'unless', 'm', 's', 'h']);
const namesOf = (expr: string) => {
  const bare = expr.replace(/"[^"]*"/g, '""').replace(/by\s*\([^)]*\)/g, 'by');
  return selectorsOf(bare)
    .map(({ name }) => name)
    .filter((name) => !WORDS.has(name) && !/=|~/.test(name));
};

describe.each(RULES)('the rule $alert', ({ expr, annotations }) => {
  it('asks for metrics that exist, by labels that they have', () => {
    const withoutLabels = expr.replace(/\{[^}]*\}/g, '');
    const names = namesOf(withoutLabels);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect([...SERIES.keys()], expr).toContain(name);
    for (const [, name = '', inside = ''] of expr.matchAll(/([a-z_][a-z0-9_]*)\{([^}]*)\}/g))
      for (const [, label] of inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
        expect(SERIES.get(name), `${name} ${label}`).toContain(label);
    const grouped = [...expr.matchAll(/by\s*\(([^)]*)\)/g)].flatMap(([, list = '']) =>
      list.split(',').map((each) => each.trim()),
    );
    for (const label of grouped)
      expect(
        names.some((name) => SERIES.get(name)?.includes(label)),
        label,
      ).toBe(true);
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

  it('would be seen asking for something else', () => {
    expect(namesOf('max(nof0_nothing_total) > 0')).toEqual(['nof0_nothing_total']);
    expect(SERIES.has('nof0_nothing_total')).toBe(false);
  });
});

describe('recipes', () => {
  it('stand for every alert of the platform', () => {
    for (const name of ALERT_NAMES) expect(RECIPES, name).toContain(name);
  });
});
