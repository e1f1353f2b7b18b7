import { eventOrigin, type Freshness, type Origin, reviseRecord, TAKES_AWAY } from '../audit/index.ts';
import type { CredentialStore } from './pass-store.ts';
import { NO_ATTEMPTS, type PersonCredential } from './person-credential.ts';

/**
 * Takes away everything that a person signs in with, and ends their sessions: an administrator invites them anew. Who vouched for them
 * stays known (I5). Nothing happens where there is nothing to take away.
 */
export async function voidCredential(
  deps: { readonly credentials: CredentialStore; readonly freshness: Freshness },
  personId: string,
  origin: Origin,
): Promise<void> {
  const credential = await deps.credentials.findCredential(personId);
  if (!credential) return;
  await reviseRecord(
    deps.credentials,
    deps.freshness,
    'person-credential',
    async () => (await deps.credentials.findCredential(personId)) ?? credential,
    current => {
      if (isVoid(current)) return undefined;
      const { password: _, passwordSince: _since, totp: _totp, recoveryCodes: _codes, ...rest } = current;
      return {
        record: { ...rest, passkeys: [], attempts: NO_ATTEMPTS, epoch: current.epoch + 1 },
        events: [
          { type: 'person.credential-voided', outcome: 'done', ...eventOrigin(origin), target: personId },
        ],
      };
    },
    TAKES_AWAY,
    origin.now,
  );
}

function isVoid({ password, totp, recoveryCodes, passkeys }: PersonCredential): boolean {
  return password === undefined && totp === undefined && recoveryCodes === undefined && passkeys.length === 0;
}
