import type { Context } from 'koa';
import { type AdapterPayload, errors, Provider } from 'oidc-provider';

/** How long a refresh token that was just exchanged may come back from who holds it: parallel sessions of one client are common (I1). */
const PARALLEL_MS = 30_000;

/** Whether a key may not be what a code or a refresh token is bound to. */
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/;

/** What is stored beside what the engine has to say. */
export interface Bound {
  /** The RFC 7638 thumbprint (SHA-256) of the key that has to be proved with it (RFC 9449). */
  readonly boundTo?: string | undefined;
}

/** The thumbprint of the key that a request has proved; undefined without a proof. It was verified, and used up, before the engine. */
export function provenKey(ctx: Pick<Context, 'state'> | undefined = Provider.ctx): string | undefined {
  return ctx?.state['proofKey'] as string | undefined;
}

/** Says that a request has proved a key. */
export function setProvenKey(ctx: Pick<Context, 'state'>, jkt: string): void {
  ctx.state['proofKey'] = jkt;
}

/**
 * The key that a value made now is bound to: a code to the one that the authorization request names (RFC 9449 section 10), a refresh token of
 * a public client to the one that was proved for it (section 5). A confidential client proves who it is each time.
 */
export function bindingOf(model: string, payload: AdapterPayload): Bound {
  const isPublic = Provider.ctx?.oidc.client?.clientAuthMethod === 'none';
  switch (model) {
    case 'AuthorizationCode':
      return { boundTo: payload.dpopJkt };
    case 'RefreshToken':
      return { boundTo: isPublic ? provenKey() : undefined };
    default:
      return {};
  }
}

/** What the engine says of keys itself: it would look for a proof that it has verified, and there is none. */
export const ENGINE_BINDINGS = { dpopJkt: undefined, jkt: undefined } as const;

/** @throws {errors.InvalidRequest} unless it is a thumbprint */
export function checkThumbprint(value: unknown): void {
  if (value !== undefined && !THUMBPRINT.test(String(value))) {
    throw new errors.InvalidRequest(
      'dpop_jkt is not the SHA-256 thumbprint of a key (RFC 7638), in base64url',
    );
  }
}

/**
 * What becomes of a code or refresh token that is presented:
 * - `usable`
 * - `used`: again, or too late
 * - `foreign`: by who does not hold it
 * - `stolen`: again, by who does not hold it; the engine itself would not end the grant
 */
export type Presented = 'usable' | 'used' | 'foreign' | 'stolen';

/** Judges a code or refresh token that the client at work presents. */
export function judgePresented(
  model: string,
  { clientId, boundTo }: AdapterPayload & Bound,
  consumedAt: number | undefined,
  nowMs: number,
): Presented {
  const presenter = Provider.ctx?.oidc.client?.clientId;
  const isHolder = presenter === clientId && (boundTo === undefined || boundTo === provenKey());
  if (consumedAt === undefined) return isHolder ? 'usable' : 'foreign';
  if (!isHolder) return 'stolen';
  return mayComeBack(model, consumedAt, nowMs) ? 'usable' : 'used';
}

/** Whether what was used at a time is still good: for a refresh token, a little while. */
export function mayComeBack(model: string, consumedAt: number | undefined, nowMs: number): boolean {
  return model === 'RefreshToken' && consumedAt !== undefined && nowMs - consumedAt <= PARALLEL_MS;
}
