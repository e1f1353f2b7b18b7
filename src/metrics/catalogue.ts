import type { CheckpointFigures, DeliveryFigures } from '../audit/index.ts';
import type { Egress } from '../egress/index.ts';
import type { Limits } from '../limits/index.ts';
import {
  type ConnectionFigures,
  ENDPOINTS,
  type Histogram,
  OUTCOMES,
  type RequestMeter,
} from '../observability/index.ts';
import type { StoreFigures } from '../store/store.ts';
import type { IntrospectionFigures } from '../tokens/index.ts';

/** Where the figures are. What is undefined is not in use, and its metrics have no samples. */
export interface MetricSources {
  readonly version: string;
  readonly requests: RequestMeter;
  readonly connections: ConnectionFigures;
  readonly store: StoreFigures;
  readonly introspections: IntrospectionFigures;
  readonly limits: Pick<Limits, 'refused' | 'held'>;
  readonly egress: Pick<Egress, 'figures'>;
  readonly checkpoints: CheckpointFigures | undefined;
  readonly checkpointDelivery: DeliveryFigures | undefined;
  /** Milliseconds since the epoch: when the certificate of the server ends. */
  readonly certificateEndsAt: () => number | undefined;
  /** Failed runs of the work in the background, by what it is. */
  readonly backgroundFailures: ReadonlyMap<string, number>;
  /** What `/readyz` would say. */
  readonly readiness: () => Promise<ReadonlyMap<string, 'ok' | 'degraded' | 'failed'>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** The name of a part of a histogram. */
  readonly name?: string;
}

