import { DURATION_BOUNDS_MS, Histogram } from './histogram.ts';

/** What requests are counted by: one word for a group of paths, so that no caller can make up another. */
export const ENDPOINTS = [
  'token',
  'introspect',
  'revoke',
  'par',
  'authorize',
  'jwks',
  'metadata',
  'admin',
  'docs',
  'page',
  'probe',
  'other',
] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** `ok` is any status below 400, `refused` the caller's fault (4xx), `failed` ours (5xx). */
export const OUTCOMES = ['ok', 'refused', 'failed'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/**
 * Counts requests by endpoint and outcome, and how long they took: rate, errors, duration. It keeps numbers only, in memory that
 * is allotted at the start.
 */
export class RequestMeter {
  /** By endpoint, then by outcome, in the order of the two lists. */
  readonly counts = new Float64Array(ENDPOINTS.length * OUTCOMES.length);
  /** Milliseconds from the first line of a request to its answer being ready, by endpoint. */
  readonly durations: readonly Histogram[] = ENDPOINTS.map(() => new Histogram(DURATION_BOUNDS_MS));
  /** Refusals by endpoint and reason. Both are closed sets: see `countRefusal`. */
  readonly refusals = new Map<
    string,
    { readonly endpoint: Endpoint; readonly reason: string; count: number }
  >();
  underWay = 0;
  readonly #byPath: ReadonlyMap<string, number>;
  readonly #byPrefix: readonly (readonly [prefix: string, endpoint: number])[];

  /** @param issuerPath the issuer's path, without a slash at the end */
  constructor(issuerPath: string) {
    const at = (endpoint: Endpoint): number => ENDPOINTS.indexOf(endpoint);
    this.#byPath = new Map([
      ...(['token', 'introspect', 'revoke', 'par', 'authorize', 'jwks', 'docs'] as const).map(
        endpoint => [`${issuerPath}/${endpoint}`, at(endpoint)] as const,
      ),
      ['/livez', at('probe')],
      ['/readyz', at('probe')],
      ['/version', at('probe')],
      ['/openapi.json', at('docs')],
      [`${issuerPath}/api`, at('admin')],
      ...['sign-in', 'sign-out', 'signed-out', 'step-up', 'enrol', 'me'].map(
        page => [`${issuerPath}/${page}`, at('page')] as const,
      ),
    ]);
    this.#byPrefix = [
      [`${issuerPath}/api/`, at('admin')],
      [`${issuerPath}/docs/`, at('docs')],
      [`${issuerPath}/authorize/`, at('authorize')],
      [`${issuerPath}/interaction/`, at('authorize')],
      ...['sign-in', 'step-up', 'enrol', 'me', 'assets'].map(
        page => [`${issuerPath}/${page}/`, at('page')] as const,
      ),
      ['/.well-known/', at('metadata')],
      [`${issuerPath}/.well-known/`, at('metadata')],
    ];
  }

  /** Counts a request that has its answer. */
  count(path: string, status: number, durationMs: number): void {
    const endpoint = this.#endpointAt(path);
    const index = endpoint * OUTCOMES.length + (status < 400 ? 0 : status < 500 ? 1 : 2);
    this.counts[index] = (this.counts[index] as number) + 1;
    (this.durations[endpoint] as Histogram).observe(durationMs);
  }

  /** @param reason out of the tables that answer: nothing from outside */
  countRefusal(path: string, reason: string): void {
    const endpoint = this.endpointOf(path);
    const key = `${endpoint} ${reason}`;
    const known = this.refusals.get(key);
    if (known) known.count += 1;
    else this.refusals.set(key, { endpoint, reason, count: 1 });
  }

  endpointOf(path: string): Endpoint {
    return ENDPOINTS[this.#endpointAt(path)] ?? 'other';
  }

  #endpointAt(path: string): number {
    const exact = this.#byPath.get(path);
    if (exact !== undefined) return exact;
    for (const [prefix, endpoint] of this.#byPrefix) if (path.startsWith(prefix)) return endpoint;
    return ENDPOINTS.length - 1;
  }
}
