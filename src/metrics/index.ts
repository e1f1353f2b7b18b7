/**
 * What the server counts, as Prometheus reads it, on a port of its own: `catalogue.ts` names each figure once, for the page and for
 * the port.
 *
 * Not here: the counting, which whoever does the work does (`observability/`, the `…-figures.ts` of each folder).
 * `metrics-endpoint.ts` is not among the exports, so that its library is loaded only where it is used.
 */
export { CATALOGUE, type MetricSources } from './catalogue.ts';
export { renderMetricsPage } from './describe-metrics.ts';
