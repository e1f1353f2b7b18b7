import { type Background, recur } from '../background.ts';
import type { Moment } from '../clock.ts';
import { newOrigin } from '../origin.ts';
import { advanceSigningKeys } from './advance-signing-keys.ts';
import type { SigningKeyDeps, SigningKeyTiming } from './change-signing-keys.ts';
import { rotateBySchedule } from './rotate-signing-keys.ts';

const PAUSE_MS = 5_000;
const DAY_MS = 86_400_000;
/** How far the clocks of processes and verifiers may be apart before a key leaves the JWKS too early for somebody. */
const CLOCKS_APART_MS = 300_000;

/** @param tokenSeconds how long a token that is verified by the JWKS lives at most */
export function signingKeyTiming(overlapSeconds: number, tokenSeconds: number): SigningKeyTiming {
  return { overlapMs: overlapSeconds * 1_000, verifiesMs: tokenSeconds * 1_000 + CLOCKS_APART_MS };
}

/**
 * Has signing keys take the steps of their lives, and rotates them by schedule, as long as the process runs.
 *
 * @param rotationDays how long a key signs; 0 for as long as nobody rotates it
 */
export function keepSigningKeys(
  deps: SigningKeyDeps,
  rotationDays: number,
  moment: () => Moment,
  onError: (error: unknown) => void,
): Background {
  return recur(
    async () => {
      const own = newOrigin(moment());
      await advanceSigningKeys(deps, own);
      await rotateBySchedule(deps, rotationDays * DAY_MS, own);
    },
    PAUSE_MS,
    onError,
  );
}
