import {
  type Conflict,
  eventOrigin,
  type Origin,
  type RefusalCounter,
  type RefusedParty,
} from '../audit/index.ts';
import { Refused, StoreUnavailable } from '../errors.ts';
import { CLIENT_ASSERTION_TYPE, type FormFields } from '../oauth.ts';
import type { Client, ClientDirectory } from './client.ts';
import {
  type AssertionRefusal,
  type AssertionRules,
  type ReadAssertion,
  readAssertion,
  unverifiedSubject,
  type VerifiedAssertion,
  verifyClientAssertion,
} from './client-assertion.ts';
import { isRegisteredSecret } from './client-secret.ts';
import type { PublishedKeys } from './published-keys.ts';

/** Refusals that say nothing about any client: the request itself is wrong. */
export type CredentialFormRefusal = 'several-auth-methods' | 'credentials-malformed';

/** Why a caller is not the client it says it is: one answer on the wire, each its own reason in the trail. */
export type ClientAuthRefusal =
  | 'no-credentials'
  | 'unknown-client'
  | 'wrong-secret'
  | 'authorization-malformed'
  | 'wrong-auth-method'
  | 'client-not-enabled'
  | 'assertion-replayed'
  | 'client-keys-unavailable'
  | AssertionRefusal;

/** A single-use value that the caller's credential spends; part of the unit that acts on the request. */
export interface SpentCredential {
  readonly kind: 'use-once';
  readonly value: string;
  readonly usableFrom: number;
  readonly expiresAt: number;
}

export interface AuthenticatedClient {
  readonly client: Client;
  /** The assertion to use up, where one was presented: it must be committed before anything is answered (I1). */
  readonly spent: readonly SpentCredential[];
}

export interface AuthenticateClientDeps extends AssertionRules {
  /** Public clients are taken for who they say they are (RFC 7009 section 2.1): where what they present is what counts. */
  readonly admitsPublic?: boolean;
  readonly clients: ClientDirectory;
  readonly publishedKeys: PublishedKeys;
  /** Takes the record of a refusal; alike ones are counted, so that nobody can fill the disk. */
  readonly refusals: Pick<RefusalCounter, 'note' | 'take'>;
  readonly limits: {
    /**
     * Counts a failed authentication; rejected, in the place of its own refusal, when there have been too many.
     *
     * @param clientId as it was claimed; empty where nothing was
     */
    noteFailure(clientId: string, origin: Origin): Promise<void>;
  };
}

type Presented =
  | { readonly method: 'client_secret'; readonly clientId: string; readonly secret: string }
  | { readonly method: 'private_key_jwt'; readonly clientId: string; readonly assertion: ReadAssertion }
  | { readonly method: 'none' | 'unreadable'; readonly clientId: string };

/** No secret is registered under it: an unknown client's secret is compared with it, and takes as long (I15). */
const DECOY_DIGESTS = ['0'.repeat(43)];

/**
 * Authenticates the caller of a machine endpoint: client_secret_basic, client_secret_post or private_key_jwt, exactly one of
 * them (RFC 6749 section 2.3, RFC 7523 section 2.2).
 *
 * @param authorization the Authorization header, if there was one
 * @throws {Refused<CredentialFormRefusal>} when the request is malformed
 * @throws {Refused<ClientAuthRefusal>} when the caller is not a client that may act now; the refusal has been recorded
 */
export async function authenticateClient(
  deps: AuthenticateClientDeps,
  authorization: string | undefined,
  form: FormFields,
  origin: Origin,
): Promise<AuthenticatedClient> {
  const presented = readCredentials(authorization, form);
  const client =
    presented.clientId === '' ? undefined : await deps.clients.findClient(presented.clientId, origin.latest);
  let proof = proveClient(deps, presented, client, origin);
  if (typeof proof === 'string' && client?.enabled && mayNeedNewKeys(proof, client)) {
    await deps.publishedKeys.renewed(client.credential.jwksUri, client, origin);
    proof = proveClient(deps, presented, client, origin);
  }
  if (typeof proof === 'string') {
    const party = client ? 'registered' : 'stranger';
    return refuseClient(deps, presented.clientId, proof, origin, party);
  }
  return { client: proof.client, spent: proof.spent };
}

/** The use of an assertion, the same at every endpoint: what was used at one fails at all others (I1). */
export function spendAssertion(clientId: string, assertion: VerifiedAssertion): SpentCredential {
  const { jti, usableFrom, expiresAt } = assertion;
  return { kind: 'use-once', value: `client-assertion ${clientId} ${jti}`, usableFrom, expiresAt };
}

/** Records that a caller could not prove itself, then throws. */
async function refuseClient(
  deps: Pick<AuthenticateClientDeps, 'refusals' | 'limits'>,
  clientId: string,
  reason: ClientAuthRefusal,
  origin: Origin,
  party: RefusedParty,
): Promise<never> {
  await deps.refusals.note(
    {
      type: 'client.authentication-refused',
      outcome: 'refused',
      reason,
      ...eventOrigin(origin),
      ...(clientId !== '' && { client: clientId }),
    },
    party,
  );
  await deps.limits.noteFailure(clientId, origin);
  throw new Refused<ClientAuthRefusal>(reason, {}, { claimedClient: clientId });
}

/**
 * What a failed commit of a client's request means: its assertion had been used before. Any other conflict cannot be, and is
 * never taken for success.
 *
 * @throws always
 */
export async function refuseConflict(
  deps: Pick<AuthenticateClientDeps, 'refusals' | 'limits'>,
  clientId: string,
  conflict: Conflict,
  origin: Origin,
): Promise<never> {
  if (conflict === 'already-used')
    return refuseClient(deps, clientId, 'assertion-replayed', origin, 'registered');
  throw new StoreUnavailable(`unexpected conflict: ${conflict}`);
}

