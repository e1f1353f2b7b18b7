import type { JWK } from 'jose';
import { eventOrigin, type Origin, type RefusalCounter } from '../audit/index.ts';
import type { Egress } from '../egress/index.ts';
import { Refused } from '../errors.ts';
import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';
import type { Client, ClientCredential } from './client.ts';
import { parseKeySet } from './parse-key-set.ts';

export interface PublishedKeysDeps {
  readonly egress: Pick<Egress, 'fetchDocument'>;
  /** Takes the record of a failure; alike ones are counted. */
  readonly refusals: Pick<RefusalCounter, 'note'>;
}

interface Entry {
  keys?: readonly JWK[];
  /** Fetched again ahead of time from here on, so that nobody waits. */
  refreshFrom: number;
  freshUntil: number;
  lastAttemptAt: number;
  /** The last attempt brought nothing. */
  isFailing: boolean;
  fetching?: Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** However often somebody asks, and whatever for. */
const LEAST_MS_BETWEEN_FETCHES = MINUTE_MS;
const LEAST_FRESH_MS = 5 * MINUTE_MS;
const MOST_FRESH_MS = 24 * HOUR_MS;
/** Long enough to outlive most outages; no longer, as whoever stole a key could keep its host silent. */
const STALE_MS = HOUR_MS;
const REFRESH_AHEAD = 0.8;
const MAX_DOCUMENT_BYTES = 65_536;
const MAX_ENTRIES = 10_000;
const MEDIA_TYPES = ['application/jwk-set+json', 'application/json'];

/**
 * The keys that clients publish at their `jwks_uri`, in memory.
 *
 * They are fresh for as long as the host says (`Cache-Control: max-age`), 5 minutes at least and 24 hours at most. A host is
 * asked at most once a minute, by one request at a time, ahead of the end for clients that are busy. When it gives no answer,
 * keys are good for one more hour. What a host does concerns its own clients only: everybody else's keys are in hand.
 */
export class PublishedKeys {
  readonly #egress: PublishedKeysDeps['egress'];
  readonly #refusals: PublishedKeysDeps['refusals'];
  readonly #entries: RecentlyUsed<Entry> = newRecentlyUsed(MAX_ENTRIES);

  constructor(deps: PublishedKeysDeps) {
    this.#egress = deps.egress;
    this.#refusals = deps.refusals;
  }

  /**
   * The keys of a client without waiting for anything; the same objects each time, so that prepared keys are found again.
   *
   * @returns undefined where they have to be fetched first
   */
  inHand(credential: KeyCredential, client: Client, origin: Origin): readonly JWK[] | undefined {
    if ('keys' in credential) return credential.keys;
    const entry = this.#entries.get(credential.jwksUri);
    if (!entry?.keys) return undefined;
    const { now } = origin;
    if (now < entry.refreshFrom) return entry.keys;
    if (now < entry.freshUntil || (entry.isFailing && now < entry.freshUntil + STALE_MS)) {
      void this.#fetchAgain(credential.jwksUri, client, origin);
      return entry.keys;
    }
    return undefined;
  }

  /**
   * Asks the host again, unless that was done within the last minute, or joins who is asking.
   *
   * @returns the keys there are then; none where there are none that may still be used
   */
  async renewed(jwksUri: string, client: Client, origin: Origin): Promise<readonly JWK[]> {
    await this.#fetchAgain(jwksUri, client, origin);
    const entry = this.#entries.get(jwksUri);
    return entry?.keys && origin.now < entry.freshUntil + STALE_MS ? entry.keys : [];
  }

  /** The keys of a client, in hand or after a fetch. None for a client without keys. */
  async keysOf(client: Client, origin: Origin): Promise<readonly JWK[]> {
    const { credential } = client;
    if (credential.method !== 'private_key_jwt') return [];
    const inHand = this.inHand(credential, client, origin);
    return inHand ?? ('jwksUri' in credential ? this.renewed(credential.jwksUri, client, origin) : []);
  }

  async #fetchAgain(jwksUri: string, client: Client, origin: Origin): Promise<void> {
    let entry = this.#entries.get(jwksUri);
    if (entry?.fetching) return entry.fetching;
    if (entry && origin.now - entry.lastAttemptAt < LEAST_MS_BETWEEN_FETCHES) return;
    entry ??= { refreshFrom: 0, freshUntil: 0, lastAttemptAt: 0, isFailing: false };
    this.#entries.set(jwksUri, entry);
    entry.lastAttemptAt = origin.now;
    entry.fetching = this.#fetch(jwksUri, entry, client, origin).finally(() => {
      delete entry.fetching;
    });
    return entry.fetching;
  }

  /** Never rejects: what went wrong is in the trail. */
  async #fetch(jwksUri: string, entry: Entry, client: Client, origin: Origin): Promise<void> {
    let problem: string | undefined;
    try {
      const { body, cacheControl } = await this.#egress.fetchDocument(jwksUri, {
        mediaTypes: MEDIA_TYPES,
        maxBytes: MAX_DOCUMENT_BYTES,
      });
      const parsed = parseKeySet(body);
      problem = parsed.problem;
      if (parsed.keys) {
        const freshMs = freshness(cacheControl);
        entry.keys = parsed.keys;
        entry.freshUntil = origin.now + freshMs;
        entry.refreshFrom = origin.now + freshMs * REFRESH_AHEAD;
      }
      entry.isFailing = parsed.keys === undefined;
    } catch (error) {
      problem = error instanceof Refused ? error.reason : 'unexpected-error';
      entry.isFailing = true;
    }
    if (problem === undefined) return;
    await this.#refusals
      .note(
        {
          type: 'client.keys-refused',
          outcome: 'refused',
          reason: problem,
          ...eventOrigin(origin),
          client: client.clientId,
          detail: { jwksUri },
        },
        /^(agt|res)_/.test(client.clientId) ? 'registered' : 'stranger',
      )
      // The authentication that this is for is recorded or refused by itself.
      .catch(() => undefined);
  }
}

type KeyCredential = Extract<ClientCredential, { method: 'private_key_jwt' }>;

/** How long a document may be kept (RFC 9111 section 5.2.2.1), within our bounds, in milliseconds. */
function freshness(cacheControl: string | undefined): number {
  const seconds = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})/i.exec(cacheControl ?? '')?.[1];
  return Math.min(MOST_FRESH_MS, Math.max(LEAST_FRESH_MS, Number(seconds ?? 0) * 1_000));
}
