/**
 * Requests that may be sent again (draft-ietf-httpapi-idempotency-key-header): a client gives a creation a key, and whatever
 * happens on the way, the same request with the same key makes one thing and gets one answer. The answer is kept in the commit
 * that makes the thing, so that neither exists without the other, and sealed, so that it may show a secret.
 */
export { type IdempotencyRefusal, idempotentRequest } from './idempotent-request.ts';
export { answerOnce, type IdempotencyDeps, type Keeping } from './keep-answers.ts';
export type { KeepAnswer, KeptAnswer, KeptAnswerStore } from './kept-answer.ts';
