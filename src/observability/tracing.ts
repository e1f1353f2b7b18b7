import type { Attributes, Span, SpanOptions, Tracer, TracerProvider } from '@opentelemetry/api';
import type { Context, Middleware } from 'koa';
import { type Deadline, systemDeadline } from '../clock.ts';
import type { RequestMeter } from './request-meter.ts';

/** What `@opentelemetry/api` gives. It is loaded only where traces are on. */
type Api = typeof import('@opentelemetry/api');

/**
 * Of the process, as the registered SDK is: a span that is under way is found by asynchronous context, not by a parameter that
 * every function would have to hand on. Undefined unless traces are on.
 */
let tracing: { readonly api: Api; readonly tracer: Tracer } | undefined;

const FLUSH_MS = 3_000;

/** Methods that become part of a span's name; a caller could make up any other. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Makes spans from now on, by the SDK that is registered in this process.
 *
 * @returns false when none is: then nobody would see them, and none are made
 */
export async function startTracing(version: string): Promise<boolean> {
  const api = await import('@opentelemetry/api');
  const tracer = api.trace.getTracer('countersign', version);
  // The interface alone gives spans that belong to no trace, and there is no other way to ask.
  const span = tracer.startSpan('start');
  const isRegistered = api.isSpanContextValid(span.spanContext());
  span.end();
  tracing = isRegistered ? { api, tracer } : undefined;
  return isRegistered;
}

/** What a provider of an SDK has, and the interface does not tell of. */
interface Flushable {
  readonly getDelegate?: () => TracerProvider & Flushable;
  readonly forceFlush?: () => Promise<void>;
}

/** Hands over the spans that the SDK still holds, as the process is about to end. Without traces there are none. */
export async function flushTraces(deadline: Deadline = systemDeadline): Promise<void> {
  if (!tracing) return;
  const provider: TracerProvider & Flushable = tracing.api.trace.getTracerProvider();
  const registered = provider.getDelegate?.() ?? provider;
  const flushed = registered.forceFlush?.();
  // Whoever receives them may be gone, and spans are not worth waiting for it.
  const gone = Promise.withResolvers<void>();
  deadline(FLUSH_MS).addEventListener('abort', () => gone.resolve(), { once: true });
  await Promise.race([flushed?.catch(() => undefined), gone.promise]);
}

/**
 * Does some work in a span of its own, a child of the one under way. Without traces it only does the work.
 *
 * Attributes are words and numbers of ours: never what a caller sent, since a span leaves the machine.
 *
 * @param describe what is known of the work once it is done
 */
export function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: () => Promise<T>,
  describe?: (result: T) => Attributes,
): Promise<T> {
  if (!tracing) return work();
  const { api, tracer } = tracing;
  return tracer.startActiveSpan(name, options, async span => {
    try {
      const result = await work();
      if (describe) span.setAttributes(describe(result));
      return result;
    } catch (error) {
      markFailed(api, span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/**
 * The span of a request, around everything that is done for it. It continues the caller's trace where the caller names one (W3C
 * Trace Context), and is found in the trail by the request's number. Path, query, headers and address stay out: what a caller
 * sends may be a secret.
 *
 * @returns undefined without traces, so that a request costs nothing more
 */
export function traceRequests(meter: RequestMeter): Middleware | undefined {
  if (!tracing) return undefined;
  const { api, tracer } = tracing;
  return (ctx, next) => {
    const method = METHODS.has(ctx.method) ? ctx.method : '_OTHER';
    const endpoint = meter.endpointOf(ctx.path);
    const options: SpanOptions = {
      kind: api.SpanKind.SERVER,
      attributes: { 'http.request.method': method, 'http.route': endpoint },
    };
    const caller = api.propagation.extract(api.context.active(), ctx.req.headers);
    return tracer.startActiveSpan(`${method} ${endpoint}`, options, caller, async span => {
      try {
        await next();
      } finally {
        describeAnswer(api, span, ctx);
        span.end();
      }
    });
  };
}

function describeAnswer(api: Api, span: Span, { res, state }: Context): void {
  span.setAttribute('http.response.status_code', res.statusCode);
  const origin: unknown = state['origin'];
  if (typeof origin === 'object' && origin && 'requestId' in origin) {
    span.setAttribute('countersign.request_id', String(origin.requestId));
  }
  const reference: unknown = state['errorReference'];
  if (typeof reference === 'string') span.setAttribute('countersign.error_ref', reference);
  if (res.statusCode < 500) return;
  span.setAttribute('error.type', String(res.statusCode));
  span.setStatus({ code: api.SpanStatusCode.ERROR });
}

/** The kind of error alone: its message may speak of what was sent. */
function markFailed(api: Api, span: Span, error: unknown): void {
  const kind = error instanceof Error ? error.name : typeof error;
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  span.setAttribute('error.type', typeof reason === 'string' ? reason : kind);
  span.setStatus({ code: api.SpanStatusCode.ERROR });
}
