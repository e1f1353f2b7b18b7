import ipaddr from 'ipaddr.js';
import { eventOrigin, type Origin, type RefusalCounter } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { AttemptStore } from './attempt-store.ts';
import { FailureCounter } from './failure-counter.ts';
import { RateLimit } from './rate-limit.ts';

/** Why a caller has to wait. */
export type LimitRefusal =
  | 'address-rate-exceeded'
  | 'client-rate-exceeded'
  | 'registration-rate-exceeded'
  | 'unknown-tokens-exceeded'
  | 'address-failures-exceeded'
  | 'client-failures-exceeded';

/**
 * Failed authentications in ten minutes before there is a limit. Many: an agent of many processes that was given a wrong secret
 * hears what is wrong from each of them, and many agents may share an address.
 */
const FREE_FAILURES = { client: 100, address: 1_000 };

/** Where callers on this machine fail from. */
const THIS_MACHINE = 'this machine';

export interface LimitsOptions {
  readonly attempts: AttemptStore;
  /** Requests of one address; 0 for no limit. */
  readonly addressRequestsPerSecond: number;
  /** Tokens that one client asks for; 0 for no limit. */
  readonly clientTokensPerSecond: number;
  /** Tokens that one client asks about, or gives up, and that are not live for it; 0 for no limit. */
  readonly unknownTokensPerSecond: number;
  /** Takes the record of a refusal; alike ones are counted, so that nobody can fill the disk. */
  readonly refusals: Pick<RefusalCounter, 'note'>;
  readonly onError: (error: unknown) => void;
}

/** Of all strangers together: an honest client registers itself once, and what it says again is not counted. */
const REGISTRATIONS_PER_SECOND = 2;

/**
 * Who has to wait before they ask again. Four rules, none of which lets one caller be locked out by another:
 *
 * - Requests of an address, at arrival, before anything is read. Addresses of one IPv6 network (/64) count as one.
 * - Tokens that a client asks for, after it has proved that it is that client.
 * - Failed authentications, by the client that was claimed and by the address. They are counted after the proof was looked at, and
 *   a right one is never refused for the wrong ones before it: otherwise whoever knows an agent's identifier could stop it. What
 *   has no limit is the number of guesses, then; every credential that is taken here has 256 random bits, or is a key. What has
 *   less (a one-time code) needs the opposite rule: `AttemptStore` counts before the code is looked at.
 * - Tokens that a client asks about, gives up or redeems, and that are not live for it. They too are counted once they were looked at, and
 *   one that is live for whoever asks is never refused: a resource server is sent what strangers make up. Unknown, dead and foreign
 *   ones are counted and refused alike (I15).
 *
 * Callers on this machine have no address of their own: whatever comes through a proxy here that is not listed, for one. So they
 * have no limit that refuses what is right; what fails counts as from one address.
 */
export class Limits {
  readonly refused = new Map<string, number>();
  readonly #addresses: RateLimit;
  readonly #clients: RateLimit;
  readonly #unknownTokens: RateLimit;
  readonly #registrations = new RateLimit(REGISTRATIONS_PER_SECOND, 1);
  readonly #failures: FailureCounter;
  readonly #refusals: LimitsOptions['refusals'];

  constructor(options: LimitsOptions) {
    this.#addresses = new RateLimit(options.addressRequestsPerSecond);
    this.#clients = new RateLimit(options.clientTokensPerSecond);
    this.#unknownTokens = new RateLimit(options.unknownTokensPerSecond);
    this.#failures = new FailureCounter(options.attempts, options.onError);
    this.#refusals = options.refusals;
  }

  /** @returns nothing, at once, where the request may go on; otherwise a promise of its refusal */
  takeRequest(origin: Origin): Promise<never> | undefined {
    const address = limitedAddress(origin.address);
    if (address === undefined) return undefined;
    const seconds = this.#addresses.take(address, origin.now);
    return seconds === 0 ? undefined : this.#refuse('address-rate-exceeded', seconds, origin);
  }

