import { errors } from 'oidc-provider';

/** The store cannot answer: the engine's caller is told to try again (RFC 6749 section 4.1.2.1). */
export function cannotAnswer(cause: Error): errors.OIDCProviderError {
  const error = new errors.CustomOIDCProviderError(
    'temporarily_unavailable',
    'the server cannot answer safely at the moment: try again in a second',
  );
  error.status = 503;
  error.statusCode = 503;
  error.cause = cause;
  return error;
}

/** A client that could not prove itself: the same answer for every reason; the reason stays inside. */
export function clientNotProven(reason: string): errors.OIDCProviderError {
  return new errors.InvalidClientAuth(reason);
}

const recordedErrors = new WeakSet<object>();

/** Marks a refusal as one that is in the trail already. */
export function recorded<E>(error: E): E {
  if (typeof error === 'object' && error !== null) recordedErrors.add(error);
  return error;
}

export function isRecorded(error: object): boolean {
  return recordedErrors.has(error);
}
