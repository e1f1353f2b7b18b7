/**
 * The composition root: the one file that knows every folder. It builds what each part needs and hands it over; nothing here
 * decides anything.
 */

import { generateKeyPairSync, hkdfSync } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { JWK } from 'jose';
import type { Context } from 'koa';
import type { Logger } from 'pino';
import { ADMIN_CALLS } from './admin-api/calls.ts';
import {
  type AdminApiReport,
  type Agent,
  agentIdOf,
  agentRoutes,
  agentStatus,
  type BootstrapAdmin,
  ensureAdminApi,
  retireBootstrapClients,
  scopesAt,
  strongerAgentsOf,
} from './agents/index.ts';
import { Applications, isSelfRegisteredId, registrationRoutes } from './applications/index.ts';
import {
  type AuthorisedOrigin,
  auditRoutes,
  type CheckpointDelivery,
  type Origin,
  pruneTrail,
  RefusalCounter,
  startCheckpoints,
  startDelivery,
} from './audit/index.ts';
import { type Background, recur } from './background.ts';
import { type Client, type ClientDirectory, DpopNonces, PublishedKeys } from './clients/index.ts';
import { certainMoment, type Deadline, type ServerClock } from './clock.ts';
import type { Config } from './config/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from './deployment-epoch.ts';
import { Egress } from './egress/index.ts';
import { Refused, StoreUnavailable } from './errors.ts';
import { explainRoutes } from './explain/index.ts';
import { openKeyEncryptionKey, readBootstrapClient, writePrivateFile } from './first-start/index.ts';
import {
  answerJson,
  assertOpen,
  createAdminRouter,
  createApp,
  createQuarantineGate,
  createReadiness,
  docsRoutes,
  ERROR_CATALOGUE,
  engineReferences,
  metadataRoutes,
  openApiRoutes,
  peerAddress,
  probeRoutes,
  readForm,
  readJson,
} from './http/index.ts';
import { newId } from './ids.ts';
import {
  advanceSigningKeys,
  ensureSigningKeys,
  rotateBySchedule,
  type SealingKey,
  SigningKeyring,
  sealingKey,
  signingKeyRoutes,
} from './keys/index.ts';
import { Limits } from './limits/index.ts';
import { handle } from './liveness.ts';
import type { MetricSources } from './metrics/index.ts';
import { type ConnectionFigures, RequestMeter } from './observability/index.ts';
import { newOrigin } from './origin.ts';
import { browserCookies, pageRoutes } from './pages/index.ts';
import {
  BOOTSTRAP_OPERATOR_ID,
  ensureFirstAdministrator,
  findSession,
  isAdministered,
  newSignInFigures,
  peopleRoutes,
  resealCredentials,
  type SignInDeps,
} from './people/index.ts';
import {
  createEngine,
  ENGINE_GRANT_TYPES,
  type EngineClients,
  type GrantableResource,
  setProvenKey,
} from './provider/index.ts';
import {
  forgetOlderKeyEncryptionKeys,
  highWaterMarkFile,
  keepHighWaterMark,
  noteKeyEncryptionKey,
  openDeployment,
} from './recovery/index.ts';
import { ErrorReferences, refusalRoutes } from './refusals/index.ts';
import { type Resource, resourceRoutes } from './resources/index.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import {
  AccessTokenSigner,
  endGrant,
  type GrantRefusal,
  isGrantAlive,
  issueForPerson,
  MAX_JWT_TTL_SECONDS,
  machineRoutes,
  tokenRoutes,
} from './tokens/index.ts';

/** Expired rows go in small batches: often enough that there are never many. */
/** A start waits this long for a store that cannot tell yet. */
const START_PATIENCE_MS = 60_000;
const START_PAUSE_MS = 500;
const SWEEP_PAUSE_MS = 2_000;
const REFUSALS_PAUSE_MS = 5_000;
const SIGNING_KEYS_PAUSE_MS = 5_000;
/** A commit that takes longer: requests that change something had better go to another process. */
const SLOW_COMMIT_MS = 5_000;
/** Checkpoints are exported once a minute. */
const UNEXPORTED_MS = 300_000;
const DAY_MS = 86_400_000;
const PRUNE_PAUSE_MS = 600_000;
/** How long pruning waits for the delivery of the checkpoint that vouches for it. */
const DELIVERY_TRIES = 50;
const DELIVERY_PAUSE_MS = 100;
/** How far the clocks of processes and verifiers may be apart before a key leaves the JWKS too early for somebody. */
const CLOCKS_APART_MS = 300_000;
const QUARANTINE_NOTICE =
  'QUARANTINED: the store came out of a backup, so no token is issued or accepted; `countersign quarantine status` says what to do';

