/**
 * What the server tells of itself while it runs, for those who operate it: metrics and traces. What it did and why is in the
 * trail (`audit/`), which is never lost; this may be.
 *
 * Whoever does the work counts it, in plain numbers (`histogram.ts`, `request-meter.ts`, the `…-figures.ts`), which costs a request
 * some nanoseconds. `catalogue.ts` names each figure for Prometheus, once, for the page and for the port. `tracing.ts` makes spans
 * of requests, commits and what is fetched, where that is asked for and an SDK is registered.
 *
 * Not here: log lines, which are written where something happens. `metrics-endpoint.ts` is not among the exports, so that its
 * library is loaded only where it is used.
 */
export { CATALOGUE, type MetricSources } from './catalogue.ts';
export { ConnectionFigures } from './connection-figures.ts';
export { renderMetricsPage } from './describe-metrics.ts';
export { BATCH_BOUNDS, DURATION_BOUNDS_MS, Histogram } from './histogram.ts';
export { createLog } from './log.ts';
export { ENDPOINTS, RequestMeter } from './request-meter.ts';
export { CommitFigures, ReadFigures, type StoreFigures } from './store-figures.ts';
export { flushTraces, inSpan, startTracing, traceRequests } from './tracing.ts';
