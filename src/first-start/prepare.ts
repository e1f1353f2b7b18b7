import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import {
  type AdminApiReport,
  type BootstrapAdmin,
  type BootstrapAdminDeps,
  ensureAdminApi,
  retireBootstrapClients,
} from '../agents/index.ts';
import type { Freshness, Origin } from '../audit/index.ts';
import type { Config } from '../config/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../deployment-epoch.ts';
import { ensureSigningKeys } from '../keys/index.ts';
import {
  BOOTSTRAP_OPERATOR_ID,
  ensureFirstAdministrator,
  isAdministered,
  type SignInDeps,
} from '../people/index.ts';
import { readBootstrapClient, writePrivateFile } from './secret-files.ts';

type PrepareConfig = Pick<Config, 'bootstrapClient' | 'bootstrapClientFile' | 'firstAdministratorFile'>;

export interface PrepareDeps {
  readonly admin: BootstrapAdminDeps & Parameters<typeof retireBootstrapClients>[0];
  readonly signingKeys: Parameters<typeof ensureSigningKeys>[0];
  readonly signIn: SignInDeps;
  readonly issuer: string;
  readonly config: PrepareConfig;
  readonly log: Logger;
}

/**
 * Makes what must exist before the first request: signing keys, the admin API, the client that may use it, and a way for the first
 * administrator to enrol. What is there stays.
 */
export async function prepareFirstStart(deps: PrepareDeps, origin: Origin): Promise<void> {
  const { admin, signIn, issuer, config, log } = deps;
  await ensureSigningKeys(deps.signingKeys, origin);
  if (await isAdministered(signIn)) {
    tellChanges(log, await ensureAdminApi(admin, issuer, undefined, origin));
    await retireBootstrapClients(admin, origin);
  } else {
    const bootstrap = bootstrapClient(config);
    const report = await ensureAdminApi(admin, issuer, bootstrap, origin);
    tellChanges(log, report);
    const client = bootstrap && {
      clientId: bootstrap.clientId,
      credentials: bootstrap.from === 'file' ? resolve(config.bootstrapClientFile) : bootstrap.from,
    };
    if (report.created) log.info(client, 'bootstrap administrator registered');
    if (report.isSecretReplaced)
      log.info(client, 'the secret of the bootstrap administrator was replaced, and stays so');
  }
  if (isQuarantineEpoch(signIn.epochs.raisedTo(DEPLOYMENT))) return;
  const path = config.firstAdministratorFile;
  const isLinkMade = await ensureFirstAdministrator(
    signIn,
    BOOTSTRAP_OPERATOR_ID,
    {
      read: () => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
      write: link => writePrivateFile(path, link),
      remove: () => rmSync(path, { force: true }),
    },
    origin,
  );
  if (isLinkMade)
    log.info({ link: resolve(path) }, 'the first administrator enrols by the link in this file');
}

/**
 * What is to be done once a person administers the server: the client that it was set up with is no longer needed, nor is the link.
 *
 * @returns may be called again
 */
export function endFirstStart(
  admin: Parameters<typeof retireBootstrapClients>[0] & { readonly freshness: Freshness },
  config: Pick<PrepareConfig, 'firstAdministratorFile'>,
  log: Logger,
): (origin: Origin) => Promise<void> {
  return async origin => {
    await retireBootstrapClients(admin, origin);
    rmSync(config.firstAdministratorFile, { force: true });
    log.info('a person administers this server now: the bootstrap client is retired');
  };
}

/**
 * An upgrade has brought new rights, and somebody has them now, or a move to another issuer has found a name taken: that is not left to
 * the trail alone.
 */
function tellChanges(log: Logger, { newScopes, widened, movedFrom, nameTakenBy }: AdminApiReport): void {
  if (movedFrom !== undefined) {
    log.warn(
      { before: movedFrom },
      'this store was used under another issuer: tokens and client configurations of that one are invalid from now on; two servers on one store need the same COUNTERSIGN_ISSUER',
    );
  }
  if (nameTakenBy) {
    log.warn(
      { resource: nameTakenBy.id, identifier: nameTakenBy.identifier },
      'the admin API has its name taken by another resource server, which gets no tokens by it any more; in envelopes, the admin API keeps the name that it had under the issuer before',
    );
  }
  if (newScopes.length === 0) return;
  const whoHasThem = widened.length > 0 ? 'the bootstrap administrator has them' : 'nobody has them yet';
  log.warn({ newScopes, agents: widened }, `the admin API has new scopes; ${whoHasThem}`);
}

/** The client that the server is set up with: the configured one, or the one that the first start wrote down. */
function bootstrapClient(config: PrepareConfig): BootstrapAdmin | undefined {
  if (config.bootstrapClient) {
    const { id, secret } = config.bootstrapClient;
    return { clientId: id, secret: secret.reveal(), from: 'configuration' };
  }
  const kept = readBootstrapClient(config.bootstrapClientFile);
  return kept && { ...kept, from: 'file' };
}