export interface Composition {
  readonly handler: RequestListener;
  readonly store: Store;
  /** Where everything is that can be measured. */
  readonly metrics: Omit<MetricSources, 'certificateEndsAt'>;
  /** Counts a failure of work in the background that is not its own. */
  noteFailure(work: string): void;
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
  readonly clock: ServerClock;
  readonly log: Logger;
  /** Of the port that requests come in by. */
  readonly connections: ConnectionFigures;
  /** Ends the waits for others; the system's where absent. */
  readonly deadline: Deadline | undefined;
  /** How many times longer than usual the database may take; 1 where absent. */
  readonly patience: number | undefined;
}

/** Opens the store, sees to what a first start needs, and puts the parts together. What fails leaves no store open. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const { config, clock } = options;
  const store = await openStore(config.store, {
    now: clock.now,
    lane: newId('lane', clock.now()),
    patience: options.patience,
  });
  try {
    return await composeOn(store, options);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function composeOn(store: Store, options: ComposeOptions): Promise<Composition> {
  const { config, issuer, clock, log } = options;
  log.info({ store: store.description }, 'store open');
  const origin = newOrigin(clock.moment());
  const kek = await onceItCanTell(log, () => openKeyEncryptionKey(store, config, clock.now()));
  const sealing = sealingKey(kek, config.olderKeyEncryptionKeys);
  const signingKeys = {
    keys: store,
    sealing,
    freshness: store,
    timing: {
      overlapMs: config.signingKeyOverlapSeconds * 1_000,
      verifiesMs: MAX_JWT_TTL_SECONDS * 1_000 + CLOCKS_APART_MS,
    },
    resealRest: async (own: AuthorisedOrigin) => {
      const seals = { people: store, credentials: store, freshness: store, sealing };
      const resealed = await resealCredentials(seals, own);
      await forgetOlderKeyEncryptionKeys({ deployment: store, freshness: store }, sealing, own);
      return resealed;
    },
  };
  const markFile = highWaterMarkFile(config.dataDirectory);
  const deployment = await onceItCanTell(log, () =>
    openDeployment({ deployment: store, freshness: store, trail: store, markFile }, origin),
  );
  await onceItCanTell(log, () =>
    noteKeyEncryptionKey({ deployment: store, freshness: store }, sealing, origin),
  );
  if (deployment.quarantine) log.error({ quarantine: deployment.quarantine }, QUARANTINE_NOTICE);
  const refusals = new RefusalCounter({
    audit: store,
    now: clock.now,
    onError: error => log.warn({ err: error }, 'a refusal could not be recorded yet'),
  });
  const signIn = signInDeps(store, sealing, refusals, options);
  await onceItCanTell(log, () => prepareFirstStart(store, sealing, signIn, options, origin));

  let delivery: CheckpointDelivery | undefined;
  const checkpoints =
    config.auditCheckpoint &&
    (await startCheckpoints({
      auditStore: store,
      key: config.auditCheckpoint.privateKey,
      file: config.auditCheckpoint.file,
      issuer,
      now: clock.now,
      isPaused: () => isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT)),
      onWritten: durableSize => delivery?.wake(durableSize),
      onProblem: error => log.error({ err: error }, 'audit checkpoint failed'),
    }));
  const egress = new Egress({
    allowedHosts: config.egress.allow.hosts,
    allowedNetworks: config.egress.allow.networks,
    extraCa: config.egress.extraCa,
    deadline: options.deadline,
  });
  if (checkpoints && config.auditCheckpoint?.url) {
    const { file, url } = config.auditCheckpoint;
    delivery = await startDelivery(
      {
        file,
        url: url.reveal(),
        egress,
        now: clock.now,
        onProblem: error =>
          log.error({ err: error }, 'audit checkpoints are not being delivered: they wait in their file'),
        onRecovery: () => log.info('audit checkpoints are being delivered again'),
        deadline: options.deadline,
      },
      checkpoints.durableSize,
    );
  }
  const publishedKeys = new PublishedKeys({ egress, refusals });
  const applications = new Applications({ agents: store, descriptions: store, egress, refusals });
  const limits = new Limits({
    attempts: store,
    ...config.limits,
    refusals,
    onError: error => log.warn({ err: error }, 'failed authentications could not be shared yet'),
  });
  const introspections = { active: 0, inactive: 0, foreign: 0 };
  const dpop = {
    nonces: new DpopNonces(Buffer.from(hkdfSync('sha256', kek.export(), '', 'countersign dpop nonces', 32))),
    nonceRequired: config.dpopNonces === 'required',
    refusals,
  };
  const keyring = new SigningKeyring(store, sealing, clock.now, error =>
    log.error({ err: error }, 'a signing key cannot be used by this process'),
  );
  const signer = new AccessTokenSigner(keyring, issuer);
  const references = new ErrorReferences(kek, config.olderKeyEncryptionKeys, ERROR_CATALOGUE.keys());
  let isStopping = false;
  const isExported = async (): Promise<boolean> => {
    const asked = clock.now();
    if (!checkpoints || isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT))) return false;
    await checkpoints.checkpointNow();
    for (let tries = 0; delivery?.figures.waitingSince !== undefined; tries += 1) {
      if (isStopping || tries === DELIVERY_TRIES) return false;
      await delay(DELIVERY_PAUSE_MS);
    }
    return checkpoints.figures.coveredUntil >= asked;
  };
  const issuerUrl = new URL(issuer);
  const prefix = issuerUrl.pathname === '/' ? '' : issuerUrl.pathname;
  const meter = new RequestMeter(prefix);
  const docsUrl = `${issuer}/docs/errors`;
  const managed = { agents: store, people: store, resources: store, freshness: store };
  const admin = createAdminRouter(
    {
      tokens: store,
      signer,
      dpop: { nonces: dpop.nonces, nonceRequired: dpop.nonceRequired },
      issuer: issuerUrl,
      audit: store,
      idempotency: {
        answers: store,
        keyEncryption: { kek, older: config.olderKeyEncryptionKeys },
        inProgress: new Set(),
      },
      refusals,
      limits,
    },
    ADMIN_CALLS,
  );
  agentRoutes(managed, admin);
  peopleRoutes(
    { ...managed, signIn, findStrongerAgents: (...asked) => strongerAgentsOf(managed, ...asked) },
    admin,
  );
  resourceRoutes(managed, admin);
  signingKeyRoutes(signingKeys, admin);
  tokenRoutes({ tokens: store, agents: store }, admin);
  explainRoutes(
    {
      tokens: store,
      agents: store,
      people: store,
      resources: store,
      signer,
      audit: store,
      catalogue: ERROR_CATALOGUE,
      maxTtlSeconds: config.accessTokenTtlSeconds,
    },
    admin,
  );
  auditRoutes({ audit: store }, admin);
  refusalRoutes({ references, audit: store, catalogue: ERROR_CATALOGUE, docsUrl }, admin);
  const cookies = browserCookies(issuerUrl);
  /** Through whom a person uses an application: what says what it may, and the agent of their own. */
  const findParties = async (clientId: string, personId: string, now: number) => {
    const application = await applications.governing(clientId, now);
    const agent =
      application && (await store.findAgent(agentIdOf({ record: application, clientId }, personId)));
    return agent && { application, agent };
  };
  const engine = createEngine({
    issuer: issuerUrl,
    refer: engineReferences(references, docsUrl),
    records: store,
    clients: engineClients(store, applications),
    publishedKeys,
    freshness: store,
    moment: () => clock.moment(),
    findGrantable: async (clientId, resource) =>
      findGrantable(store, await applications.governing(clientId, clock.moment().latest), resource),
    findDefaultResource: async clientId =>
      (await applications.governing(clientId, clock.moment().latest))?.defaultResource,
    isActivePerson: async id => (await store.findPerson(id))?.status === 'active',
    currentSession: async ctx => {
      const value = cookies.get(ctx, 'session');
      const session = value === undefined ? undefined : await findSession(signIn, value, originOf(ctx));
      return (
        session && {
          personId: session.person.id,
          authenticatedAt: session.authenticatedAt,
          acr: session.acr,
        }
      );
    },
    isVerified: clientId => !isSelfRegisteredId(clientId),
    isGrantAlive: async ({ grantId, clientId, personId }) => {
      await store.fresh();
      const parties = await findParties(clientId, personId, clock.moment().latest);
      return (
        parties !== undefined &&
        agentStatus(parties.agent, clock.moment().latest) === 'active' &&
        isGrantAlive({ tokens: store, people: store }, { ...parties, grantId })
      );
    },
    issue: async ({ clientId, personId, ...request }, requestOrigin) => {
      await store.fresh();
      const parties = await findParties(clientId, personId, requestOrigin.latest);
      if (!parties) throw new Refused<GrantRefusal>('grant-ended');
      const deps = {
        tokens: store,
        agents: store,
        people: store,
        resources: store,
        signer,
        issuer,
        maxTtlSeconds: config.accessTokenTtlSeconds,
      };
      return issueForPerson(deps, { ...request, ...parties, clientId }, requestOrigin);
    },
    refusals,
    limits,
    endGrant: (grantId, reason, requestOrigin) => endGrant(store, grantId, reason, requestOrigin),
    cookieKeys: [kek, ...config.olderKeyEncryptionKeys].map(key =>
      Buffer.from(hkdfSync('sha256', key.export(), '', 'countersign cookies', 32)).toString('base64url'),
    ),
    signingKey: newEngineKey(),
  });
  const readiness = createReadiness(
    {
      process: { check: () => failWhen(isStopping, 'stopping') },
      store: { check: () => store.fresh() },
      commits: {
        check: () => failWhen(store.figures.commits.oldestWaitMs() > SLOW_COMMIT_MS, 'a commit does not end'),
      },
      quarantine: { check: () => assertOpen(store.epochs) },
      // Opaque tokens need none.
      signingKeys: {
        check: async () => {
          await keyring.refresh();
          failWhen(keyring.publicKeys.keys.length === 0, 'no signing key can be used');
        },
        isAdvisory: true,
      },
      ...(checkpoints && {
        // The trail itself is in the store: not to answer would not export it any sooner.
        auditCheckpoint: {
          check: () =>
            failWhen(clock.now() - checkpoints.figures.coveredUntil > UNEXPORTED_MS, 'not exported'),
          isAdvisory: true as const,
        },
      }),
      ...(delivery && {
        auditDelivery: {
          check: () => failWhen(isLongAgo(delivery.figures.waitingSince, clock.now()), 'not delivered'),
          isAdvisory: true as const,
        },
      }),
    },
    options.deadline,
  );
  const app = createApp(
    engine,
    {
      issuer: issuerUrl,
      clock,
      log,
      addressOf: peerAddress(config.trustedProxies),
      docsUrl,
      references,
      meter,
      limits,
      quarantineGate: createQuarantineGate({
        epochs: store.epochs,
        fresh: () => store.fresh(),
        refusals,
        prefix,
      }),
      isStopping: () => isStopping,
    },
    [
      machineRoutes(
        {
          clients: clientDirectory(store),
          publishedKeys,
          tokens: store,
          agents: store,
          people: store,
          resources: store,
          signer,
          refusals,
          limits,
          introspections,
          dpop,
          issuer,
          maxTtlSeconds: config.accessTokenTtlSeconds,
          otherGrantTypes: ENGINE_GRANT_TYPES,
          onKeyProved: setProvenKey,
          applications: everyClient(store, applications),
          findHeldGrant: engine.heldGrants.find,
          endGrant: engine.heldGrants.end,
          readForm: (ctx, admits) => readForm(ctx, issuerUrl.origin, admits),
          answerJson,
        },
        prefix,
      ),
      registrationRoutes({ applications, descriptions: store, limits, readJson }, prefix),
      metadataRoutes({
        issuer,
        features: () => applications.features(clock.moment().latest),
        publicKeys: async () => {
          await store.fresh();
          await keyring.refresh();
          return keyring.publicKeys;
        },
      }),
      admin,
      openApiRoutes({ calls: ADMIN_CALLS, issuer, version: options.version, docsUrl }),
      docsRoutes({ issuer, version: options.version }),
      pageRoutes({
        issuer: issuerUrl,
        maxTtlSeconds: config.accessTokenTtlSeconds,
        interactions: engine.interactions,
        tokens: store,
        signIn,
        agents: store,
        applications,
        resources: store,
        audit: store,
        freshness: store,
        references,
        docsUrl,
        onError: (error, { requestId }) => log.error({ err: error, requestId }, 'page failed'),
        onRefusal: (path, reason) => meter.countRefusal(path, reason),
      }),
      probeRoutes({
        version: options.version,
        readiness,
        oldestCommitMs: () => store.figures.commits.oldestWaitMs(),
      }),
    ],
  );

  const backgroundFailures = new Map<string, number>();
  const noteFailure = (work: string): void => {
    backgroundFailures.set(work, (backgroundFailures.get(work) ?? 0) + 1);
  };
  const failed =
    (work: string, message: string) =>
    (error: unknown): void => {
      noteFailure(work);
      log.warn({ err: error }, message);
    };
  const background: readonly Background[] = [
    keepHighWaterMark({
      file: markFile,
      deployment: store,
      trail: store,
      onProblem: failed('high-water-mark', 'the high-water mark could not be written'),
    }),
    recur(() => refusals.sweep(), REFUSALS_PAUSE_MS, failed('refusals', 'counting refusals failed')),
    recur(
      async () => {
        const own = newOrigin(clock.moment());
        await advanceSigningKeys(signingKeys, own);
        await rotateBySchedule(signingKeys, config.signingKeyRotationDays * DAY_MS, own);
      },
      SIGNING_KEYS_PAUSE_MS,
      failed('signing-keys', 'signing keys could not be seen to'),
    ),
    ...(checkpoints && config.auditRetentionDays !== undefined
      ? [
          recur(
            () =>
              pruneTrail(
                { store, isExported },
                clock.now() - (config.auditRetentionDays ?? 0) * DAY_MS,
                newOrigin(clock.moment()),
              ),
            PRUNE_PAUSE_MS,
            failed('retention', 'the audit trail could not be pruned'),
          ),
        ]
      : []),
    recur(() => sweep(store), SWEEP_PAUSE_MS, failed('sweep', 'sweep failed')),
  ];
  return {
    handler: app.callback(),
    store,
    metrics: {
      version: options.version,
      requests: meter,
      connections: options.connections,
      store: store.figures,
      introspections,
      limits,
      egress,
      checkpoints: checkpoints?.figures,
      checkpointDelivery: delivery?.figures,
      backgroundFailures,
      readiness: async () => new Map([...(await readiness())].map(([name, { state }]) => [name, state])),
      now: clock.now,
    },
    noteFailure,
    announceStop: () => {
      isStopping = true;
    },
    close: async () => {
      await Promise.all(background.map(work => work.stop()));
      await limits.close();
      await refusals.flush();
      await checkpoints?.stop();
      await delivery?.stop();
      await store.close();
    },
  };
}

