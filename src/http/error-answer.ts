import { type RefusalDetail, Refused, StoreUnavailable } from '../errors.ts';
import { shown } from '../input/index.ts';
import type { LimitRefusal } from '../limits/index.ts';
import type { ErrorReason } from '../refusals/index.ts';

/** An error as it goes out. */
export interface ErrorAnswer<Reason extends ErrorReason> {
  /** For the reference: who refuses, and why. */
  readonly reason: Reason;
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
  /** For `WWW-Authenticate`. */
  readonly challenge?: string;
}

/** What can go wrong anywhere. */
export type AnyEndpointRefusal = LimitRefusal | 'store-unavailable' | 'internal-error';

/** The reason of whatever was thrown, as one that a table has words for; the rest is a defect of ours, and says nothing. */
export function reasonOf<Reason extends string>(
  error: unknown,
  isKnown: (reason: string) => reason is Reason,
): Reason | AnyEndpointRefusal {
  if (error instanceof StoreUnavailable) return 'store-unavailable';
  if (error instanceof Refused && isKnown(error.reason)) return error.reason;
  return 'internal-error';
}

/** What may be told of a refusal besides its reason: callers put secrets into wrong places, and answers are logged and read in terminals (I11, I17). */
export function detailOf(error: unknown): RefusalDetail {
  if (!(error instanceof Refused)) return {};
  const { parameter, sent } = error.detail;
  return {
    ...error.detail,
    ...(parameter !== undefined && { parameter: shown(parameter) }),
    ...(sent !== undefined && { sent: shown(sent) }),
  };
}
