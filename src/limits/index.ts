/**
 * Who has to wait before they ask again (I16): rates of requests, in memory of each process, and failed authentications, by
 * counters that all processes share. `limits.ts` has the rules and why they are these.
 *
 * Not here: caps on size and time of a single request (`http/listen.ts`, `http/form.ts`, `http/json.ts`).
 */
export type { AttemptAddition, AttemptStore } from './attempt-store.ts';
export { type LimitRefusal, Limits, type LimitsOptions, limitedAddress } from './limits.ts';
