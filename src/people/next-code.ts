import { type Moment, wallAt } from '../clock.ts';
import type { PersonSession } from './session.ts';
import type { SignInDeps } from './sign-in-deps.ts';
import { STEP_MS, usableFrom } from './totp.ts';
import { mayBeUsed } from './use-factor.ts';

/** When somebody can prove a code of their authenticator app; all in milliseconds. */
export interface NextCode {
  /** No code is accepted before, after several wrong ones; undefined where one is. */
  readonly lockedUntil?: number;
  /** From when on the app shows a code that has not been used, by the clock of the phone; undefined where it shows one now. */
  readonly shownFrom?: number;
  /** Until then. */
  readonly shownIn?: number;
}

/** A code that is shown now was used, at most one step ahead, or is from before a restore: few steps. */
const MOST_STEPS = 10;

/**
 * Tells somebody in their own session when they can prove a code. It says nothing of any code that they might type: locked is said
 * whether it would be right or wrong (I15).
 */
export async function findNextCode(
  deps: Pick<SignInDeps, 'credentials' | 'epochs'>,
  { person }: Pick<PersonSession, 'person'>,
  moment: Moment,
): Promise<NextCode> {
  const credential = await deps.credentials.findCredential(person.id);
  if (!credential?.totp) return {};
  const { attempts, totp } = credential;
  const wall = wallAt(moment);
  const present = Math.floor(wall / STEP_MS);
  let step = Math.max(present, totp.lastStep + 1);
  while (step < present + MOST_STEPS && mayBeUsed(deps, usableFrom(step))) step += 1;
  return {
    ...(attempts.lockedUntil > moment.now && { lockedUntil: attempts.lockedUntil }),
    ...(step > present && { shownFrom: step * STEP_MS, shownIn: step * STEP_MS - wall }),
  };
}
