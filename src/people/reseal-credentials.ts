import { type AuthorisedOrigin, eventOrigin, type Freshness, reviseRecord } from '../audit/index.ts';
import type { CredentialStore } from './pass-store.ts';
import { credentialIdOf, type PersonCredential } from './person-credential.ts';
import type { PersonStore } from './person-store.ts';

export interface ResealDeps {
  readonly people: Pick<PersonStore, 'listPeople'>;
  readonly credentials: CredentialStore;
  readonly freshness: Freshness;
  readonly sealing: {
    seal(plaintext: Buffer, context: string): string;
    unseal(sealed: string, context: string): Buffer;
    isCurrent(sealed: string): boolean;
  };
}

const PEOPLE_PER_PAGE = 100;

/**
 * Seals the seeds of authenticator apps anew under the current key-encryption key, one commit a person, while the server runs. Nobody's
 * session ends by it. After a crash, or when another process does the same, it goes on with those that are left.
 *
 * @returns how many were sealed anew
 * @throws {SealBroken} when a seed is sealed with a key-encryption key that is not configured
 */
export async function resealCredentials(deps: ResealDeps, origin: AuthorisedOrigin): Promise<number> {
  let resealed = 0;
  let after: string | undefined;
  do {
    const page = await deps.people.listPeople({
      limit: PEOPLE_PER_PAGE,
      ...(after !== undefined && { after }),
    });
    for (const { id } of page.items) if (await resealSeed(deps, id, origin)) resealed += 1;
    after = page.next;
  } while (after !== undefined);
  return resealed;
}

/** @returns whether there was one, sealed with another key */
async function resealSeed(deps: ResealDeps, personId: string, origin: AuthorisedOrigin): Promise<boolean> {
  const { credentials, freshness, sealing } = deps;
  const known = await credentials.findCredential(personId);
  if (!known || !isStale(known, sealing)) return false;
  await reviseRecord(
    credentials,
    freshness,
    'person-credential',
    async () => (await credentials.findCredential(personId)) ?? known,
    current => {
      if (!current.totp || !isStale(current, sealing)) return undefined;
      const id = credentialIdOf(personId);
      const sealedSeed = sealing.seal(sealing.unseal(current.totp.sealedSeed, id), id);
      return {
        record: { ...current, totp: { ...current.totp, sealedSeed } },
        events: [
          { type: 'person.credential-resealed', outcome: 'done', ...eventOrigin(origin), target: personId },
        ],
      };
    },
    origin.authority,
    origin.now,
  );
  return true;
}

function isStale({ totp }: PersonCredential, sealing: Pick<ResealDeps['sealing'], 'isCurrent'>): boolean {
  return totp !== undefined && !sealing.isCurrent(totp.sealedSeed);
}
