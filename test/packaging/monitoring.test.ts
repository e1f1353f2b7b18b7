/** The dashboard and the alerts that come with Countersign, held to the metrics that a server really has. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import test from 'ava';
import { parse } from 'yaml';
import { AUDIT_EVENTS } from '../../src/audit/audit-event.ts';
import { CATALOGUE } from '../../src/metrics/index.ts';
import { startApp } from '../support/start-app.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

interface Target {
  readonly expr: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly Target[] };
}

interface Matcher {
  readonly label: string;
  readonly value: string;
}

interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
  readonly groupedBy: readonly string[];
}

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
/** What a scrape adds. */
const SCRAPED = new Set(['job', 'instance']);

const rules = async (): Promise<readonly Rule[]> =>
  parse(await read('deploy/prometheus/countersign.rules.yaml')).groups.flatMap(
    (group: { rules: readonly Rule[] }) => group.rules,
  );
const dashboard = async (): Promise<Dashboard> => JSON.parse(await read('deploy/grafana/countersign.json'));

test('every alert says what is wrong, what it means and where to read on, and each section there is of an alert', async t => {
  const operations = await read('docs/operations.md');
  const sections = [...operations.matchAll(/^### (Countersign\w+)$/gm)].map(([, name]) => name);
  const alerts = await rules();
  t.true(alerts.length >= 8);
  t.deepEqual(
    alerts.map(({ alert }) => alert),
    sections,
  );
  for (const { alert, labels, annotations } of alerts) {
    t.regex(labels.severity, /^(?:critical|warning)$/, alert);
    t.true(annotations.summary.length > 10 && annotations.description.length > 20, alert);
    t.is(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`);
  }
});

test('alerts and dashboard ask for metrics and labels that a server has, and the dashboard leaves none out', async t => {
  const logs: string[] = [];
  await startApp(t, { env: { COUNTERSIGN_METRICS_PORT: '0' }, logs });
  const { port } = logs.map(line => JSON.parse(line)).find(({ msg }) => msg === 'metrics');
  const url = `http://127.0.0.1:${port}/metrics`;
  const posted = await fetch(url, { method: 'POST' });
  t.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET'], 'RFC 9110 15.5.6');
  const served = await servedMetrics(url);
  const { panels, annotations } = await dashboard();
  const shown = [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list].map(
    ({ expr }) => expr,
  );
  const alerted = (await rules()).map(({ expr }) => expr);

  const wrong = [...shown, ...alerted].flatMap(expr => whatIsWrong(expr, served));
  t.deepEqual(wrong, []);

  const named = new Set(shown.flatMap(expr => selectorsOf(expr)).map(({ metric }) => baseName(metric)));
  t.deepEqual(
    CATALOGUE.map(({ name }) => name).filter(name => !named.has(name)),
    [],
    'metrics that no panel shows',
  );
});

test('what is wrong in an expression is found', t => {
  const served = new Set(['countersign_ready', 'up']);
  t.deepEqual(whatIsWrong('sum(countersign_ready', served), ['sum(countersign_ready: not PromQL']);
  t.regex(whatIsWrong('countersign_redy > 0', served).join(), /no metric countersign_redy/);
  t.regex(whatIsWrong('sum by (chek) (countersign_ready)', served).join(), /no label chek/);
  const requests = new Set(['countersign_http_requests_total']);
  t.regex(whatIsWrong('countersign_http_requests_total{outcome="fail"}', requests).join(), /no value fail/);
  t.deepEqual(whatIsWrong('countersign_http_requests_total{outcome=~"failed|ok"}', requests), []);
});

test('every panel of the dashboard has a place of its own and says what it shows', async t => {
  const { panels } = await dashboard();
  t.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, type, description, gridPos } of panels) {
    if (type !== 'row') t.true((description ?? '').length > 10, title);
    t.true(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        t.false(taken.has(`${x},${y}`), `${title} lies over another`);
        taken.add(`${x},${y}`);
      }
    }
  }
});

/** The names of all metrics that are served, those without samples too. */
async function servedMetrics(url: string): Promise<ReadonlySet<string>> {
  const text = await (await fetch(url)).text();
  return new Set(['up', ...[...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)]);
}

const baseName = (metric: string): string => metric.replace(/_(?:bucket|sum|count)$/, '');

function whatIsWrong(expr: string, served: ReadonlySet<string>): string[] {
  // Grafana puts these in before Prometheus sees them.
  const query = expr.replaceAll('$__rate_interval', '5m');
  let isQuery = true;
  parser.parse(query).iterate({
    enter: node => {
      if (node.type.isError) isQuery = false;
    },
  });
  if (!isQuery) return [`${expr}: not PromQL`];
  return selectorsOf(query).flatMap(selector =>
    whatIsUnknown(selector, served).map(each => `${expr}: ${each}`),
  );
}

function whatIsUnknown({ metric, matchers, groupedBy }: Selector, served: ReadonlySet<string>): string[] {
  const known = CATALOGUE.find(({ name }) => name === baseName(metric));
  if (!served.has(metric) && !(known?.type === 'histogram' && served.has(known.name))) {
    return [`there is no metric ${metric}`];
  }
  const labels: Readonly<Record<string, string>> = known?.labels ?? {};
  const wanted = [...matchers.map(({ label }) => label), ...groupedBy];
  const unknown = wanted.filter(
    label =>
      !SCRAPED.has(label) &&
      !Object.hasOwn(labels, label) &&
      !(label === 'le' && known?.type === 'histogram'),
  );
  const values = matchers.flatMap(({ label, value }) =>
    (SCRAPED.has(label) ? [] : value.split('|'))
      .filter(each => !valuesOf(label, labels[label] ?? '').includes(each))
      .map(each => `${label} has no value ${each}`),
  );
  return [...unknown.map(label => `${metric} has no label ${label}`), ...values];
}

/** The values that a label may have: those that its description lists, or the types of events. */
function valuesOf(label: string, description: string): readonly string[] {
  return label === 'type' ? Object.keys(AUDIT_EVENTS) : description.split(/[\s,():]+/);
}

/** The metrics that an expression reads, with what it asks of their labels; `by` belongs to all metrics below it. */
function selectorsOf(expr: string): Selector[] {
  const query = expr.replaceAll('$__rate_interval', '5m');
  const selectors: Selector[] = [];
  const groupings: { readonly end: number; readonly labels: readonly string[] }[] = [];
  const textOf = ({ from, to }: { from: number; to: number }): string => query.slice(from, to);
  parser.parse(query).iterate({
    enter: ({ name, node }) => {
      if (name === 'AggregateExpr') {
        const grouping = node.getChild('AggregateModifier')?.getChild('GroupingLabels');
        groupings.push({ end: node.to, labels: grouping?.getChildren('LabelName').map(textOf) ?? [] });
      }
      if (name !== 'VectorSelector') return;
      const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
      selectors.push({
        metric: textOf(node.getChild('Identifier') ?? node),
        matchers: matchers.map(matcher => {
          const [label, value] = [matcher.getChild('LabelName'), matcher.getChild('StringLiteral')];
          return { label: label ? textOf(label) : '', value: value ? textOf(value).slice(1, -1) : '' };
        }),
        groupedBy: groupings.filter(({ end }) => end >= node.to).flatMap(({ labels }) => labels),
      });
    },
  });
  return selectors;
}
