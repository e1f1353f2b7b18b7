import { SealBroken, type SealingKey } from './sealing.ts';

/** Every check says the same: what it is sealed with is what it tells. */
const CONTEXT = 'key check';

/** What a store keeps of a key-encryption key, so that another one, or none, is noticed: it says nothing of the key. */
export function makeKeyCheck(sealing: Pick<SealingKey, 'seal'>): string {
  return sealing.seal(Buffer.from(CONTEXT), CONTEXT);
}

/** Whether the key that a check was made with is among those that are configured. */
export function opensKeyCheck(sealing: Pick<SealingKey, 'unseal'>, check: string): boolean {
  try {
    sealing.unseal(check, CONTEXT);
    return true;
  } catch (error) {
    if (error instanceof SealBroken) return false;
    throw error;
  }
}
