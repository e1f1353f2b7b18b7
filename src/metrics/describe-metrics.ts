import { CATALOGUE } from './catalogue.ts';

/** docs/metrics.md: every metric by name, made from the catalogue that the port serves. */
export function renderMetricsPage(): string {
  const rows = CATALOGUE.map(({ name, type, help, labels = {} }) => {
    const named = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${values}`);
    return `| \`${name}\` | ${type} | ${help} | ${named.join('; ')} |`;
  });
  return `# Metrics

With \`COUNTERSIGN_METRICS_PORT\`, \`GET /metrics\` answers there in the text format of Prometheus. It is a port of its own, by default on the loopback address only: who may read it is decided by
who can reach it, not by a token.

Every label comes from a closed set. No identifier of an agent, person, token or address is in any of them: those are in the audit trail. All counts begin at 0 when the process starts.

| name | type | what it says | labels |
|---|---|---|---|
${rows.join('\n')}

Besides these, the process and its runtime are described by the \`process_…\` and \`nodejs_…\` metrics of [prom-client](https://github.com/siimon/prom-client): CPU, memory, open files, garbage
collection, and the delay of the event loop (\`nodejs_eventloop_lag_p99_seconds\`).

This page is made from \`src/metrics/catalogue.ts\` by \`npm run docs\`.
`;
}
