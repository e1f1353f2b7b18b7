import type { AdminScope } from '../../src/admin-api/index.ts';
import { type AdminClient, createClient } from '../../src/client/index.ts';
import type { App } from './start-app.ts';

/** A client of the admin API as the bootstrap administrator. */
export function adminClient(app: App, scopes?: readonly AdminScope[]): AdminClient {
  const { clientId, secret } = app.admin;
  return createClient({ issuer: app.issuer, clientId, clientSecret: secret, ...(scopes && { scopes }) });
}
