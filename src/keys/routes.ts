import Router from '@koa/router';
import type { AdminShell } from '../admin-shell.ts';
import type { SigningKeyDeps } from './create-signing-key.ts';
import { killSigningKey } from './kill-signing-key.ts';
import type { SigningKey } from './signing-key.ts';

/** What is shown of a signing key: never its private half, sealed or not. */
export interface SigningKeyView {
  readonly id: string;
  readonly alg: string;
  readonly status: SigningKey['status'];
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Signing keys in the admin API. */
export function signingKeyRoutes(deps: SigningKeyDeps, shell: AdminShell, prefix: string): Router {
  const router = new Router({ sensitive: true, strict: true, prefix });
  router.get(
    '/keys',
    shell.endpoint('read', async () => ({
      body: { items: (await deps.keys.listSigningKeys()).map(viewKey) },
    })),
  );
  router.post(
    '/keys/:id/kill',
    shell.endpoint('keys', async ({ id, origin }) => {
      const key = await killSigningKey(deps, id, origin);
      return { body: viewKey(key), version: key.version };
    }),
  );
  return router;
}

function viewKey({ id, alg, status, createdAt, updatedAt }: SigningKey): SigningKeyView {
  return {
    id,
    alg,
    status,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
