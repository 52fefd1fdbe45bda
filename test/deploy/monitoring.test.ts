import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPO } from '../paths.ts';
import { metricFaults, metricsIn } from './promql.ts';

const DEPLOY = path.join(REPO, 'deploy');
const BOARDS = path.join(DEPLOY, 'grafana/dashboards');
const yaml = (file: string): unknown => parse(readFileSync(path.join(DEPLOY, file), 'utf8'));

const panel = z.object({
  id: z.number(),
  title: z.string(),
  type: z.enum(['row', 'timeseries', 'stat']),
  description: z.string().optional(),
  datasource: z.object({ type: z.string(), uid: z.string() }).optional(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(z.object({ expr: z.string(), legendFormat: z.string(), refId: z.string() })).default([]),
});
const boardSchema = z.object({ uid: z.string(), title: z.string(), panels: z.array(panel) });
const boards = readdirSync(BOARDS).map(
  (file) => [file, boardSchema.parse(JSON.parse(readFileSync(path.join(BOARDS, file), 'utf8')))] as const,
);
/** What Grafana makes of an expression. */
const asPrometheus = (expr: string) => expr.replaceAll('$__rate_interval', '1m');
const allPanels = boards.flatMap(([, { panels }]) => panels);

describe('the check of PromQL', () => {
  it('sees a broken expression, a metric that is not ours, and a label that it does not have', () => {
    expect(metricFaults('sum(rate(nof0_cache_reads_total[5m])) by (family')).not.toEqual([]);
    expect(metricFaults('nof0_cache_read_total')).toEqual(['no metric nof0_cache_read_total']);
    expect(metricFaults('nof0_queue_latency_seconds_bucket')).toEqual(['no metric nof0_queue_latency_seconds_bucket']);
    expect(metricFaults('sum by (model) (nof0_cache_reads_total{famly="x"})')).toEqual([
      'nof0_cache_reads_total has no label famly',
      'nof0_cache_reads_total has no label model',
    ]);
    expect(metricFaults('sum by (family, le) (rate(nof0_cache_fill_seconds_bucket[5m]))')).toEqual([]);
  });
});

describe.each(boards)('the dashboard %s', (_, board) => {
  it('asks for metrics and labels that exist, in expressions that parse', () => {
    const exprs = board.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(exprs.length).toBeGreaterThan(0);
    for (const expr of exprs) expect(metricFaults(asPrometheus(expr)), expr).toEqual([]);
  });

  it('says what each panel shows, in legends with labels that its expression keeps', () => {
    for (const { type, title, description, targets } of board.panels) {
      if (type === 'row') continue;
      expect(description, title).toBeTruthy();
      for (const { expr, legendFormat } of targets)
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(expr.includes(label) || label === 'instance' || label === 'provider', `${title}: ${label}`).toBe(true);
    }
  });

  it('has panels beside each other, not over each other', () => {
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title } of board.panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.has(`${x}:${y}`), title).toBe(false);
          taken.add(`${x}:${y}`);
        }
  });
});

describe('the dashboards together', () => {
  it('show what the data design asks to see', () => {
    const shown = new Set(
      allPanels.flatMap(({ targets }) => targets.flatMap(({ expr }) => metricsIn(asPrometheus(expr)))),
    );
    for (const metric of [
      'persistence_latency_seconds_bucket',
      'nof0_cache_fill_seconds_bucket',
      'nof0_cache_reads_total',
      'nof0_view_refresh_seconds_count',
      'nof0_table_rows',
      'nof0_table_bytes',
      'nof0_keys',
    ])
      expect([...shown], metric).toContain(metric);
  });

  it('are provisioned with the data source that they name', () => {
    const { datasources } = z
      .object({ datasources: z.array(z.object({ uid: z.string(), type: z.string(), url: z.url() })) })
      .parse(yaml('grafana/provisioning/datasources/prometheus.yml'));
    const { providers } = z
      .object({ providers: z.array(z.object({ type: z.literal('file'), options: z.object({ path: z.string() }) })) })
      .parse(yaml('grafana/provisioning/dashboards/nof0.yml'));
    const compose = readFileSync(path.join(REPO, 'docker-compose.yml'), 'utf8');
    for (const { options } of providers) expect(compose).toContain(`./deploy/grafana/dashboards:${options.path}:ro`);
    for (const { datasource } of allPanels)
      if (datasource) expect(datasources.map(({ uid, type }) => ({ uid, type }))).toContainEqual(datasource);
    expect(new Set(boards.map(([, { uid }]) => uid)).size).toBe(boards.length);
  });
});

describe('Prometheus', () => {
  it('keeps the label `job` of our metrics', () => {
    const { scrape_configs, rule_files } = z
      .object({
        rule_files: z.array(z.string()),
        scrape_configs: z.array(z.object({ job_name: z.string(), honor_labels: z.boolean() })),
      })
      .parse(yaml('prometheus/prometheus.yml'));
    for (const { honor_labels } of scrape_configs) expect(honor_labels).toBe(true);
    expect(rule_files).toEqual(['/etc/prometheus/alerts.yml']);
  });

  it('can evaluate the expressions of the operations page', () => {
    const page = readFileSync(path.join(REPO, 'docs/operations.md'), 'utf8');
    const exprs = [...page.matchAll(/`([^`\n]*(?:nof0_|_seconds)\w*(?:[({[]|\)? )[^`\n]*)`/g)]
      .map(([, expr = '']) => expr.replaceAll('\\|', '|'))
      .filter((expr) => /[(>]/.test(expr));
    expect(exprs.length).toBeGreaterThan(5);
    for (const expr of exprs) expect(metricFaults(expr), expr).toEqual([]);
  });
});