/** Whether a client's proof could fail for want of a key that it has published since. */
function mayNeedNewKeys(
  refusal: ClientAuthRefusal,
  client: Client,
): client is Client & { readonly credential: { readonly jwksUri: string } } {
  return (
    'jwksUri' in client.credential &&
    (refusal === 'client-keys-unavailable' ||
      refusal === 'assertion-algorithm-not-registered' ||
      refusal === 'assertion-key-unknown' ||
      refusal === 'assertion-signature-wrong')
  );
}

function proveClient(
  deps: AssertionRules & Pick<AuthenticateClientDeps, 'publishedKeys' | 'admitsPublic'>,
  presented: Presented,
  client: Client | undefined,
  origin: Origin,
): AuthenticatedClient | ClientAuthRefusal {
  switch (presented.method) {
    case 'unreadable':
      return 'authorization-malformed';
    case 'none':
      if (!deps.admitsPublic || client?.credential.method !== 'none') return 'no-credentials';
      return client.enabled ? { client, spent: [] } : 'client-not-enabled';
    case 'client_secret': {
      const digests =
        client?.credential.method === 'client_secret' ? client.credential.secretDigests : undefined;
      const isRight = isRegisteredSecret(presented.secret, digests ?? DECOY_DIGESTS);
      if (!client) return 'unknown-client';
      if (!digests) return 'wrong-auth-method';
      if (!isRight) return 'wrong-secret';
      return client.enabled ? { client, spent: [] } : 'client-not-enabled';
    }
    case 'private_key_jwt': {
      const credential = client?.credential.method === 'private_key_jwt' ? client.credential : undefined;
      const keys = client && credential && deps.publishedKeys.inHand(credential, client, origin);
      const verified = verifyClientAssertion(
        presented.assertion,
        presented.clientId,
        keys ?? [],
        deps,
        origin.latest,
      );
      if (!client) return 'unknown-client';
      if (!credential) return 'wrong-auth-method';
      if (!keys) return 'client-keys-unavailable';
      if (typeof verified === 'string') return verified;
      if (!client.enabled) return 'client-not-enabled';
      return { client, spent: [spendAssertion(client.clientId, verified)] };
    }
  }
}

function readCredentials(authorization: string | undefined, form: FormFields): Presented {
  const clientId = form.get('client_id');
  const secret = form.get('client_secret');
  const assertion = form.get('client_assertion');
  const assertionType = form.get('client_assertion_type');

  const methods = [authorization, secret, assertion ?? assertionType].filter(value => value !== undefined);
  if (methods.length > 1) {
    throw new Refused<CredentialFormRefusal>('several-auth-methods', {
      hint: 'send one of: the Authorization header, client_secret, client_assertion',
    });
  }
  if (authorization !== undefined) return readBasic(authorization, clientId);
  if (secret !== undefined) return { method: 'client_secret', clientId: clientId ?? '', secret };
  if (assertion === undefined && assertionType === undefined)
    return { method: 'none', clientId: clientId ?? '' };
  if (assertion === undefined || assertionType !== CLIENT_ASSERTION_TYPE) {
    throw new Refused<CredentialFormRefusal>('credentials-malformed', {
      parameter: assertion === undefined ? 'client_assertion' : 'client_assertion_type',
      ...(assertion !== undefined && assertionType !== undefined && { sent: assertionType }),
      permitted: assertion === undefined ? ['a signed JWT'] : [CLIENT_ASSERTION_TYPE],
    });
  }
  const read = readAssertion(assertion);
  const subject = unverifiedSubject(read);
  if (clientId !== undefined && subject !== undefined && clientId !== subject) {
    throw new Refused<CredentialFormRefusal>('credentials-malformed', {
      parameter: 'client_id',
      sent: clientId,
      hint: 'client_id must name the subject of the assertion, or be left out',
    });
  }
  return { method: 'private_key_jwt', clientId: subject ?? clientId ?? '', assertion: read };
}

/** RFC 6749 section 2.3.1: both halves are form-encoded before they are joined; ours never need it, so both ways work. */
function readBasic(authorization: string, clientId: string | undefined): Presented {
  const credentials = decodeBasic(authorization);
  const colon = credentials.indexOf(':');
  if (colon === -1) return { method: 'unreadable', clientId: clientId ?? '' };
  const basicId = formDecode(credentials.slice(0, colon));
  if (clientId !== undefined && clientId !== basicId) {
    throw new Refused<CredentialFormRefusal>('credentials-malformed', {
      parameter: 'client_id',
      sent: clientId,
      hint: 'client_id must name the client of the Authorization header, or be left out',
    });
  }
  return { method: 'client_secret', clientId: basicId, secret: formDecode(credentials.slice(colon + 1)) };
}

/** Empty for what is not Basic. */
function decodeBasic(authorization: string): string {
  const match = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(authorization);
  return match?.[1] ? Buffer.from(match[1], 'base64').toString() : '';
}

/**
 * For who is authenticated after us: another scheme, and what cannot be read, is a failed authentication as at every endpoint (RFC 6749
 * section 5.2), not a malformed request.
 *
 * @throws {Refused<'authorization-malformed'>} it has been recorded
 */
export async function assertAuthorizationReadable(
  deps: Pick<AuthenticateClientDeps, 'refusals' | 'limits'>,
  authorization: string | undefined,
  form: FormFields,
  origin: Origin,
): Promise<void> {
  if (authorization === undefined || decodeBasic(authorization).includes(':')) return;
  await refuseClient(deps, form.get('client_id') ?? '', 'authorization-malformed', origin, 'stranger');
}

function formDecode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
