/**
 * The one way out (I13). Whatever the server fetches on somebody's word, a client's keys for one, and whatever it hands over, such
 * as checkpoints of its audit trail, goes through here:
 * https only, the address looked up, checked and pinned before the connection, no redirects, and caps on time, size and number.
 *
 * Not here: connections to the store, which the operator has configured.
 */
export type { Network } from './address-rule.ts';
export {
  Egress,
  type EgressOptions,
  type EgressRefusal,
  type FetchedDocument,
  type Post,
} from './egress.ts';
export { isPlainHttps } from './plain-https.ts';
export type { ResolveName } from './resolve-name.ts';
