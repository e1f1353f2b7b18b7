import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context } from 'koa';
import { errors, Provider } from 'oidc-provider';
import {
  type Authority,
  assertAuthorityHeld,
  type CommitOutcome,
  type HeldAuthority,
  WITHOUT_END_MS,
} from '../audit/index.ts';
import type { Handle } from '../liveness.ts';
import { CLIENT_HANDLE } from './client-metadata.ts';
import { clientNotProven } from './errors.ts';

const ofSession = new AsyncLocalStorage<HeldAuthority>();

/** Where clients prove who they are: what is done there, is done by them. */
const CLIENT_ROUTES = new Set(['token', 'pushed_authorization_request']);

/** Has the engine work on the authority of whoever is signed in with us. */
export function onAuthorityOf<T>(authority: HeldAuthority, work: () => Promise<T>): Promise<T> {
  return ofSession.run(authority, work);
}

/** Has the code that a browser is about to be given stand on the session in which it came for it, beside the client. */
export function giveCodesIn(ctx: Context, session: HeldAuthority): void {
  ctx.state['codesGivenIn'] = session;
}

/**
 * On whose authority the engine writes what it is about to write: a person's on our pages; elsewhere the client's, at the epoch
 * that was read when the request came. A code is given to the browser of somebody who is signed in, and on their authority too.
 * Whatever else a browser leaves gives nobody anything: what was left by it is decided on when a client redeems it.
 *
 * @param model what is written
 */
export function actingAuthority(model: string): Authority {
  const held = ofSession.getStore();
  if (held) return held;
  const oidc = Provider.ctx?.oidc;
  const client = oidc?.client;
  const lineage = client?.[CLIENT_HANDLE];
  if (!oidc || !client || typeof lineage !== 'string') return { none: 'stranger' };
  // A public client is many people's at once, and has proved nothing.
  const isProven = CLIENT_ROUTES.has(oidc.route) && client.clientAuthMethod !== 'none';
  const id = lineage.slice(0, lineage.lastIndexOf(':'));
  const session = sessionBehind(model);
  if (session) return { ...session, lineage: `${session.lineage} ${lineage as Handle}` };
  return { lineage, expiresAt: WITHOUT_END_MS, own: isProven ? [id] : [] };
}

function sessionBehind(model: string): HeldAuthority | undefined {
  return model === 'AuthorizationCode' ? Provider.ctx?.state['codesGivenIn'] : undefined;
}

/**
 * @param model what was not written
 * @throws {errors.AccessDenied} where it was the code of a person whose session, or who themselves, has ended
 * @throws {errors.InvalidClientAuth} where it was the client's authority, which has ended
 * @throws {Refused<'authority-ended'>} where it was a person's
 */
export function refuseEnded(outcome: CommitOutcome, model: string): void {
  if (outcome.committed || outcome.conflict !== 'authority-ended') return;
  if (ofSession.getStore()) assertAuthorityHeld(outcome);
  if (sessionBehind(model)) throw new errors.AccessDenied('what this was allowed by has ended');
  throw clientNotProven('authority-ended');
}
