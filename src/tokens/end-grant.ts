import { eventOrigin, type Origin } from '../audit/index.ts';
import { grantHandleId } from './issue-for-person.ts';
import type { TokenStore } from './token-store.ts';

/** No token lives longer, so that the cutoff need not be remembered beyond it. The grant's own record is deleted by the engine. */
const LONGEST_TOKEN_MS = 3_660_000;

/**
 * Ends a grant of a person: a refresh token under it was presented again, so that somebody has it who should not (RFC 9700 section
 * 4.14.2), or a code was. Every token under it is dead, and none will be issued.
 */
export async function endGrant(
  tokens: TokenStore,
  grantId: string,
  reason: string,
  origin: Origin,
): Promise<void> {
  const id = grantHandleId(grantId);
  await tokens.commit({
    changes: [{ kind: 'cut-off', id, epoch: 1, forgetAt: origin.now + LONGEST_TOKEN_MS }],
    events: [
      { type: 'grant.ended', outcome: 'done', ...eventOrigin(origin), target: id, detail: { reason } },
    ],
  });
}
