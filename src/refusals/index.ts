/**
 * Error answers that can be found again. Each carries a reference, which says for whoever holds the key why it was given; with
 * the trail, that is all there is to know.
 *
 * Not here: what refusals look like (`http/`), and the reasons themselves, which belong to whoever refuses.
 */
export { type ErrorReason, ErrorReferences, referencedRequest } from './error-reference.ts';
export {
  type ExplainErrorDeps,
  type ExplainedError,
  type ExplainRefusal,
  explainError,
  type ReasonText,
} from './explain-error.ts';
export { refusalRoutes } from './routes.ts';
