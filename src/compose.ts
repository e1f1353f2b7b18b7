/**
 * The composition root: the one file that knows every folder. It builds what each part needs and hands it over; nothing here
 * decides anything.
 */
import { generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { JWK } from 'jose';
import type { Logger } from 'pino';
import { type Agent, agentRoutes, agentStatus, ensureAdminApi, scopesAt } from './agents/index.ts';
import { auditRoutes, type Origin, RefusalCounter, startCheckpoints } from './audit/index.ts';
import { type Background, recur } from './background.ts';
import type { Client, ClientDirectory } from './clients/index.ts';
import type { Clock } from './clock.ts';
import { type Config, parseKeyEncryptionKey } from './config/index.ts';
import { readOrMakeBootstrapClient, readOrMakeKeyEncryptionKey } from './first-start.ts';
import { adminApiPath, createAdminShell } from './http/admin-shell.ts';
import { createApp } from './http/app.ts';
import { readForm } from './http/form.ts';
import { metadataRoutes } from './http/metadata.ts';
import { peerAddress } from './http/peer-address.ts';
import { probeRoutes } from './http/probes.ts';
import { newId } from './ids.ts';
import {
  ensureSigningKeys,
  type SealingKey,
  SigningKeyring,
  sealingKey,
  signingKeyRoutes,
} from './keys/index.ts';
import { peopleRoutes } from './people/index.ts';
import { createEngine, ENGINE_GRANT_TYPES, type GrantableResource } from './provider/index.ts';
import { type Resource, resourceRoutes } from './resources/index.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { AccessTokenSigner, machineRoutes } from './tokens/index.ts';

/** Expired rows go in small batches: often enough that there are never many. */
const SWEEP_PAUSE_MS = 2_000;
const REFUSALS_PAUSE_MS = 5_000;

export interface Composition {
  readonly handler: RequestListener;
  readonly store: Store;
  /** From now on `/readyz` says that the process is stopping. */
  announceStop(): void;
  /** Ends background work and closes the store. Requests must have been drained. */
  close(): Promise<void>;
}

export interface ComposeOptions {
  readonly config: Config;
  /** The issuer identifier: configured, or known once the server listens. */
  readonly issuer: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens the store, sees to what a first start needs, and puts the parts together. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const { config, issuer, clock, log } = options;
  const store = await openStore(config.store, { now: clock, lane: newId('lane', clock()) });
  log.info({ store: store.description }, 'store open');
  const origin: Origin = { requestId: newId('req', clock()), now: clock() };
  const kek = keyEncryptionKey(config);
  const sealing = sealingKey(kek);
  await prepareFirstStart(store, sealing, options, origin);

  const refusals = new RefusalCounter({
    audit: store,
    now: clock,
    onError: error => log.warn({ err: error }, 'a refusal could not be recorded yet'),
  });
  const checkpoints =
    config.auditCheckpoint &&
    (await startCheckpoints({
      auditStore: store,
      key: config.auditCheckpoint.privateKey,
      file: config.auditCheckpoint.file,
      issuer,
      now: clock,
      onProblem: error => log.error({ err: error }, 'audit checkpoint failed'),
    }));
  const keyring = new SigningKeyring(store, sealing);
  const signer = new AccessTokenSigner(keyring, issuer);
  let isStopping = false;
  const issuerUrl = new URL(issuer);
  const prefix = issuerUrl.pathname === '/' ? '' : issuerUrl.pathname;
  const managed = { agents: store, people: store, resources: store, freshness: store };
  const adminPrefix = `${adminApiPath(issuerUrl)}/v1`;
  const adminShell = createAdminShell({ tokens: store, signer, issuer: issuerUrl, audit: store, refusals });
  const engine = createEngine({
    issuer: issuerUrl,
    records: store,
    clients: clientDirectory(store),
    freshness: store,
    now: clock,
    findGrantable: (clientId, resource) => findGrantable(store, clientId, resource),
    cookieKey: Buffer.from(hkdfSync('sha256', kek.export(), '', 'countersign cookies', 32)).toString(
      'base64url',
    ),
    signingKey: newEngineKey(),
  });
  const app = createApp(
    engine,
    {
      issuer: issuerUrl,
      clock,
      log,
      addressOf: peerAddress(config.trustedProxies),
      docsUrl: `${issuer}/docs/errors`,
    },
    [
      machineRoutes(
        {
          clients: clientDirectory(store),
          tokens: store,
          agents: store,
          people: store,
          resources: store,
          signer,
          refusals,
          issuer,
          maxTtlSeconds: config.accessTokenTtlSeconds,
          otherGrantTypes: ENGINE_GRANT_TYPES,
          readForm: ctx => readForm(ctx, issuerUrl.origin),
        },
        prefix,
      ),
      agentRoutes(managed, adminShell, adminPrefix),
      peopleRoutes(managed, adminShell, adminPrefix),
      resourceRoutes(managed, adminShell, adminPrefix),
      signingKeyRoutes({ keys: store, sealing, freshness: store }, adminShell, adminPrefix),
      auditRoutes({ audit: store }, adminShell, adminPrefix),
      metadataRoutes({
        issuer,
        publicKeys: async () => {
          await store.fresh();
          await keyring.refresh();
          return keyring.publicKeys;
        },
      }),
      probeRoutes({
        version: options.version,
        checks: { store: () => store.fresh() },
        isStopping: () => isStopping,
      }),
    ],
  );

  const background: readonly Background[] = [
    recur(
      () => refusals.sweep(),
      REFUSALS_PAUSE_MS,
      error => log.warn({ err: error }, 'counting refusals failed'),
    ),
    recur(
      () => sweep(store),
      SWEEP_PAUSE_MS,
      error => log.warn({ err: error }, 'sweep failed'),
    ),
  ];
  return {
    handler: app.callback(),
    store,
    announceStop: () => {
      isStopping = true;
    },
    close: async () => {
      await Promise.all(background.map(work => work.stop()));
      await refusals.flush();
      await checkpoints?.stop();
      await store.close();
    },
  };
}

/** The configured key-encryption key, or the one that was made at first start. */
function keyEncryptionKey(config: Config): KeyObject {
  return (
    config.keyEncryptionKey ?? parseKeyEncryptionKey(readOrMakeKeyEncryptionKey(config.keyEncryptionKeyFile))
  );
}

/** Makes what must exist before the first request: signing keys, the admin API and the client that may use it. */
async function prepareFirstStart(
  store: Store,
  sealing: SealingKey,
  options: ComposeOptions,
  origin: Origin,
): Promise<void> {
  const { config, issuer, log } = options;
  await ensureSigningKeys({ keys: store, sealing, freshness: store }, origin);
  const bootstrap = config.bootstrapClient
    ? { clientId: config.bootstrapClient.id, secret: config.bootstrapClient.secret.reveal() }
    : readOrMakeBootstrapClient(config.bootstrapClientFile, origin.now);
  const deps = { store, agents: store, people: store, resources: store, freshness: store };
  const { created, clientId } = await ensureAdminApi(deps, issuer, bootstrap, origin);
  if (created) {
    const where = config.bootstrapClient ? 'configuration' : config.bootstrapClientFile;
    log.info({ clientId, credentials: where }, 'bootstrap administrator registered');
  }
}

/** What an agent may ask of a resource server through the browser: what its envelope has there. */
async function findGrantable(
  store: Store,
  clientId: string,
  identifier: string,
): Promise<GrantableResource | undefined> {
  const [agent, resource] = await Promise.all([
    store.findAgent(clientId),
    store.findResourceByIdentifier(identifier),
  ]);
  if (!agent || resource?.status !== 'active') return undefined;
  const scopes = scopesAt(agent.envelope, resource.identifier);
  if (scopes.length === 0) return undefined;
  return { audience: resource.identifier, scopes, ttlSeconds: resource.accessTokenTtlSeconds };
}

/** The engine insists on a key; see `EngineDeps.signingKey`. */
function newEngineKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...(privateKey.export({ format: 'jwk' }) as { kty: string }), alg: 'ES256', use: 'sig' };
}

/** Agents and resource servers are clients; the prefix of an identifier tells which. */
function clientDirectory(store: Store): ClientDirectory {
  return {
    async findClient(clientId, nowMs) {
      // A secret that another process has replaced proves nothing here either, and its successor does (I7).
      await store.fresh();
      if (clientId.startsWith('agt_')) return agentClient(await store.findAgent(clientId), nowMs);
      if (clientId.startsWith('res_')) return resourceClient(await store.findResource(clientId));
      return undefined;
    },
  };
}

function agentClient(agent: Agent | undefined, nowMs: number): Client | undefined {
  return (
    agent && {
      clientId: agent.id,
      kind: 'agent',
      principalId: agent.id,
      credential: agent.credential,
      enabled: agentStatus(agent, nowMs) === 'active',
    }
  );
}

function resourceClient(resource: Resource | undefined): Client | undefined {
  return (
    resource && {
      clientId: resource.id,
      kind: 'resource',
      principalId: resource.id,
      credential: resource.credential,
      enabled: resource.status === 'active',
    }
  );
}

/** Sweeps until there is nothing left to sweep; each batch is short, so commits hardly wait. */
async function sweep(store: Store): Promise<void> {
  while ((await store.sweep()) > 0);
}
