import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import type { Passkey, PersonCredential } from './person-credential.ts';

/** For whom passkeys are: the issuer's host, and pages of its origin (WebAuthn level 3 section 5.1). */
export interface RelyingParty {
  readonly id: string;
  readonly origin: string;
  readonly name: string;
}

/** A third of all modules of the server: loaded when somebody uses a passkey, and not before. */
const webauthn = () => import('@simplewebauthn/server');

/** @param issuer the configured issuer: never what a request says (I14) */
export function relyingParty(issuer: string): RelyingParty {
  const { hostname, origin } = new URL(issuer);
  return { id: hostname, origin, name: 'Countersign' };
}

export async function passkeyRequest(
  party: RelyingParty,
  { passkeys }: PersonCredential,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { generateAuthenticationOptions } = await webauthn();
  return generateAuthenticationOptions({
    rpID: party.id,
    userVerification: 'required',
    allowCredentials: passkeys.map(described),
  });
}

export async function passkeyCreation(
  party: RelyingParty,
  credential: PersonCredential,
  person: { readonly name: string; readonly email?: string },
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { generateRegistrationOptions } = await webauthn();
  return generateRegistrationOptions({
    rpID: party.id,
    rpName: party.name,
    userID: Buffer.from(credential.personId),
    userName: person.email ?? person.name,
    userDisplayName: person.name,
    attestationType: 'none',
    authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
    excludeCredentials: credential.passkeys.map(described),
  });
}

/**
 * The passkey as it is after an assertion.
 *
 * @param challenge the one that was asked with
 * @returns undefined where the assertion does not hold
 */
export async function checkAssertion(
  party: RelyingParty,
  passkeys: readonly Passkey[],
  response: AuthenticationResponseJSON,
  challenge: string,
  nowMs: number,
): Promise<Passkey | undefined> {
  const passkey = passkeys.find(({ id }) => id === response.id);
  if (!passkey) return undefined;
  const { verifyAuthenticationResponse } = await webauthn();
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
      credential: {
        id: passkey.id,
        publicKey: Buffer.from(passkey.publicKey, 'base64url'),
        counter: passkey.counter,
      },
    });
    return verified ? { ...passkey, counter: authenticationInfo.newCounter, lastUsedAt: nowMs } : undefined;
  } catch {
    // The library throws for whatever does not fit, and never for its own sake.
    return undefined;
  }
}

/** @returns undefined where the answer of the authenticator does not hold */
export async function checkRegistration(
  party: RelyingParty,
  response: RegistrationResponseJSON,
  challenge: string,
  name: string,
  nowMs: number,
): Promise<Passkey | undefined> {
  const { verifyRegistrationResponse } = await webauthn();
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: true,
    });
    if (!verified) return undefined;
    const { id, publicKey, counter, transports = [] } = registrationInfo.credential;
    return {
      id,
      publicKey: Buffer.from(publicKey).toString('base64url'),
      counter,
      transports,
      name,
      createdAt: nowMs,
    };
  } catch {
    return undefined;
  }
}

function described({ id, transports }: Passkey) {
  return { id, transports: transports as NonNullable<RegistrationResponseJSON['response']['transports']> };
}
