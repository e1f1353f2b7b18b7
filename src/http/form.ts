import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { Refused } from '../errors.ts';
import type { FormFields } from '../oauth.ts';

export type BodyRefusal =
  | 'origin-foreign'
  | 'parameters-in-url'
  | 'media-type-not-supported'
  | 'content-coding-not-supported'
  | 'body-too-large'
  | 'body-incomplete'
  | 'duplicate-parameter'
  | 'too-many-parameters'
  | 'json-malformed';

/** An assertion, a few parameters and some authorization_details fit well; a flood does not. */
const MAX_FORM_BYTES = 65_536;
const MAX_PARAMETERS = 64;
/** RFC 8707 section 2 and RFC 8693 section 2.1: what may be sent more than once. */
const REPEATABLE = new Set(['resource', 'audience']);

const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;

/**
 * Reads a form-encoded body. Parameters without a value count as not sent, but not beside another of the name (RFC 6749 section 3.2).
 *
 * @param ownOrigin the origin that a browser may send: machines send none
 * @param admits whether a page of another origin may send this form; none may where absent
 * @throws {Refused<BodyRefusal>} for a page of another site, parameters in the URL, another media type, a body over 64 KiB, or a parameter sent twice
 */
export async function readForm(
  ctx: Context,
  ownOrigin: string,
  admits?: (origin: string, form: FormFields) => Promise<boolean>,
): Promise<FormFields> {
  const { origin } = ctx.headers;
  const foreign = origin === undefined || origin === ownOrigin ? undefined : origin;
  if (foreign !== undefined && !admits) refuseOrigin(foreign, ownOrigin);
  // What is in a URL is in logs, histories and Referer headers: credentials there have leaked, whatever else was sent.
  if (ctx.querystring !== '') throw new Refused<BodyRefusal>('parameters-in-url');
  const contentType = ctx.headers['content-type'];
  if (contentType === undefined || !FORM_TYPE.test(contentType)) {
    throw new Refused<BodyRefusal>('media-type-not-supported', {
      parameter: 'Content-Type',
      ...(contentType !== undefined && { sent: contentType }),
      permitted: ['application/x-www-form-urlencoded'],
    });
  }
  const body = await readBody(ctx.req, MAX_FORM_BYTES);
  // A stream is read once: whoever answers after us finds the bytes here.
  ctx.state['body'] = body;
  const form = parseForm(body.toString());
  if (foreign !== undefined) {
    ctx.vary('Origin');
    if (!(await admits?.(foreign, form))) refuseOrigin(foreign, ownOrigin);
  }
  return form;
}

function refuseOrigin(sent: string, ownOrigin: string): never {
  throw new Refused<BodyRefusal>('origin-foreign', { parameter: 'Origin', sent, permitted: [ownOrigin] });
}

/**
 * Parses form-encoded text into fields; see `readForm`.
 *
 * @param most so many parameters, of which a page with a list to choose from has one for each
 */
export function parseForm(text: string, most: number = MAX_PARAMETERS): FormFields {
  // Map, not an object: a parameter called __proto__ is just a parameter.
  const fields = new Map<string, string[]>();
  let count = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if (++count > most) {
      throw new Refused<BodyRefusal>('too-many-parameters', {
        permitted: [`at most ${most} parameters`],
      });
    }
    const values = fields.get(name);
    if (!values) fields.set(name, value === '' ? [] : [value]);
    else if (!REPEATABLE.has(name))
      throw new Refused<BodyRefusal>('duplicate-parameter', { parameter: name.slice(0, 64) });
    else if (value !== '') values.push(value);
  }
  return { get: name => fields.get(name)?.[0], getAll: name => fields.get(name) ?? [] };
}

/**
 * Nothing is decompressed: a little would become much (I16).
 *
 * @throws {Refused<'content-coding-not-supported'>}
 */
export function assertNotCoded({ headers }: IncomingMessage): void {
  const coding = headers['content-encoding'];
  if (coding === undefined || coding.toLowerCase() === 'identity') return;
  throw new Refused<BodyRefusal>('content-coding-not-supported', {
    parameter: 'Content-Encoding',
    sent: coding,
    permitted: ['identity'],
  });
}

/**
 * Reads a request body with a cap, counting what arrives and not what was announced.
 *
 * @param maxBytes more than this is refused, and the connection closed after the answer
 * @throws {Refused<BodyRefusal>} also where it is coded
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  assertNotCoded(request);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.pause();
        reject(new Refused<BodyRefusal>('body-too-large', { permitted: [`at most ${maxBytes} bytes`] }));
      } else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.on('error', error => reject(new Refused<BodyRefusal>('body-incomplete', {}, { cause: error })));
    request.on('aborted', () => reject(new Refused<BodyRefusal>('body-incomplete')));
  });
}
