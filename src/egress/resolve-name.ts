import { lookup, Resolver } from 'node:dns/promises';

/** Finds the addresses of a name: all of them, in no order. Rejects, or answers none, where there are none. */
export type ResolveName = (name: string) => Promise<readonly string[]>;

const QUERY_TIMEOUT_MS = 1_500;
const QUERY_TRIES = 2;

/**
 * Asks name servers alone, with timeouts of its own. `getaddrinfo` would hold one of four threads for as long as a slow name
 * server likes, and anybody can run one: names that strangers choose are looked up here.
 */
export const resolveByDns: ResolveName = async name => {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap(answer => (answer.status === 'fulfilled' ? answer.value : []));
};

/** Looks a name up as the machine does, its hosts file included: for the names that the operator has allowed. */
export const resolveBySystem: ResolveName = async name => {
  const found = await lookup(name, { all: true, order: 'verbatim' });
  return found.map(({ address }) => address);
};
