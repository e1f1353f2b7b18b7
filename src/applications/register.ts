import { z } from 'zod';
import { MAX_REDIRECT_URIS, redirectUriInput } from '../agents/index.ts';
import { eventOrigin, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { listOf, plainText, shown } from '../input/index.ts';
import { GRANT_TYPES } from '../oauth.ts';
import { type DescriptionStore, findDescription, keepDescription } from './remembered.ts';
import { selfRegisteredId } from './self-registered-id.ts';

export type RegistrationRefusal =
  | 'registration-malformed'
  | 'registration-member-not-permitted'
  | 'registration-name-not-permitted'
  | 'registration-redirect-uri-not-permitted'
  | 'registration-grant-not-served';

export interface RegistrationDeps {
  readonly descriptions: DescriptionStore;
  readonly limits: { takeRegistration(origin: Origin): Promise<never> | undefined };
}

/** The answer to a registration (RFC 7591 section 3.2.1): what holds, whatever was asked for. */
export interface RegisteredClient {
  readonly client_id: string;
  readonly client_id_issued_at: number;
  readonly client_name: string;
  readonly redirect_uris: readonly string[];
  readonly token_endpoint_auth_method: 'none';
  readonly grant_types: readonly string[];
  readonly response_types: readonly ['code'];
}

/** Until somebody lets it act for them: then it is kept as long as that lasts. */
const KEPT_UNUSED_MS = 86_400_000;
const MAX_NAME = 100;
const SERVED_GRANTS: readonly string[] = [GRANT_TYPES.authorizationCode, GRANT_TYPES.refreshToken];

/**
 * What clients say of themselves (RFC 7591 section 2, OpenID Connect Registration section 2). The first are held to what is served;
 * the others may be said, and change nothing: no scope, key, method or picture that a stranger names is of any consequence.
 */
const HELD = ['client_name', 'redirect_uris', 'grant_types', 'response_types'];
const WITHOUT_CONSEQUENCE = [
  'application_type',
  'client_uri',
  'contacts',
  'id_token_signed_response_alg',
  'jwks',
  'jwks_uri',
  'logo_uri',
  'policy_uri',
  'scope',
  'software_id',
  'software_statement',
  'software_version',
  'subject_type',
  'token_endpoint_auth_method',
  'tos_uri',
];

const redirectUris = listOf(redirectUriInput, { least: 1, most: MAX_REDIRECT_URIS });
const listed = z.array(z.string()).optional();

/**
 * Takes what an application says of itself. It becomes a public client that may ask people; it has no secret, and cannot be changed.
 * One that says the same again is the same one. Strangers write here: what they leave is forgotten after a day unless somebody uses it.
 *
 * @throws {Refused<RegistrationRefusal | LimitRefusal>} recorded in the trail
 */
export async function registerApplication(
  deps: RegistrationDeps,
  input: unknown,
  origin: Origin,
): Promise<RegisteredClient> {
  const { now } = origin;
  const { name, redirectUris: uris } = readRegistration(input);
  const clientId = selfRegisteredId(name, uris);
  const known = await findDescription(deps.descriptions, clientId, now);
  if (!known) {
    const limited = deps.limits.takeRegistration(origin);
    if (limited) await limited;
    const description = { clientId, name, redirectUris: uris, credential: { method: 'none' } } as const;
    await deps.descriptions.commit({
      changes: [keepDescription(description, now + KEPT_UNUSED_MS)],
      events: [
        {
          type: 'client.registered',
          outcome: 'done',
          ...eventOrigin(origin),
          client: clientId,
          detail: { name, redirectUris: uris },
        },
      ],
      authority: { none: 'stranger' },
    });
  }
  return {
    client_id: clientId,
    client_id_issued_at: Math.floor(now / 1_000),
    client_name: name,
    redirect_uris: uris,
    token_endpoint_auth_method: 'none',
    grant_types: SERVED_GRANTS,
    response_types: ['code'],
  };
}

/** @throws {Refused<RegistrationRefusal>} */
function readRegistration(input: unknown): { readonly name: string; readonly redirectUris: string[] } {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new Refused<RegistrationRefusal>('registration-malformed', { permitted: ['a JSON object'] });
  const members = input as Readonly<Record<string, unknown>>;
  const permitted = [...HELD, ...WITHOUT_CONSEQUENCE];
  const unknown = Object.keys(members).find(member => !permitted.includes(member));
  if (unknown !== undefined)
    throw new Refused<RegistrationRefusal>('registration-member-not-permitted', {
      parameter: shown(unknown),
      permitted: HELD,
    });
  const uris = redirectUris.safeParse(members['redirect_uris']).data;
  if (!uris) {
    throw new Refused<RegistrationRefusal>('registration-redirect-uri-not-permitted', {
      parameter: 'redirect_uris',
      sent: shown(JSON.stringify(members['redirect_uris']) ?? ''),
      permitted: [
        `1 to ${MAX_REDIRECT_URIS} of: https, http on a loopback address, a scheme of the application's own`,
      ],
    });
  }
  assertServed('grant_types', members['grant_types'], SERVED_GRANTS, GRANT_TYPES.authorizationCode);
  assertServed('response_types', members['response_types'], ['code'], 'code');
  return { name: readName(members['client_name'], uris[0] ?? ''), redirectUris: uris };
}

/** People are shown a name: who sends none is called by where it sends them. */
function readName(sent: unknown, firstUri: string): string {
  if (sent === undefined) return new URL(firstUri).host || new URL(firstUri).protocol;
  const name = plainText(MAX_NAME).safeParse(sent).data;
  if (name !== undefined) return name;
  throw new Refused<RegistrationRefusal>('registration-name-not-permitted', {
    parameter: 'client_name',
    sent: shown(String(sent)),
    permitted: [`one line of at most ${MAX_NAME} visible characters`],
  });
}

function assertServed(parameter: string, sent: unknown, served: readonly string[], needed: string): void {
  const values = listed.safeParse(sent);
  const isServed =
    values.success &&
    (values.data === undefined ||
      (values.data.includes(needed) && values.data.every(value => served.includes(value))));
  if (isServed) return;
  throw new Refused<RegistrationRefusal>('registration-grant-not-served', {
    parameter,
    sent: shown(JSON.stringify(sent) ?? ''),
    permitted: served,
  });
}
