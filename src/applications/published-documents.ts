import type { Egress } from '../egress/index.ts';
import { Refused } from '../errors.ts';
import { newRecentlyUsed, type RecentlyUsed } from '../recently-used.ts';
import { type DocumentProblem, type PublishedMetadata, readMetadataDocument } from './metadata-document.ts';

/** draft-ietf-oauth-client-id-metadata-document-02 section 6.6. */
const MAX_DOCUMENT_BYTES = 5_120;
const MEDIA_TYPES = ['application/json'];
const USUAL_FRESH_MS = 300_000;
const MOST_FRESH_MS = 86_400_000;
/** What was no document is asked for again as soon as this: nothing bad is kept, and nobody can have a host asked without end. */
const PAUSE_AFTER_FAILURE_MS = 1_000;
const MAX_ENTRIES = 1_000;

type Entry =
  | { readonly metadata: PublishedMetadata; readonly until: number }
  | { readonly problem: Refused; readonly until: number };

/**
 * Client ID Metadata Documents, fetched when a browser comes with one. A document is kept for as long as its host says, a day at most,
 * and for five minutes where it says nothing. One request at a time asks for the same one.
 */
export class PublishedDocuments {
  readonly #egress: Pick<Egress, 'fetchDocument'>;
  readonly #entries: RecentlyUsed<Entry> = newRecentlyUsed(MAX_ENTRIES);
  readonly #fetching = new Map<string, Promise<Entry>>();

  constructor(egress: Pick<Egress, 'fetchDocument'>) {
    this.#egress = egress;
  }

  /** @throws {Refused<EgressRefusal | DocumentProblem>} */
  async find(url: string, now: number): Promise<PublishedMetadata> {
    const known = this.#entries.get(url);
    const entry = known && now < known.until ? known : await this.#fetchOnce(url, now);
    if ('problem' in entry) throw entry.problem;
    return entry.metadata;
  }

  #fetchOnce(url: string, now: number): Promise<Entry> {
    const others = this.#fetching.get(url);
    if (others) return others;
    const fetching = this.#fetch(url, now).finally(() => this.#fetching.delete(url));
    this.#fetching.set(url, fetching);
    return fetching;
  }

  async #fetch(url: string, now: number): Promise<Entry> {
    const entry = await this.#read(url, now).catch((error: unknown): Entry => {
      if (!(error instanceof Refused)) throw error;
      return { problem: error, until: now + PAUSE_AFTER_FAILURE_MS };
    });
    this.#entries.set(url, entry);
    return entry;
  }

  async #read(url: string, now: number): Promise<Entry> {
    const { body, cacheControl } = await this.#egress.fetchDocument(url, {
      mediaTypes: MEDIA_TYPES,
      maxBytes: MAX_DOCUMENT_BYTES,
    });
    const metadata = readMetadataDocument(url, body);
    if (typeof metadata === 'string') throw new Refused<DocumentProblem>(metadata);
    return { metadata, until: now + freshMs(cacheControl) };
  }
}

/** RFC 9111 section 5.2.2, within our bounds. */
function freshMs(cacheControl = ''): number {
  if (/(?:^|,)\s*no-(?:store|cache)\s*(?:,|=|$)/i.test(cacheControl)) return 0;
  const seconds = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})/i.exec(cacheControl)?.[1];
  return seconds === undefined ? USUAL_FRESH_MS : Math.min(MOST_FRESH_MS, Number(seconds) * 1_000);
}
