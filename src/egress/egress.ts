import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { createSecureContext, getCACertificates } from 'node:tls';
import { type Deadline, systemDeadline } from '../clock.ts';
import { Refused } from '../errors.ts';
import { inSpan } from '../observability/index.ts';
import { familyOf, isAddressPermitted, type Network, NetworkList } from './address-rule.ts';
import { ConnectionSlots } from './connection-slots.ts';
import { isPlainHttps } from './plain-https.ts';
import { type ResolveName, resolveByDns, resolveBySystem } from './resolve-name.ts';

export type EgressRefusal =
  | 'egress-url-not-permitted'
  | 'egress-address-not-permitted'
  | 'egress-name-not-found'
  | 'egress-busy'
  | 'egress-timed-out'
  | 'egress-connection-failed'
  | 'egress-status-not-ok'
  | 'egress-content-type-wrong'
  | 'egress-document-too-large';

export interface EgressOptions {
  /** Names that may lead to internal addresses: exactly these, in lower case, and nothing below them. */
  readonly allowedHosts: readonly string[];
  /** Internal addresses that any name may lead to. */
  readonly allowedNetworks: readonly Network[];
  /** Certificates in PEM that are trusted besides those of the system. */
  readonly extraCa?: string | undefined;
  /** From the call to the last byte. */
  readonly timeoutMs?: number;
  /** Ends an exchange after that time; the system's where absent. */
  readonly deadline?: Deadline | undefined;
  /** Stand-ins for name servers, in tests. */
  readonly resolve?: { readonly byDns: ResolveName; readonly bySystem: ResolveName };
}

export interface DocumentRequest {
  /** The media types that are accepted, in lower case. */
  readonly mediaTypes: readonly string[];
  readonly maxBytes: number;
}

export interface FetchedDocument {
  readonly body: Buffer;
  /** The header, if there was one (RFC 9111 section 5.2). */
  readonly cacheControl: string | undefined;
}

export interface Post {
  readonly mediaType: string;
  readonly body: string;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 5_000;
const MAX_URL_CHARACTERS = 2_048;
const MAX_HEADER_BYTES = 16_384;
const LIMITS = { most: 32, mostPerHost: 4, mostWaiting: 1_000 };

/**
 * Opens connections to the outside (I13). There is no other place in the server that does, on anybody's word.
 *
 * A connection of its own for each document: the address is looked up, checked and pinned each time, and what a name meant a
 * minute ago is of no importance. Proxies of the environment are not used.
 */
export class Egress {
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #allowedNetworks: NetworkList;
  readonly #extraCa: string | undefined;
  #agent: Agent | undefined;
  readonly #timeoutMs: number;
  readonly #deadline: Deadline;
  readonly #resolve: NonNullable<EgressOptions['resolve']>;
  readonly #slots = new ConnectionSlots(LIMITS);

  constructor(options: EgressOptions) {
    this.#allowedHosts = new Set(options.allowedHosts);
    this.#allowedNetworks = new NetworkList(
      options.allowedNetworks.map(({ address, prefixLength }) => [address, prefixLength]),
    );
    this.#extraCa = options.extraCa;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#deadline = options.deadline ?? systemDeadline;
    this.#resolve = options.resolve ?? { byDns: resolveByDns, bySystem: resolveBySystem };
  }

  /** How many connections are open or being opened, and how many requests wait for one. */
  get figures(): { readonly open: number; readonly waiting: number } {
    return { open: this.#slots.running, waiting: this.#slots.waiting };
  }

  /**
   * Fetches a document with GET. Only a plain 200 is taken: a redirect is an answer like any other that is none.
   *
   * @throws {Refused<EgressRefusal>} within `timeoutMs`, whatever the other side does
   */
  fetchDocument(url: string, { mediaTypes, maxBytes }: DocumentRequest): Promise<FetchedDocument> {
    const headers = { Accept: mediaTypes.join(', '), 'Accept-Encoding': 'identity' };
    return inSpan('fetch', {}, () =>
      this.#exchange(url, { method: 'GET', headers }, response =>
        readDocument(response, mediaTypes, maxBytes),
      ),
    );
  }

  /**
   * Hands something over with POST. Any status of success means that it was taken; what else is answered is not looked at.
   *
   * @throws {Refused<EgressRefusal>} within `timeoutMs`, whatever the other side does
   */
  post(url: string, { mediaType, body, signal }: Post): Promise<void> {
    const headers = { 'Content-Type': mediaType, 'Content-Length': Buffer.byteLength(body) };
    return inSpan('post', {}, () =>
      this.#exchange(url, { method: 'POST', headers, body, signal }, assertTaken),
    );
  }