function isLongAgo(since: number | undefined, now: number): boolean {
  return since !== undefined && now - since > UNEXPORTED_MS;
}

/** @throws {Error} with the reason, where it is so */
function failWhen(isSo: boolean, reason: string): void {
  if (isSo) throw new Error(reason);
}

/** What people sign in with. Once one of them administers the server, the client that it was set up with is no longer needed. */
function signInDeps(
  store: Store,
  sealing: SealingKey,
  refusals: RefusalCounter,
  { config, issuer, log }: ComposeOptions,
): SignInDeps {
  return {
    people: store,
    credentials: store,
    passes: store,
    store,
    freshness: store,
    epochs: store.epochs,
    attempts: store,
    sealing,
    refusals,
    issuer,
    figures: newSignInFigures(),
    async onAdministratorEnrolled(origin) {
      await retireBootstrapClients({ agents: store, resources: store, freshness: store }, origin);
      rmSync(config.firstAdministratorFile, { force: true });
      log.info('a person administers this server now: the bootstrap client is retired');
    },
  };
}

/**
 * Does a part of the start again while the store cannot tell what other processes have committed, as after a failover or on a busy
 * machine. Each part looks first at what is there, so it may be done twice.
 *
 * @throws {StoreUnavailable} when it cannot tell for a minute
 */
