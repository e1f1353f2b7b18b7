import type { RequestListener } from 'node:http';
import { collectDefaultMetrics, type Metric as PromMetric, Registry } from 'prom-client';
import { CATALOGUE, type MetricSources } from './catalogue.ts';

/**
 * What answers on the port of metrics: `GET /metrics`, and nothing else. The figures are read when they are asked for.
 *
 * @param onError told why a scrape failed
 */
export function metricsEndpoint(sources: MetricSources, onError: (error: unknown) => void): RequestListener {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name, type, help, read } of CATALOGUE) {
    // prom-client's own counters would be paid for by each request. A registry asks a metric for no more than this.
    const metric = {
      name,
      get: async () => ({
        name,
        type,
        help,
        aggregator: 'sum',
        values: (await read(sources)).map(({ value, labels = {}, name: metricName = name }) => ({
          value,
          labels,
          metricName,
        })),
      }),
    };
    registry.registerMetric(metric as unknown as PromMetric);
  }
  return (request, response) => {
    const isHere = request.url?.split('?')[0] === '/metrics';
    if (!isHere || request.method !== 'GET') {
      const headers = { 'Content-Type': 'text/plain', ...(isHere && { Allow: 'GET' }) };
      response.writeHead(isHere ? 405 : 404, headers).end('Metrics are at /metrics, by GET.\n');
      return;
    }
    registry.metrics().then(
      text => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      error => {
        onError(error);
        response.writeHead(500).end();
      },
    );
  };
}