export interface Metric {
  readonly name: `countersign_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence: what it says, and its unit. */
  readonly help: string;
  /** Each with the closed set that its values are of: nothing from outside ever becomes one. */
  readonly labels?: Readonly<Record<string, string>>;
  read(sources: MetricSources): readonly Sample[] | Promise<readonly Sample[]>;
}

const ENDPOINT_VALUES = ENDPOINTS.join(', ');

/**
 * Every metric of our own. Names follow Prometheus: base units, `_total` for counters. The page (`docs/metrics.md`), the port and
 * the test that holds dashboard and alerts to them are made from this table.
 */
export const CATALOGUE: readonly Metric[] = [
  {
    name: 'countersign_build_info',
    type: 'gauge',
    help: 'Always 1; the version is in its label.',
    labels: { version: 'the version that runs' },
    read: ({ version }) => [{ value: 1, labels: { version } }],
  },
  {
    name: 'countersign_ready',
    type: 'gauge',
    help: 'Whether a check of /readyz passes: 1, or 0.',
    labels: { check: 'the checks that /readyz names' },
    read: async ({ readiness }) =>
      [...(await readiness())].map(([check, state]) => ({
        value: state === 'ok' ? 1 : 0,
        labels: { check },
      })),
  },

  {
    name: 'countersign_http_requests_total',
    type: 'counter',
    help: 'Requests that have been answered.',
    labels: { endpoint: ENDPOINT_VALUES, outcome: 'ok (below 400), refused (4xx), failed (5xx)' },
    read: ({ requests }) =>
      ENDPOINTS.flatMap((endpoint, row) =>
        OUTCOMES.map((outcome, column) => ({
          value: requests.counts[row * OUTCOMES.length + column] ?? 0,
          labels: { endpoint, outcome },
        })),
      ),
  },
  {
    name: 'countersign_http_request_duration_seconds',
    type: 'histogram',
    help: 'From the head of a request to its answer being ready, in seconds.',
    labels: { endpoint: ENDPOINT_VALUES },
    read: ({ requests }) =>
      ENDPOINTS.flatMap((endpoint, index) => {
        const durations = requests.durations[index];
        return durations
          ? inSeconds('countersign_http_request_duration_seconds', durations, { endpoint })
          : [];
      }),
  },
  {
    name: 'countersign_http_requests_in_progress',
    type: 'gauge',
    help: 'Requests that have no answer yet.',
    read: ({ requests }) => [{ value: requests.underWay }],
  },
  {
    name: 'countersign_http_connections_open',
    type: 'gauge',
    help: 'Open connections.',
    read: ({ connections }) => [{ value: connections.open }],
  },
  {
    name: 'countersign_http_connections_refused_total',
    type: 'counter',
    help: 'Connections that were closed at once: there were as many as COUNTERSIGN_MAX_CONNECTIONS permits.',
    read: ({ connections }) => [{ value: connections.refused }],
  },
  {
    name: 'countersign_http_malformed_total',
    type: 'counter',
    help: 'What was answered before it was a request: malformed, too slow, or with headers too large.',
    labels: { status: '400, 408, 413, 431' },
    read: ({ connections }) =>
      [...connections.malformed].map(([status, value]) => ({ value, labels: { status: String(status) } })),
  },
  {
    name: 'countersign_refusals_total',
    type: 'counter',
    help: 'Requests that were refused, by the exact reason, which the caller is not always told.',
    labels: {
      endpoint: ENDPOINT_VALUES,
      reason: 'who refuses and why, as in src/http/error-catalogue.ts',
    },
    read: ({ requests }) =>
      [...requests.refusals.values()].map(({ endpoint, reason, count }) => ({
        value: count,
        labels: { endpoint, reason },
      })),
  },

  {
    name: 'countersign_tokens_issued_total',
    type: 'counter',
    help: 'Tokens that were issued.',
    read: ({ store }) => [{ value: store.commits.events.get('token.issued') ?? 0 }],
  },
  {
    name: 'countersign_tokens_revoked_total',
    type: 'counter',
    help: 'Tokens that were revoked one by one; what dies by a kill is not counted.',
    read: ({ store }) => [{ value: store.commits.events.get('token.revoked') ?? 0 }],
  },
  {
    name: 'countersign_introspections_total',
    type: 'counter',
    help: 'Introspections that were answered.',
    labels: {
      outcome:
        'active, inactive (dead or unknown), foreign (alive, but asked about by another than its audience)',
    },
    read: ({ introspections: { active, inactive, foreign } }) => [
      { value: active, labels: { outcome: 'active' } },
      { value: inactive, labels: { outcome: 'inactive' } },
      { value: foreign, labels: { outcome: 'foreign' } },
    ],
  },
  {
    name: 'countersign_limited_total',
    type: 'counter',
    help: 'Requests that were answered 429.',
    labels: {
      limit:
        'address-rate, client-rate, registration-rate, unknown-tokens, address-failures, client-failures',
    },
    read: ({ limits }) => [...limits.refused].map(([limit, value]) => ({ value, labels: { limit } })),
  },
  {
    name: 'countersign_limiter_callers',
    type: 'gauge',
    help: 'Addresses and clients that a limit remembers; bounded, the least recent are forgotten first.',
    labels: { limit: 'address-rate, client-rate, unknown-tokens, failures' },
    read: ({ limits }) => [...limits.held()].map(([limit, value]) => ({ value, labels: { limit } })),
  },

  {
    name: 'countersign_audit_events_total',
    type: 'counter',
    help: 'Rows of the audit trail that are durable; what was counted together counts as many times.',
    labels: { type: 'the types in docs/audit.md' },
    read: ({ store }) => [...store.commits.events].map(([type, value]) => ({ value, labels: { type } })),
  },
  {
    name: 'countersign_audit_unexported_seconds',
    type: 'gauge',
    help: 'How long ago everything recorded was last in an exported checkpoint, in seconds; without checkpoints there is no sample.',
    read: ({ checkpoints, now }) =>
      checkpoints ? [{ value: Math.max(0, now() - checkpoints.coveredUntil) / 1_000 }] : [],
  },
  {
    name: 'countersign_audit_checkpoints_total',
    type: 'counter',
    help: 'Checkpoints of the trail that were written or that failed.',
    labels: { outcome: 'written, failed' },
    read: ({ checkpoints }) =>
      checkpoints
        ? [
            { value: checkpoints.written, labels: { outcome: 'written' } },
            { value: checkpoints.failed, labels: { outcome: 'failed' } },
          ]
        : [],
  },
  {
    name: 'countersign_audit_undelivered_seconds',
    type: 'gauge',
    help: 'For how long checkpoints have been waiting to be acknowledged by their receiver, in seconds; without a receiver there is no sample.',
    read: ({ checkpointDelivery, now }) =>
      checkpointDelivery
        ? [{ value: Math.max(0, now() - (checkpointDelivery.waitingSince ?? now())) / 1_000 }]
        : [],
  },
  {
    name: 'countersign_audit_deliveries_total',
    type: 'counter',
    help: 'Checkpoints that their receiver acknowledged, and attempts to deliver one that failed.',
    labels: { outcome: 'delivered, failed' },
    read: ({ checkpointDelivery }) =>
      checkpointDelivery
        ? [
            { value: checkpointDelivery.delivered, labels: { outcome: 'delivered' } },
            { value: checkpointDelivery.failed, labels: { outcome: 'failed' } },
          ]
        : [],
  },

  {
    name: 'countersign_commit_duration_seconds',
    type: 'histogram',
    help: 'From the begin of a batch of commits to its being durable, in seconds.',
    read: ({ store }) => inSeconds('countersign_commit_duration_seconds', store.commits.durations),
  },
  {
    name: 'countersign_commit_batch_units',
    type: 'histogram',
    help: 'Units of commit in a batch: requests that share one fsync or one majority write.',
    read: ({ store }) => parts('countersign_commit_batch_units', store.commits.batchUnits, 1, {}),
  },
  {
    name: 'countersign_commit_failed_batches_total',
    type: 'counter',
    help: 'Batches that failed, each with all of its units: the store could not write.',
    read: ({ store }) => [{ value: store.commits.failedBatches }],
  },
  {
    name: 'countersign_commit_conflicts_total',
    type: 'counter',
    help: 'Units that gave way to what is stored already.',
    labels: { conflict: 'already-used, already-exists, version-changed, authority-ended' },
    read: ({ store }) =>
      [...store.commits.conflicts].map(([conflict, value]) => ({ value, labels: { conflict } })),
  },
  {
    name: 'countersign_commit_queue_units',
    type: 'gauge',
    help: 'Units that wait for the batch under way to end.',
    read: ({ store }) => [{ value: store.commits.waiting }],
  },
  {
    name: 'countersign_commit_oldest_wait_seconds',
    type: 'gauge',
    help: 'How long the batch under way has taken so far, in seconds: the age of the oldest change that is not durable.',
    read: ({ store }) => [{ value: store.commits.oldestWaitMs() / 1_000 }],
  },
  {
    name: 'countersign_store_reads_total',
    type: 'counter',
    help: 'Lookups in the store; what is found in memory is not among them.',
    read: ({ store }) => [{ value: store.reads.lookups }],
  },
  {
    name: 'countersign_store_read_failures_total',
    type: 'counter',
    help: 'Lookups that failed: each is a request that was answered 503.',
    read: ({ store }) => [{ value: store.reads.failed }],
  },
  {
    name: 'countersign_store_read_duration_seconds',
    type: 'histogram',
    help: 'How long reading took, in seconds: with SQLite all lookups of one turn of the event loop, with MongoDB each.',
    read: ({ store }) => inSeconds('countersign_store_read_duration_seconds', store.reads.durations),
  },
  {
    name: 'countersign_epochs_held',
    type: 'gauge',
    help: 'Raised epochs in memory: what was cut off, as long as anything could live that carries an older one.',
    read: ({ store }) => [{ value: store.epochsHeld() }],
  },
  {
    name: 'countersign_feed_age_seconds',
    type: 'gauge',
    help: 'How long ago it was last certain that every cutoff is known here, in seconds; beyond 1 everything is refused. Always 0 with SQLite.',
    read: ({ store }) => [{ value: store.feedAgeMs() / 1_000 }],
  },

  {
    name: 'countersign_egress_connections_open',
    type: 'gauge',
    help: 'Connections to the outside.',
    read: ({ egress }) => [{ value: egress.figures.open }],
  },
  {
    name: 'countersign_egress_connections_waiting',
    type: 'gauge',
    help: 'Requests that wait for a connection to the outside.',
    read: ({ egress }) => [{ value: egress.figures.waiting }],
  },
  {
    name: 'countersign_background_failures_total',
    type: 'counter',
    help: 'Runs of work in the background that failed; each is in the log too.',
    labels: { work: 'high-water-mark, refusals, elevations, signing-keys, sweep, certificate' },
    read: ({ backgroundFailures }) =>
      [...backgroundFailures].map(([work, value]) => ({ value, labels: { work } })),
  },
  {
    name: 'countersign_tls_certificate_end_timestamp_seconds',
    type: 'gauge',
    help: 'When the certificate of the server ends, in seconds since the epoch; without TLS of its own there is no sample.',
    read: ({ certificateEndsAt }) => {
      const end = certificateEndsAt();
      return end === undefined ? [] : [{ value: end / 1_000 }];
    },
  },
  {
    name: 'countersign_event_loop_utilization',
    type: 'gauge',
    help: 'The share of time, since the last scrape, in which the event loop was busy: from 0 to 1.',
    read: ({ connections }) => [{ value: utilizationSince(connections) }],
  },
];

/** A scrape asks for the time since the last one; the key stands for the server that is asked. */
const lastUtilization = new WeakMap<object, ReturnType<typeof performance.eventLoopUtilization>>();

function utilizationSince(server: object): number {
  const now = performance.eventLoopUtilization();
  const before = lastUtilization.get(server);
  lastUtilization.set(server, now);
  return before ? performance.eventLoopUtilization(now, before).utilization : now.utilization;
}

function inSeconds(
  name: string,
  histogram: Histogram,
  labels: Readonly<Record<string, string>> = {},
): readonly Sample[] {
  return parts(name, histogram, 1_000, labels);
}

/** A histogram as Prometheus wants it: each bucket holds all that is at most its bound. */
function parts(
  name: string,
  { bounds, counts, sum }: Histogram,
  divisor: number,
  labels: Readonly<Record<string, string>>,
): readonly Sample[] {
  const samples: Sample[] = [];
  let total = 0;
  for (const [index, count] of counts.entries()) {
    total += count;
    const bound = bounds[index];
    const le = bound === undefined ? '+Inf' : String(bound / divisor);
    samples.push({ name: `${name}_bucket`, value: total, labels: { ...labels, le } });
  }
  samples.push({ name: `${name}_sum`, value: sum / divisor, labels });
  samples.push({ name: `${name}_count`, value: total, labels });
  return samples;
}