async function onceItCanTell<T>(log: Logger, part: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await part();
    } catch (error) {
      const isOver = performance.now() - startedAt > START_PATIENCE_MS;
      if (!(error instanceof StoreUnavailable) || isOver) throw error;
      log.warn({ err: error }, 'the store cannot tell yet; the start goes on when it can');
      await delay(START_PAUSE_MS);
    }
  }
}

/**
 * Makes what must exist before the first request: signing keys, the admin API, the client that may use it, and a way for the first
 * administrator to enrol.
 */
async function prepareFirstStart(
  store: Store,
  sealing: SealingKey,
  signIn: SignInDeps,
  options: ComposeOptions,
  origin: Origin,
): Promise<void> {
  const { config, issuer, log } = options;
  await ensureSigningKeys({ keys: store, sealing, freshness: store }, origin);
  const deps = { store, agents: store, people: store, resources: store, freshness: store };
  if (await isAdministered(signIn)) {
    tellWidened(log, await ensureAdminApi(deps, issuer, undefined, origin));
    await retireBootstrapClients(deps, origin);
  } else {
    const bootstrap = bootstrapClient(config);
    const report = await ensureAdminApi(deps, issuer, bootstrap, origin);
    tellWidened(log, report);
    const client = bootstrap && {
      clientId: bootstrap.clientId,
      credentials: bootstrap.from === 'file' ? config.bootstrapClientFile : bootstrap.from,
    };
    if (report.created) log.info(client, 'bootstrap administrator registered');
    if (report.isSecretReplaced)
      log.info(client, 'the secret of the bootstrap administrator was replaced, and stays so');
  }
  if (isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT))) return;
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
  if (isLinkMade) log.info({ link: path }, 'the first administrator enrols by the link in this file');
}