  /**
   * @param clientId of a client that has been authenticated
   * @returns nothing, at once, where the request may go on; otherwise a promise of its refusal
   */
  takeToken(clientId: string, origin: Origin): Promise<never> | undefined {
    if (limitedAddress(origin.address) === undefined) return undefined;
    const seconds = this.#clients.take(clientId, origin.now);
    return seconds === 0 ? undefined : this.#refuse('client-rate-exceeded', seconds, origin, clientId);
  }

  /**
   * @returns nothing, at once, where one more application may register itself with this process; otherwise a promise of its refusal
   */
  takeRegistration(origin: Origin): Promise<never> | undefined {
    const seconds = this.#registrations.take('all', origin.now);
    return seconds === 0 ? undefined : this.#refuse('registration-rate-exceeded', seconds, origin);
  }

  /**
   * Counts a token that is not live for whoever presents it.
   *
   * @param clientId of a client that has been authenticated, or is public
   * @returns nothing, at once, where it may be told so; otherwise a promise of its refusal
   */
  takeUnknownToken(clientId: string, origin: Origin): Promise<never> | undefined {
    const seconds = this.#unknownTokens.take(clientId, origin.now);
    return seconds === 0 ? undefined : this.#refuse('unknown-tokens-exceeded', seconds, origin, clientId);
  }

  /**
   * Counts a failed authentication. Known and unknown clients are counted alike (I15).
   *
   * @param clientId what the caller claimed to be; empty when it claimed nothing
   * @throws {Refused<LimitRefusal>} in the place of the refusal that was about to be given
   */
  async noteFailure(clientId: string, origin: Origin): Promise<void> {
    const failures = [
      { caller: `address ${limitedAddress(origin.address) ?? THIS_MACHINE}`, free: FREE_FAILURES.address },
      // No client of ours has so long a name: whatever was claimed, what is kept of it is short.
      ...(clientId === '' ? [] : [{ caller: `client ${clientId.slice(0, 64)}`, free: FREE_FAILURES.client }]),
    ];
    const [byAddress = 0, byClient = 0] = await this.#failures.note(failures, origin.now);
    const seconds = Math.max(byClient, byAddress);
    if (seconds === 0) return;
    const reason = byClient >= byAddress ? 'client-failures-exceeded' : 'address-failures-exceeded';
    // Who it claimed to be is in the record of the failure: nobody has proved it.
    await this.#refuse(reason, seconds, origin);
  }

  /** Callers that are remembered, by limit. */
  held(): ReadonlyMap<string, number> {
    return new Map([
      ['address-rate', this.#addresses.size],
      ['client-rate', this.#clients.size],
      ['unknown-tokens', this.#unknownTokens.size],
      ['failures', this.#failures.size],
    ]);
  }

  /** Tells the other processes what they do not know yet. Never rejected. */
  close(): Promise<void> {
    return this.#failures.close();
  }

  async #refuse(reason: LimitRefusal, seconds: number, origin: Origin, clientId = ''): Promise<never> {
    const limit = reason.replace(/-exceeded$/, '');
    this.refused.set(limit, (this.refused.get(limit) ?? 0) + 1);
    await this.#refusals.note(
      {
        type: 'request.limited',
        outcome: 'refused',
        reason,
        ...eventOrigin(origin),
        ...(clientId !== '' && { client: clientId }),
      },
      clientId === '' ? 'stranger' : 'registered',
    );
    throw new Refused<LimitRefusal>(reason, { retryAfterSeconds: seconds });
  }
}

/** What an address is limited by; undefined for this machine. */
export function limitedAddress(address: string | undefined): string | undefined {
  if (address === undefined || address === '::1' || address.startsWith('127.')) return undefined;
  return address.includes(':') ? ipv6Network(address) : address;
}

/** The first 64 bits: what one subscriber has, who can use any address in it (RFC 4291 section 2.5.4). */
function ipv6Network(address: string): string {
  if (!ipaddr.IPv6.isValid(address)) return address;
  return ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':');
}
