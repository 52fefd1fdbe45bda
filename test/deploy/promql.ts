/** What is wrong with an expression of PromQL: its grammar, and metrics or labels that our processes do not serve. */

import type { SyntaxNode, Tree } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import { createMetrics } from '../../src/telemetry/metrics.ts';

/** Labels that every sample gets on its way. */
const GIVEN = ['instance', 'job', 'le'];

type Known = { readonly labels: readonly string[] };

const KNOWN: ReadonlyMap<string, Known> = knownMetrics();

function knownMetrics(): Map<string, Known> {
  const { registry } = createMetrics(true);
  const known = new Map<string, Known>();
  for (const metric of registry.getMetricsAsArray()) {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: string[] };
    const suffixes = metric.constructor.name === 'Histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) known.set(`${name}${suffix}`, { labels: labelNames });
  }
  registry.clear();
  return known;
}

/** Names of the metrics that an expression selects. */
export function metricsIn(expr: string): string[] {
  return selectors(parser.parse(expr)).map((node) => nameOf(node, expr));
}

/** Faults of an expression; none when every process of ours could answer it. */
export function metricFaults(expr: string): string[] {
  const tree = parser.parse(expr);
  let broken = false;
  tree.iterate({
    enter(node) {
      if (node.type.isError) broken = true;
    },
  });
  if (broken) return [`no PromQL: ${expr}`];
  return selectors(tree).flatMap((node) => {
    const name = nameOf(node, expr);
    const known = KNOWN.get(name);
    if (known === undefined) return [`no metric ${name}`];
    const allowed = [...known.labels, ...GIVEN];
    return [...matchedLabels(node, expr), ...groupedLabels(node, expr)]
      .filter((label) => !allowed.includes(label))
      .map((label) => `${name} has no label ${label}`);
  });
}

function selectors(tree: Tree): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  tree.iterate({
    enter(node) {
      if (node.name === 'VectorSelector') found.push(node.node);
    },
  });
  return found;
}

const textOf = (node: SyntaxNode, expr: string): string => expr.slice(node.from, node.to);

function nameOf(selector: SyntaxNode, expr: string): string {
  const name = selector.getChild('Identifier');
  return name === null ? '' : textOf(name, expr);
}

function matchedLabels(selector: SyntaxNode, expr: string): string[] {
  return (selector.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).flatMap((matcher) => {
    const label = matcher.getChild('LabelName');
    return label === null ? [] : [textOf(label, expr)];
  });
}

/** Labels that the aggregations around a selector group by. */
function groupedLabels(selector: SyntaxNode, expr: string): string[] {
  const labels: string[] = [];
  for (let node = selector.parent; node !== null; node = node.parent) {
    const names = node.name === 'AggregateExpr' ? node.getChild('AggregateModifier')?.getChild('GroupingLabels') : null;
    labels.push(...(names?.getChildren('LabelName') ?? []).map((label) => textOf(label, expr)));
  }
  return labels;
}
