/**
 * What the server tells of itself while it runs, for those who operate it: its log, its traces, and what figures are kept in. What
 * it did and why is in the trail (`audit/`), which is never lost; this may be.
 *
 * Whoever does the work counts it, in plain numbers (`histogram.ts`, `request-meter.ts`), which costs a request some nanoseconds.
 * `tracing.ts` makes spans of requests, commits and what is fetched, where that is asked for and an SDK is registered.
 *
 * Not here: how the figures are named and served (`metrics/`), and the log lines, which are written where something happens.
 */
export { ConnectionFigures } from './connection-figures.ts';
export { BATCH_BOUNDS, DURATION_BOUNDS_MS, Histogram } from './histogram.ts';
export { createLog } from './log.ts';
export { ENDPOINTS, OUTCOMES, RequestMeter } from './request-meter.ts';
export { flushTraces, inSpan, startTracing, traceRequests } from './tracing.ts';
