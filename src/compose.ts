/**
 * The composition root: the one file that knows every folder. It builds what each part needs and hands it over; nothing here
 * decides anything.
 */
import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import { ADMIN_CALLS } from './admin-api/calls.ts';
import { agentRoutes, strongerAgentsOf } from './agents/index.ts';
import {
  Applications,
  clientLookups,
  everyClient,
  findGrantable,
  findParties,
  isSelfRegisteredId,
  registeredClients,
  registrationRoutes,
} from './applications/index.ts';
import {
  type AuthorisedOrigin,
  auditRoutes,
  type CheckpointDelivery,
  keepPruned,
  RefusalCounter,
  startCheckpoints,
  startDelivery,
} from './audit/index.ts';
import { type Background, recur } from './background.ts';
import { DpopNonces, PublishedKeys } from './clients/index.ts';
import type { Clock, Deadline, ServerClock } from './clock.ts';
import { type Config, privateFilesOf } from './config/index.ts';
import { delegationRoutes, tokenExchange } from './delegation/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from './deployment-epoch.ts';
import { Egress } from './egress/index.ts';
import {
  Displays,
  deferredTokenResponse,
  type ElevationDeps,
  elevationRoutes,
  sweepElevations,
} from './elevation/index.ts';
import { explainRoutes } from './explain/index.ts';
import {
  closePrivateFiles,
  endFirstStart,
  onceItCanTell,
  openKeyEncryptionKey,
  prepareFirstStart,
} from './first-start/index.ts';
import {
  answerJson,
  createAdminRouter,
  createHandler,
  createQuarantineGate,
  createReadiness,
  docsRoutes,
  ERROR_CATALOGUE,
  engineReferences,
  metadataRoutes,
  openApiRoutes,
  peerAddress,
  pendingAnswer,
  probeRoutes,
  readForm,
  readinessChecks,
  readJson,
} from './http/index.ts';
import { newId } from './ids.ts';
import {
  keepSigningKeys,
  SigningKeyring,
  sealingKey,
  signingKeyRoutes,
  signingKeyTiming,
} from './keys/index.ts';
import { Limits } from './limits/index.ts';
import type { MetricSources } from './metrics/index.ts';
import { type ConnectionFigures, RequestMeter } from './observability/index.ts';
import { newOrigin } from './origin.ts';
import { browserCookies, currentSession, pageRoutes } from './pages/index.ts';
import {
  type HashCost,
  newSignInFigures,
  peopleRoutes,
  resealCredentials,
  type SignInDeps,
  SlowHash,
} from './people/index.ts';
import {
  cookieKeysOf,
  createEngine,
  ENGINE_GRANT_TYPES,
  newEngineKey,
  setProvenKey,
} from './provider/index.ts';
import {
  agreeOnTime,
  forgetOlderKeyEncryptionKeys,
  highWaterMarkFile,
  keepHighWaterMark,
  noteKeyEncryptionKey,
  openDeployment,
} from './recovery/index.ts';
import { ErrorReferences, refusalRoutes } from './refusals/index.ts';
import { ownApiFirst, resourceRoutes } from './resources/index.ts';
import { keepSwept } from './store/keep-swept.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import {
  AccessTokenSigner,
  endGrant,
  grantsOfPeople,
  MAX_JWT_TTL_SECONDS,
  machineRoutes,
  tokenRoutes,
} from './tokens/index.ts';

const REFUSALS_PAUSE_MS = 5_000;
const ELEVATIONS_PAUSE_MS = 10_000;
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
  /** The machine's clock that never steps. */
  readonly monotonic: Clock;
  /** What time the database has; it is asked where absent. */
  readonly databaseTime: Clock | undefined;
  readonly log: Logger;
  /** Of the port that requests come in by. */
  readonly connections: ConnectionFigures;
  /** Ends the waits for others; the system's where absent. */
  readonly deadline: Deadline | undefined;
  /** How many times longer than usual the database may take; 1 where absent. */
  readonly patience: number | undefined;
  /** What hashing a password costs; what OWASP asks for where absent. */
  readonly hashCost: HashCost | undefined;
  /** Milliseconds between two looks for elevations that are over; `ELEVATIONS_PAUSE_MS` where absent. */
  readonly elevationsPauseMs: number | undefined;
}

