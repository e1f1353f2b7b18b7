import type { Context } from 'koa';
import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { type AuditEventType, eventOrigin, type Origin, type RefusedParty } from '../audit/index.ts';
import type { AuthenticateClientDeps } from '../clients/index.ts';
import { untrustedText } from '../text/index.ts';
import type { UnknownTokenLimit } from '../tokens/index.ts';
import { isRecorded } from './errors.ts';

export interface RefusalDeps extends Pick<AuthenticateClientDeps, 'refusals'> {
  readonly limits: AuthenticateClientDeps['limits'] & UnknownTokenLimit;
}

/** A request of a client that came to nothing. */
interface EngineRefusal {
  readonly type: AuditEventType;
  /** The error code of the answer. */
  readonly error: string;
  /** What was wrong, more exactly than the answer says. */
  readonly cause: string | undefined;
  /** Who the client is, or claims to be. */
  readonly clientId: string | undefined;
  readonly party: RefusedParty;
}

/** Keeps what a client is refused, and why, until it is recorded: the engine does not wait for those it tells. */
export function keepRefusals(provider: Provider): void {
  const keep = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError, type: AuditEventType): void => {
    if (isRecorded(error) || error.status >= 500) return;
    const claimed = ctx.oidc?.params?.['client_id'];
    const clientId = ctx.oidc?.client?.clientId ?? (typeof claimed === 'string' ? claimed : undefined);
    ctx.state['engineRefusal'] = {
      type,
      error: error.error,
      cause: error.error_detail,
      clientId,
      // Anybody makes a client by publishing a document, or by registering itself.
      party: ctx.oidc?.client?.clientId.startsWith('agt_') ? 'registered' : 'stranger',
    } satisfies EngineRefusal;
  };
  const keepProven = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError): void =>
    keep(
      ctx,
      error,
      error.error === 'invalid_client' ? 'client.authentication-refused' : 'token.issue-refused',
    );
  provider.on('grant.error', keepProven);
  provider.on('pushed_authorization_request.error', keepProven);
  provider.on('authorization.error', (ctx, error) => {
    // That a person said no is recorded with what they were asked.
    if (error.error !== 'access_denied') keep(ctx, error, 'client.authorization-refused');
  });
}

/**
 * Records what the engine refused, with the cause that the answer withholds; who could not prove itself is counted as at every
 * endpoint, and so are codes and refresh tokens that are none of the client's.
 *
 * @throws {Refused<LimitRefusal>} in the place of the answer, where there were too many
 */
export async function noteRefusal({ refusals, limits }: RefusalDeps, ctx: Context): Promise<void> {
  const refusal = ctx.state['engineRefusal'] as EngineRefusal | undefined;
  if (!refusal) return;
  const { type, error, cause, clientId, party } = refusal;
  const origin = ctx.state['origin'] as Origin;
  await refusals.note(
    {
      type,
      outcome: 'refused',
      reason: cause === undefined ? error : `${error}: ${untrustedText(cause, 100)}`,
      ...eventOrigin(origin),
      ...(clientId !== undefined && { client: clientId }),
    },
    party,
  );
  if (type === 'client.authentication-refused') await limits.noteFailure(clientId ?? '', origin);
  // A code or refresh token that is not good for this client.
  if (error === 'invalid_grant' && clientId !== undefined) await limits.takeUnknownToken(clientId, origin);
}