/** An upgrade has brought new rights, and somebody has them now: that is not left to the trail alone. */
function tellWidened(log: Logger, { newScopes, widened }: AdminApiReport): void {
  if (newScopes.length === 0) return;
  const whoHasThem = widened.length > 0 ? 'the bootstrap administrator has them' : 'nobody has them yet';
  log.warn({ newScopes, agents: widened }, `the admin API has new scopes; ${whoHasThem}`);
}

/** The client that the server is set up with: the configured one, or the one that the first start wrote down. */
function bootstrapClient(config: Config): BootstrapAdmin | undefined {
  if (config.bootstrapClient) {
    const { id, secret } = config.bootstrapClient;
    return { clientId: id, secret: secret.reveal(), from: 'configuration' };
  }
  const kept = readBootstrapClient(config.bootstrapClientFile);
  return kept && { ...kept, from: 'file' };
}

/** The request's own, given to it by the shell. */
function originOf(ctx: Context): Origin {
  return ctx.state['origin'] as Origin;
}

/** What an application may ask of a resource server through the browser: what its envelope has there. */
async function findGrantable(
  store: Store,
  application: Agent | undefined,
  identifier: string,
): Promise<GrantableResource | undefined> {
  const resource = await store.findResourceByIdentifier(identifier);
  if (!application || resource?.status !== 'active') return undefined;
  const scopes = scopesAt(application.envelope, resource.identifier);
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

/** What the engine may meet: applications, wherever they are described, and what has an identifier of ours besides. */
function engineClients(store: Store, applications: Applications): EngineClients {
  const directory = clientDirectory(store);
  return {
    async findClient(clientId, asked) {
      if (/^(?:agt|res)_/.test(clientId)) return directory.findClient(clientId, asked.origin.latest);
      await store.fresh();
      const application = await applications.find(clientId, asked);
      return (
        application && {
          clientId,
          kind: 'agent',
          principalId: application.record.id,
          handle: handle(application.record.id, application.record.epoch),
          credential: application.credential,
          enabled: true,
          redirectUris: application.redirectUris,
          refreshTokens: application.record.application?.refreshTokens,
        }
      );
    },
  };
}

/** The same, for those who ask by identifier alone. */
function everyClient(store: Store, applications: Applications): ClientDirectory {
  const clients = engineClients(store, applications);
  return {
    findClient: (clientId, now) =>
      clients.findClient(clientId, { origin: newOrigin(certainMoment(now)), mayFetch: false }),
  };
}

function agentClient(agent: Agent | undefined, nowMs: number): Client | undefined {
  return (
    agent && {
      clientId: agent.id,
      kind: 'agent',
      principalId: agent.id,
      handle: handle(agent.id, agent.epoch),
      credential: agent.credential,
      enabled: agentStatus(agent, nowMs) === 'active',
      ...(agent.application && {
        redirectUris: agent.application.redirectUris,
        refreshTokens: agent.application.refreshTokens,
      }),
    }
  );
}

function resourceClient(resource: Resource | undefined): Client | undefined {
  return (
    resource && {
      clientId: resource.id,
      kind: 'resource',
      principalId: resource.id,
      handle: handle(resource.id, resource.epoch),
      credential: resource.credential,
      enabled: resource.status === 'active',
    }
  );
}

/** Sweeps until there is nothing left to sweep; each batch is short, so commits hardly wait. */
async function sweep(store: Store): Promise<void> {
  while ((await store.sweep()) > 0);
}
