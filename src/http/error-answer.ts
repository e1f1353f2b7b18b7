import { Refused, StoreUnavailable } from '../errors.ts';

/** An error as it goes out. */
export interface ErrorAnswer {
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
  /** For `WWW-Authenticate`. */
  readonly challenge?: string;
}

/** What can go wrong anywhere. */
export type AnyEndpointRefusal = 'store-unavailable' | 'internal-error';

/** The reason of whatever was thrown, as one that a table has words for; the rest is a defect of ours, and says nothing. */
export function reasonOf<Reason extends string>(
  error: unknown,
  isKnown: (reason: string) => reason is Reason,
): Reason | AnyEndpointRefusal {
  if (error instanceof StoreUnavailable) return 'store-unavailable';
  if (error instanceof Refused && isKnown(error.reason)) return error.reason;
  return 'internal-error';
}
