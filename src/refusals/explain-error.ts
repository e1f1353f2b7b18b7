import type { AuditEvent, AuditStore } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { type ErrorReason, type ErrorReferences, referencedRequest } from './error-reference.ts';

export type ExplainRefusal = 'reference-unknown';

/** What is known of a reason, in words. */
export interface ReasonText {
  readonly status: number;
  /** What the caller was told it is: `error`, or the last part of `type`. Also the anchor on the page about errors. */
  readonly name: string;
  /** What the caller was told has happened. */
  readonly meaning: string;
  /** What to do. */
  readonly fix: string;
  /** What it was exactly, where several reasons look alike to the caller. */
  readonly exactly?: string;
}

export interface ExplainErrorDeps {
  readonly references: ErrorReferences;
  readonly audit: Pick<AuditStore, 'findRefusals'>;
  readonly catalogue: ReadonlyMap<ErrorReason, ReasonText>;
  /** The page about errors. */
  readonly docsUrl: string;
}

export interface ExplainedError {
  readonly requestId: string;
  /** When the request came, in milliseconds since the epoch. */
  readonly at: number;
  /** Absent for a request's identifier, which does not tell, and for a reason of another version. */
  readonly answer?: ReasonText & { readonly reason: ErrorReason; readonly page: string };
  readonly claimedClient?: string;
  /** What the trail has of the request. Refusals that anybody can cause are counted there, so it may have nothing. */
  readonly events: readonly AuditEvent[];
}

const REQUEST = /^req_[0-9a-f]{32}$/;

/**
 * Finds the cause of an error answer by its reference, or by the identifier of its request, as logs have it.
 *
 * @throws {Refused<ExplainRefusal>}
 */
export async function explainError(deps: ExplainErrorDeps, reference: string): Promise<ExplainedError> {
  const opened = deps.references.open(reference);
  const requestId = opened?.requestId ?? (REQUEST.test(reference) ? reference : undefined);
  if (requestId === undefined) throw unknownReference(reference);
  const rows = await deps.audit.findRefusals(requestId);
  const text = opened?.reason && deps.catalogue.get(opened.reason);
  return {
    requestId,
    at: Number.parseInt(requestId.slice(4, 16), 16),
    ...(opened?.reason &&
      text && { answer: { reason: opened.reason, ...text, page: `${deps.docsUrl}#${text.name}` } }),
    ...(opened?.claimedClient !== undefined && { claimedClient: opened.claimedClient }),
    events: rows.map(row => (JSON.parse(row.body) as { readonly event: AuditEvent }).event),
  };
}

function unknownReference(reference: string): Refused<ExplainRefusal> {
  const requestId = referencedRequest(reference);
  return new Refused<ExplainRefusal>('reference-unknown', {
    parameter: 'reference',
    permitted: ['the Error-Ref of an answer of this deployment, or the identifier of a request'],
    ...(requestId !== undefined && {
      hint: `it was changed, belongs to another deployment, or was made with a key-encryption key that is not configured; the request may be ${requestId}`,
    }),
  });
}
