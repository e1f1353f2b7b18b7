import type { Context } from 'koa';
import { type AuditEvent, eventOrigin, type Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import type { DpopNonces } from './dpop-nonces.ts';
import { type DpopRules, type VerifiedDpopProof, verifyDpopProof } from './dpop-proof.ts';

export interface DpopDeps {
  readonly nonces: DpopNonces;
  readonly nonceRequired: boolean;
  /** Takes the record of a refusal, where the caller does not record it; alike ones are counted. */
  readonly refusals?: { note(event: AuditEvent): Promise<void> };
}

/**
 * Takes the DPoP proof of a request, and tells the client which nonce to use where it has to know (RFC 9449 section 8). To be
 * asked for a nonce is no refusal worth recording: it is how the protocol goes.
 *
 * @param ctx its `DPoP` header is the proof
 * @param expected `url` is what the request was sent to, by configuration
 * @throws {Refused<DpopProofRefusal>}
 */
export async function receiveDpopProof(
  { nonces, nonceRequired, refusals }: DpopDeps,
  ctx: Pick<Context, 'headers' | 'method' | 'set'>,
  expected: Pick<DpopRules, 'url' | 'accessToken'>,
  origin: Origin,
): Promise<VerifiedDpopProof> {
  const { now, latest } = origin;
  try {
    const rules = { ...expected, method: ctx.method, nonces, nonceRequired, now: latest };
    const proof = verifyDpopProof(String(ctx.headers['dpop'] ?? ''), rules);
    // Never one of a time that may not be yet.
    if (proof.nextNonce !== undefined) ctx.set('DPoP-Nonce', nonces.newest(now));
    return proof;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.reason === 'dpop-nonce-missing' || error.reason === 'dpop-nonce-not-current') {
      ctx.set('DPoP-Nonce', nonces.newest(now));
    } else {
      await refusals?.note({
        type: 'client.dpop-refused',
        outcome: 'refused',
        reason: error.reason,
        ...eventOrigin(origin),
      });
    }
    throw error;
  }
}