/** Opens the store, sees to what a first start needs, and puts the parts together. What fails leaves no store open. */
export async function compose(options: ComposeOptions): Promise<Composition> {
  const { config, clock } = options;
  closePrivateFiles(privateFilesOf(config), options.log);
  const store = await openStore(config.store, {
    now: clock.now,
    latest: () => clock.moment().latest,
    agreeOnTime: kept => {
      const onWait = (why: string) =>
        options.log.warn({ why }, 'the clock is wrong; the start waits for it to be set');
      return agreeOnTime({ clock, monotonic: options.monotonic, onWait }, kept);
    },
    onClockAccepted: () => clock.acceptWall(),
    databaseTime: options.databaseTime,
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
  const tellWaiting = (err: Error) =>
    log.warn({ err }, 'the store cannot tell yet; the start goes on when it can');
  const kek = await onceItCanTell(tellWaiting, () => openKeyEncryptionKey(store, config, clock.now()));
  const sealing = sealingKey(kek, config.olderKeyEncryptionKeys);
  const signingKeys = {
    keys: store,
    sealing,
    freshness: store,
    timing: signingKeyTiming(config.signingKeyOverlapSeconds, MAX_JWT_TTL_SECONDS),
    resealRest: async (own: AuthorisedOrigin) => {
      const seals = { people: store, credentials: store, freshness: store, sealing };
      const resealed = await resealCredentials(seals, own);
      await forgetOlderKeyEncryptionKeys({ deployment: store, freshness: store }, sealing, own);
      return resealed;
    },
  };
  const markFile = highWaterMarkFile(config.dataDirectory);
  const deployment = await onceItCanTell(tellWaiting, () =>
    openDeployment({ deployment: store, freshness: store, trail: store, markFile }, origin),
  );
  await onceItCanTell(tellWaiting, () =>
    noteKeyEncryptionKey({ deployment: store, freshness: store }, sealing, origin),
  );
  if (deployment.quarantine) log.error({ quarantine: deployment.quarantine }, QUARANTINE_NOTICE);
  const refusals = new RefusalCounter({
    audit: store,
    now: clock.now,
    deadline: options.deadline,
    onError: error => log.warn({ err: error }, 'a refusal could not be recorded yet'),
  });
  const managed = { agents: store, people: store, resources: store, freshness: store };
  // What people sign in with.
  const signIn: SignInDeps = {
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
    slowHash: new SlowHash(options.hashCost),
    figures: newSignInFigures(),
    onAdministratorEnrolled: endFirstStart(managed, config, log),
  };
  const firstStart = { admin: { ...managed, store }, signingKeys, signIn, issuer, config, log };
  await onceItCanTell(tellWaiting, () => prepareFirstStart(firstStart, origin));

  let delivery: CheckpointDelivery | undefined;
  const isQuarantined = () => isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT));
  const checkpoints =
    config.auditCheckpoint &&
    (await startCheckpoints({
      auditStore: store,
      key: config.auditCheckpoint.privateKey,
      file: config.auditCheckpoint.file,
      issuer,
      now: clock.now,
      isPaused: isQuarantined,
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
    nonces: DpopNonces.under(kek),
    nonceRequired: config.dpopNonces === 'required',
    refusals,
  };
  const keyring = new SigningKeyring(store, sealing, clock.now, error =>
    log.error({ err: error }, 'a signing key cannot be used by this process'),
  );
  const signer = new AccessTokenSigner(keyring, issuer);
  const references = new ErrorReferences(kek, config.olderKeyEncryptionKeys, ERROR_CATALOGUE.keys());
  let isStopping = false;
  const issuerUrl = new URL(issuer);
  const prefix = issuerUrl.pathname === '/' ? '' : issuerUrl.pathname;
  const meter = new RequestMeter(prefix);
  const docsUrl = `${issuer}/docs/errors`;
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
  delegationRoutes({ ...managed, delegations: store }, admin);
  const elevation: ElevationDeps = {
    ...managed,
    elevations: store,
    credentials: store,
    delegations: store,
    epochs: store.epochs,
    refusals,
  };
  elevationRoutes(elevation, admin);
  signingKeyRoutes(signingKeys, admin);
  tokenRoutes({ tokens: store, agents: store }, admin);
  explainRoutes(
    {
      tokens: store,
      agents: store,
      people: store,
      resources: ownApiFirst(store, issuer),
      delegations: store,
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
  const grants = grantsOfPeople({
    tokens: store,
    agents: store,
    people: store,
    resources: store,
    signer,
    refusals,
    issuer,
    maxTtlSeconds: config.accessTokenTtlSeconds,
    findParties: (...asked) => findParties({ applications, agents: store }, ...asked),
    now: clock.latest,
  });
  const engine = createEngine({
    issuer: issuerUrl,
    assertionLifetimeSeconds: config.assertionLifetimeSeconds,
    refer: engineReferences(references, docsUrl),
    records: store,
    clients: clientLookups(managed, applications),
    publishedKeys,
    freshness: store,
    moment: () => clock.moment(),
    findGrantable: (clientId, resource) =>
      findGrantable({ applications, resources: store }, clientId, resource, clock.latest()),
    findDefaultResource: async clientId =>
      (await applications.governing(clientId, clock.latest()))?.defaultResource,
    isActivePerson: async id => (await store.findPerson(id))?.status === 'active',
    currentSession: ctx => currentSession(signIn, cookies, ctx),
    isVerified: clientId => !isSelfRegisteredId(clientId),
    isGrantAlive: grants.isAlive,
    issue: grants.issue,
    refusals,
    limits,
    endGrant: (grantId, reason, requestOrigin) => endGrant(store, grantId, reason, requestOrigin),
    cookieKeys: cookieKeysOf([kek, ...config.olderKeyEncryptionKeys]),
    signingKey: newEngineKey(),
  });
  const readiness = createReadiness(
    readinessChecks({
      isStopping: () => isStopping,
      store,
      keyring,
      checkpoints: checkpoints?.figures,
      delivery: delivery?.figures,
      clock,
    }),
    options.deadline,
  );
  const handler = createHandler(
    engine,
    {
      issuer: issuerUrl,
      furtherHosts: config.furtherHosts,
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
    new Map([
      ...machineRoutes(
        {
          clients: registeredClients(managed),
          publishedKeys,
          tokens: store,
          agents: store,
          people: store,
          resources: ownApiFirst(store, issuer),
          signer,
          refusals,
          limits,
          introspections,
          dpop,
          issuer,
          assertionLifetimeSeconds: config.assertionLifetimeSeconds,
          maxTtlSeconds: config.accessTokenTtlSeconds,
          grants: [
            tokenExchange({
              delegations: store,
              tokens: store,
              agents: store,
              people: store,
              resources: store,
              signer,
            }),
          ],
          deferral: deferredTokenResponse({
            ...elevation,
            tokens: store,
            agents: store,
            signer,
            issuer,
            maxTtlSeconds: config.accessTokenTtlSeconds,
            limits,
          }),
          otherGrantTypes: ENGINE_GRANT_TYPES,
          onKeyProved: setProvenKey,
          applications: everyClient(managed, applications),
          findHeldGrant: engine.heldGrants.find,
          endGrant: engine.heldGrants.end,
          readForm: (ctx, admits) => readForm(ctx, issuerUrl.origin, admits),
          answerJson,
          answerPending: pendingAnswer(docsUrl, meter),
        },
        prefix,
      ),
      ...metadataRoutes({
        issuer,
        features: () => applications.features(clock.latest()),
        publicKeys: async () => {
          await store.fresh();
          await keyring.refresh();
          return keyring.publicKeys;
        },
      }),
    ]),
    [
      registrationRoutes({ applications, descriptions: store, limits, readJson }, prefix),
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
        delegations: store,
        elevation: { ...elevation, signIn, store, displays: new Displays() },
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
      // While nothing is granted, nobody needs to be told what is over: all of them are.
      async () => isQuarantined() || (await sweepElevations(elevation, newOrigin(clock.moment()))),
      options.elevationsPauseMs ?? ELEVATIONS_PAUSE_MS,
      failed('elevations', 'the ends of elevations could not be recorded'),
    ),
    keepSigningKeys(
      signingKeys,
      config.signingKeyRotationDays,
      () => clock.moment(),
      failed('signing-keys', 'signing keys could not be seen to'),
    ),
    ...(checkpoints && config.auditRetentionDays !== undefined
      ? [
          keepPruned({
            store,
            checkpoints,
            delivery,
            retentionDays: config.auditRetentionDays,
            moment: () => clock.moment(),
            isPaused: isQuarantined,
            isStopping: () => isStopping,
            onError: failed('retention', 'the audit trail could not be pruned'),
          }),
        ]
      : []),
    keepSwept(store, failed('sweep', 'sweep failed')),
  ];
  return {
    handler,
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
