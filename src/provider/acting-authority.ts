import { AsyncLocalStorage } from 'node:async_hooks';
import { Provider } from 'oidc-provider';
import {
  type Authority,
  assertAuthorityHeld,
  type CommitOutcome,
  type HeldAuthority,
  WITHOUT_END_MS,
} from '../audit/index.ts';
import { CLIENT_HANDLE } from './client-metadata.ts';
import { clientNotProven } from './errors.ts';

const ofSession = new AsyncLocalStorage<HeldAuthority>();

/** Where clients prove who they are: what is done there, is done by them. */
const CLIENT_ROUTES = new Set(['token', 'pushed_authorization_request']);

/** Has the engine work on the authority of whoever is signed in with us. */
export function onAuthorityOf<T>(authority: HeldAuthority, work: () => Promise<T>): Promise<T> {
  return ofSession.run(authority, work);
}

/**
 * On whose authority the engine writes what it is about to write: a person's on our pages; elsewhere the client's, at the epoch
 * that was read when the request came. A browser that comes without any leaves nothing that gives anybody anything: what was
 * left by it is decided on when a client redeems it.
 */
export function actingAuthority(): Authority {
  const held = ofSession.getStore();
  if (held) return held;
  const oidc = Provider.ctx?.oidc;
  const client = oidc?.client;
  const lineage = client?.[CLIENT_HANDLE];
  if (!oidc || !client || typeof lineage !== 'string') return { none: 'stranger' };
  // A public client is many people's at once, and has proved nothing.
  const isProven = CLIENT_ROUTES.has(oidc.route) && client.clientAuthMethod !== 'none';
  const id = lineage.slice(0, lineage.lastIndexOf(':'));
  return { lineage, expiresAt: WITHOUT_END_MS, own: isProven ? [id] : [] };
}

/**
 * @throws {errors.InvalidClientAuth} where it was the client's authority, which has ended
 * @throws {Refused<'authority-ended'>} where it was a person's
 */
export function refuseEnded(outcome: CommitOutcome): void {
  if (outcome.committed || outcome.conflict !== 'authority-ended') return;
  if (ofSession.getStore()) assertAuthorityHeld(outcome);
  throw clientNotProven('authority-ended');
}