  async #exchange<T>(
    url: string,
    { signal, ...message }: Message & { readonly signal?: AbortSignal | undefined },
    read: (response: IncomingMessage) => T | Promise<T>,
  ): Promise<T> {
    const target = parseTarget(url);
    const timeout = this.#deadline(this.#timeoutMs);
    const deadline = signal ? AbortSignal.any([timeout, signal]) : timeout;
    try {
      const release = await this.#slots.take(target.host, deadline);
      if (!release) throw new Refused<EgressRefusal>('egress-busy');
      try {
        const addresses = await orAbort(this.#permittedAddresses(target), deadline);
        return await read(await this.#send(target, addresses, message, deadline));
      } finally {
        release();
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (deadline.aborted) throw new Refused<EgressRefusal>('egress-timed-out', {}, { cause: error });
      throw new Refused<EgressRefusal>('egress-connection-failed', { hint: codeOf(error) }, { cause: error });
    }
  }

  /** One address that is not permitted spoils them all: a name that is partly internal is somebody's trick. */
  async #permittedAddresses({ hostname }: URL): Promise<readonly string[]> {
    const isAllowedHost = this.#allowedHosts.has(hostname);
    const literal = hostname.replace(/^\[|\]$/g, '');
    const addresses = familyOf(literal)
      ? [literal]
      : await this.#resolve[isAllowedHost ? 'bySystem' : 'byDns'](hostname).catch((): string[] => []);
    if (addresses.length === 0) throw new Refused<EgressRefusal>('egress-name-not-found');
    const isPermitted = (address: string): boolean =>
      isAddressPermitted(address, isAllowedHost || this.#allowedNetworks.has(address));
    if (!addresses.every(isPermitted)) throw new Refused<EgressRefusal>('egress-address-not-permitted');
    return addresses;
  }

  /**
   * Made once, when it is needed first: reading all those certificates takes a while. It keeps no connections and no TLS
   * sessions: each connection proves itself anew.
   */
  #trust(): Agent {
    this.#agent ??= new Agent({
      keepAlive: false,
      maxCachedSessions: 0,
      // Said outright, so that no variable of the environment can switch it off.
      rejectUnauthorized: true,
      secureContext: createSecureContext({
        minVersion: 'TLSv1.2',
        ...(this.#extraCa !== undefined && { ca: [...getCACertificates('default'), this.#extraCa] }),
      }),
    });
    return this.#agent;
  }

  #send(
    target: URL,
    addresses: readonly string[],
    { method, headers, body }: Message,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(target, {
        agent: this.#trust(),
        signal,
        lookup: pinnedTo(addresses),
        maxHeaderSize: MAX_HEADER_BYTES,
        method,
        headers: { ...headers, 'User-Agent': 'Countersign' },
      });
      request.on('response', resolve);
      request.on('error', reject);
      request.end(body);
    });
  }
}

interface Message {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: string;
}

/** @throws {Refused<EgressRefusal>} for anything but a plain https URL */
function parseTarget(text: string): URL {
  const url = text.length <= MAX_URL_CHARACTERS && URL.canParse(text) ? new URL(text) : undefined;
  if (url && isPlainHttps(url)) return url;
  throw new Refused<EgressRefusal>('egress-url-not-permitted');
}

/** Answers every lookup of the connection with the addresses that were checked (no rebinding). */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const found = addresses.map(address => ({ address, family: familyOf(address) === 'ipv4' ? 4 : 6 }));
  return (_name, options, callback) => {
    const [first] = found;
    if (options.all) callback(null, found);
    else if (first) callback(null, first.address, first.family);
  };
}

function assertTaken(response: IncomingMessage): void {
  response.destroy();
  const { statusCode = 0 } = response;
  if (statusCode >= 200 && statusCode < 300) return;
  throw new Refused<EgressRefusal>('egress-status-not-ok', { sent: String(statusCode) });
}

async function readDocument(
  response: IncomingMessage,
  mediaTypes: readonly string[],
  maxBytes: number,
): Promise<FetchedDocument> {
  try {
    const { statusCode, headers } = response;
    if (statusCode !== 200) {
      throw new Refused<EgressRefusal>('egress-status-not-ok', { sent: String(statusCode) });
    }
    const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
    if (!mediaTypes.includes(mediaType) || (headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new Refused<EgressRefusal>('egress-content-type-wrong', { permitted: mediaTypes });
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new Refused<EgressRefusal>('egress-document-too-large', {
          permitted: [`at most ${maxBytes} bytes`],
        });
      }
      chunks.push(chunk);
    }
    return { body: Buffer.concat(chunks), cacheControl: headers['cache-control'] };
  } finally {
    response.destroy();
  }
}

/** Leaves what cannot be stopped, such as a lookup, to itself. */
function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}
