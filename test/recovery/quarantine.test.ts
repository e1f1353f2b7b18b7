/** What a quarantine does to a store, whichever it is. The command line is left out here: `restore-sqlite.test.ts` plays it whole. */

import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Agent } from '../../src/agents/index.ts';
import {
  type AuditEvent,
  type AuditRow,
  type CheckpointedHeads,
  emptyLane,
  type LaneHead,
  type Removal,
  storeTrail,
  type Trail,
} from '../../src/audit/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { Delegation } from '../../src/delegation/index.ts';
import { DEPLOYMENT, isQuarantineEpoch } from '../../src/deployment-epoch.ts';
import { newId } from '../../src/ids.ts';
import { sealingKey } from '../../src/keys/index.ts';
import { isLive } from '../../src/liveness.ts';
import { newOrigin, type Origin } from '../../src/origin.ts';
import {
  confirmRecord,
  getQuarantined,
  keepClosed,
  openAsConfirmed,
  openDeployment,
  quarantineDeployment,
  type RecoveryDeps,
  replayTrail,
} from '../../src/recovery/index.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import {
  agentRecord,
  credentialRecord,
  delegationRecord,
  event,
  insertToken,
  keyRecord,
  personRecord,
  resourceRecord,
  tokenRecord,
} from '../contract/records.ts';
import { chained } from '../support/chained.ts';
import { PATIENCE } from '../support/start-app.ts';
import { onEachStore, type StoreEnv, whateverTheStore } from '../support/stores.ts';

/** Opens a store as one more process would. */
async function opener(t: ExecutionContext, env: StoreEnv): Promise<(aheadMs?: number) => Promise<Store>> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-quarantine-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const { store } = loadConfig({ COUNTERSIGN_STORE: `sqlite:${join(directory, 'x.sqlite')}`, ...env });
  return async (aheadMs = 0) => {
    const opened = await openStore(store, {
      now: () => Date.now() + aheadMs,
      databaseTime: () => Date.now() + aheadMs,
      lane: newId('lane', Date.now()),
      patience: PATIENCE,
    });
    t.teardown(() => opened.close());
    return opened;
  };
}

function depsOf(store: Store): RecoveryDeps {
  return {
    deployment: store,
    freshness: store,
    agents: store,
    people: store,
    credentials: store,
    resources: store,
    delegations: store,
    trail: store,
    signingKeys: { keys: store, freshness: store, sealing: sealingKey(createSecretKey(randomBytes(32))) },
  };
}

const origin = () => newOrigin(certainMoment(Date.now()));
const close = (store: Store, since = Date.now()) =>
  quarantineDeployment(depsOf(store), { cause: 'ordered', since }, origin());
const isClosed = (store: Store): boolean => isQuarantineEpoch(store.epochs.raisedTo(DEPLOYMENT));

whateverTheStore('R150: a quarantine ends every token and voids whatever is pending', async (t, env) => {
  const store = await (await opener(t, env))();
  const before = tokenRecord({ lineage: `agt_1:0 ${DEPLOYMENT}:0` });
  await store.commit({ changes: [insertToken(before)], events: [event()] });
  const record = { model: 'AuthorizationCode', key: 'a code', payload: '{}', expiresAt: Date.now() + 60_000 };
  await store.commit({ changes: [{ kind: 'engine-put', record }], events: [], authority: { none: 'boot' } });
  t.truthy(await store.findEngineRecord('AuthorizationCode', 'a code'));

  const { epoch } = await close(store);
  t.true(isClosed(store));
  t.false(isLive(before, store.epochs, Date.now()));
  t.is(await store.findEngineRecord('AuthorizationCode', 'a code'), undefined);

  // Decided before, by a process that had not heard yet, and committed after.
  const late = tokenRecord({ lineage: `agt_1:0 ${DEPLOYMENT}:0` });
  await store.commit({ changes: [insertToken(late)], events: [event()] });
  await openAsConfirmed(depsOf(store), origin());
  t.false(isClosed(store));
  t.is(store.epochs.raisedTo(DEPLOYMENT), epoch + 1);
  t.false(isLive(late, store.epochs, Date.now()), 'opening revived it');
});

onEachStore('R150, I1: what may have been used before a restore counts as used', async (t, env) => {
  const open = await opener(t, env);
  const store = await open();
  const use = (value: string, usableFrom: number) =>
    store.commit({
      changes: [{ kind: 'use-once', value, usableFrom, expiresAt: Date.now() + 300_000 }],
      events: [],
    });
  t.true((await use('before any restore', 0)).committed);
  const { epoch } = await close(store);
  await openAsConfirmed(depsOf(store), origin());
  t.deepEqual(await use('from before', epoch - 1), { committed: false, conflict: 'already-used' });
  t.true((await use('from after', epoch + 2)).committed);
  const other = await open();
  await other.fresh();
  t.deepEqual(
    await other.commit({
      changes: [{ kind: 'use-once', value: 'elsewhere', usableFrom: epoch, expiresAt: epoch + 300_000 }],
      events: [],
    }),
    { committed: false, conflict: 'already-used' },
  );
});

onEachStore(
  'R150: every process hears of a quarantine and of its end, also one that starts meanwhile',
  async (t, env) => {
    const open = await opener(t, env);
    const [one, other] = [await open(), await open()];
    await close(one);
    await other.fresh();
    t.true(isClosed(other));
    const late = await open();
    await late.fresh();
    t.true(isClosed(late));
    t.is((await late.findDeployment())?.quarantine?.cause, 'ordered');
    await openAsConfirmed(depsOf(other), origin());
    for (const each of [one, late]) {
      await each.fresh();
      t.false(isClosed(each));
      t.is((await each.findDeployment())?.quarantine, undefined);
    }
  },
);

whateverTheStore('R150: a quarantine is not forgotten as other announcements are', async (t, env) => {
  const open = await opener(t, env);
  await close(await open());
  const aWeekOn = await open(7 * 24 * 3_600_000);
  while ((await aWeekOn.sweep()) > 0);
  const late = await open(7 * 24 * 3_600_000);
  await late.fresh();
  t.true(isClosed(late));
});

onEachStore(
  'R150, I18: a quarantine has an epoch beyond every other that is known, whatever the clock says',
  async (t, env) => {
    const store = await (await opener(t, env))();
    const ahead = Date.now() + 3_600_000;
    const order = { cause: 'restored', since: Date.now(), highestEpoch: ahead } as const;
    const { epoch } = await quarantineDeployment(depsOf(store), order, origin());
    t.true(epoch > ahead);
    t.true((await close(store)).epoch > epoch);
  },
);

whateverTheStore('a decision counts for the quarantine it was made in', async (t, env) => {
  const store = await (await opener(t, env))();
  const deps = depsOf(store);
  const person = personRecord();
  await store.commit({
    changes: [{ kind: 'insert', collection: 'person', record: person }],
    events: [event()],
    authority: { none: 'boot' },
  });
  await close(store);
  await t.throwsAsync(openAsConfirmed(deps, origin()), { message: 'records-undecided' });
  await confirmRecord(deps, person.id, undefined, origin());
  await close(store);
  await t.throwsAsync(openAsConfirmed(deps, origin()), { message: 'records-undecided' });
  await keepClosed(deps, person.id, origin());
  await openAsConfirmed(deps, origin());
  t.is((await store.findPerson(person.id))?.status, 'disabled');
  await t.throwsAsync(getQuarantined(deps), { message: 'not-quarantined' });
  await t.throwsAsync(confirmRecord(deps, person.id, undefined, origin()), { message: 'not-quarantined' });
});

whateverTheStore(
  'R134: what is done to a deployment makes one row each that says by whom, to what, what came of it, in which request and when',
  async (t, env) => {
    const store = await (await opener(t, env))();
    const deps = depsOf(store);
    const [{ lane: ownLane } = { lane: '' }] = await store.readNewest(1);
    const own = async (): Promise<readonly AuditEvent[]> =>
      (await store.readNewest(1_000))
        .filter(({ lane }) => lane === ownLane)
        .map(({ body }) => JSON.parse(body).event)
        .reverse();
    const whoever = { actor: [newId('usr', Date.now())], address: '192.0.2.1' };
    /** What an act adds to the trail: these rows, whole, in its request, and no other. */
    const recorded = async <Done>(
      act: (origin: Origin) => Promise<Done>,
      expected: (done: Done) => readonly Pick<AuditEvent, 'type' | 'target' | 'detail'>[],
    ): Promise<Done> => {
      const before = (await own()).length;
      const at = origin();
      const done = await act({ ...at, ...whoever });
      t.deepEqual(
        (await own()).slice(before),
        expected(done).map(each => ({
          ...each,
          outcome: 'done',
          at: at.now,
          requestId: at.requestId,
          ...whoever,
        })),
      );
      return done;
    };
    const start = (first: Origin) =>
      openDeployment(
        { deployment: store, freshness: store, trail: store, markFile: `${ownLane}.mark` },
        first,
      );
    const { storeId: target } = await recorded(start, ({ storeId }) => [
      { type: 'deployment.created', target: storeId },
    ]);
    await recorded(start, () => []);

    const [good, gone] = [personRecord(), personRecord()];
    await store.commit({
      changes: [
        { kind: 'insert', collection: 'person', record: good },
        { kind: 'insert', collection: 'person-credential', record: credentialRecord(good.id) },
        { kind: 'insert', collection: 'person', record: gone },
      ],
      events: [event()],
      authority: { none: 'boot' },
    });
    const order = { cause: 'restored', since: Date.now(), backupMadeAt: 1 } as const;
    const { epoch } = await recorded(
      by => quarantineDeployment(deps, order, by),
      ({ epoch }) => [
        { type: 'deployment.quarantined', target, detail: { cause: 'restored', epoch, backupMadeAt: 1 } },
      ],
    );
    const detail = { kind: 'person', epoch };
    const confirm = (by: Origin) => confirmRecord(deps, good.id, undefined, by);
    await recorded(confirm, () => [{ type: 'deployment.record-confirmed', target: good.id, detail }]);
    await recorded(confirm, () => []);
    await recorded(
      by => keepClosed(deps, gone.id, by),
      () => [
        { type: 'person.killed', target: gone.id, detail: { epoch: 1 } },
        { type: 'deployment.record-kept-closed', target: gone.id, detail },
      ],
    );
    await recorded(
      by => openAsConfirmed(deps, by),
      () => [{ type: 'deployment.opened', target, detail: { by: 'confirmation' } }],
    );

    const exported = await exportWith(store, [event({ type: 'person.factor-removed', target: good.id })]);
    await close(store);
    await recorded(
      by => replayTrail(deps, exported, by),
      () => [
        { type: 'person.credential-voided', target: good.id },
        { type: 'deployment.opened', target, detail: { by: 'replay', removals: 1, rows: 1 } },
      ],
    );
  },
);

const CUT_OFF = { fields: ['envelope'], cutsOff: true, epoch: 1 };
const secretOf = ({ credential }: Pick<Agent, 'credential'>): unknown =>
  credential.method === 'client_secret' ? credential.secretDigests : credential;

/** Each kind of removal: the event that tells of it, and what has to be true once it has been replayed. */
const REPLAYED: Readonly<
  Record<
    Exclude<Removal, 'none' | 'by-restore'>,
    {
      readonly event: Partial<AuditEvent>;
      hold(
        t: ExecutionContext,
        store: Store,
        world: Awaited<ReturnType<typeof newRecords>>,
      ): Promise<unknown>;
    }
  >
> = {
  'agent-killed': {
    event: { type: 'agent.killed' },
    hold: async (t, store, { agent }) => t.is((await store.findAgent(agent.id))?.status, 'suspended'),
  },
  'agent-retired': {
    event: { type: 'agent.retired' },
    hold: async (t, store, { agent }) => t.is((await store.findAgent(agent.id))?.status, 'retired'),
  },
  'agent-narrowed': {
    event: { type: 'agent.updated', detail: CUT_OFF },
    hold: async (t, store, { agent }) => t.is((await store.findAgent(agent.id))?.status, 'suspended'),
  },
  'agent-credential': {
    event: { type: 'agent.secret-issued' },
    hold: async (t, store, { agent }) => {
      const now = await store.findAgent(agent.id);
      t.is(now?.status, 'active');
      t.notDeepEqual(now && secretOf(now), secretOf(agent));
    },
  },
  'person-killed': {
    event: { type: 'person.killed' },
    hold: async (t, store, { person }) => t.is((await store.findPerson(person.id))?.status, 'disabled'),
  },
  'person-changed': {
    event: { type: 'person.updated', detail: { fields: ['name', 'roles'] } },
    hold: async (t, store, { person }) => t.deepEqual((await store.findPerson(person.id))?.roles, []),
  },
  'person-credential': {
    event: { type: 'person.factor-removed' },
    hold: async (t, store, { person }) => {
      const now = await store.findCredential(person.id);
      t.is(now?.password, undefined);
      t.is(now?.totp, undefined);
      t.true((now?.epoch ?? 0) > 0, 'sessions go on');
      t.is((await store.findPerson(person.id))?.status, 'active');
    },
  },
  'resource-killed': {
    event: { type: 'resource.killed' },
    hold: async (t, store, { resource }) => t.is((await store.findResource(resource.id))?.status, 'disabled'),
  },
  'resource-narrowed': {
    event: { type: 'resource.updated', detail: CUT_OFF },
    hold: async (t, store, { resource }) => t.is((await store.findResource(resource.id))?.status, 'disabled'),
  },
  'resource-credential': {
    event: { type: 'resource.secret-issued' },
    hold: async (t, store, { resource }) => {
      const now = await store.findResource(resource.id);
      t.is(now?.status, 'active');
      t.notDeepEqual(now && secretOf(now), secretOf(resource));
    },
  },
  'delegation-ended': {
    event: { type: 'delegation.ended' },
    hold: async (t, store, { delegation }) => holdEnded(t, store, delegation),
  },
  'delegation-narrowed': {
    event: { type: 'delegation.replaced', detail: { cutsOff: true, epoch: 1 } },
    hold: async (t, store, { delegation }) => holdEnded(t, store, delegation),
  },
  'key-killed': {
    event: { type: 'key.killed' },
    hold: async (t, store, { key }) => t.is((await store.findSigningKey(key.id))?.status, 'killed'),
  },
  'key-retired': {
    event: { type: 'key.retired' },
    hold: async (t, store, { key }) => t.is((await store.findSigningKey(key.id))?.status, 'killed'),
  },
};

async function holdEnded(t: ExecutionContext, store: Store, delegation: Delegation): Promise<void> {
  t.is((await store.findDelegation(delegation.id))?.status, 'ended');
  t.is(await store.findActiveDelegation(delegation), undefined);
  t.true(store.epochs.raisedTo(delegation.id) > delegation.epoch, 'its tokens live on');
}

async function newRecords(store: Store) {
  const person = personRecord({ roles: ['admin'] });
  const agent = agentRecord({ ownerId: person.id });
  const resource = resourceRecord();
  const key = keyRecord();
  const delegation = delegationRecord({ personId: person.id, agentId: agent.id, resourceId: resource.id });
  await store.commit({
    changes: [
      { kind: 'insert', collection: 'person', record: person },
      { kind: 'insert', collection: 'person-credential', record: credentialRecord(person.id) },
      { kind: 'insert', collection: 'agent', record: agent },
      { kind: 'insert', collection: 'resource', record: resource },
      { kind: 'insert', collection: 'signing-key', record: key },
      { kind: 'insert', collection: 'delegation', record: delegation },
    ],
    events: [event()],
    authority: { none: 'boot' },
  });
  return { person, agent, resource, key, delegation };
}

interface Exported {
  readonly trail: Trail;
  readonly heads: CheckpointedHeads;
  readonly rows: readonly AuditRow[];
}

/** The trail of a store with more rows behind it, in the lane of a process that the backup does not know. */
async function exportWith(store: Store, events: readonly AuditEvent[]): Promise<Exported> {
  const rows: AuditRow[] = [];
  for await (const page of storeTrail(store).rows()) rows.push(...(page as AuditRow[]));
  let head: LaneHead = emptyLane(newId('lane', Date.now() - 60_000));
  for (const each of events) {
    const row = chained(head, each);
    rows.push(row);
    head = row;
  }
  return { ...trailOf(rows), rows, heads: new Map([[head.lane, new Map([[head.seq, head.hash]])]]) };
}

function trailOf(rows: readonly AuditRow[]): { readonly trail: Trail } {
  return {
    trail: {
      async *rows() {
        yield rows;
      },
    },
  };
}

for (const [removal, { event: told, hold }] of Object.entries(REPLAYED)) {
  whateverTheStore(`R150: a replay takes away once more: ${removal}`, async (t, env) => {
    const store = await (await opener(t, env))();
    const world = await newRecords(store);
    const target = world[(removal.split('-')[0] ?? '') as keyof typeof world].id;
    const exported = await exportWith(store, [event({ ...told, target, requestId: 'after the backup' })]);
    await close(store);
    const report = await replayTrail(depsOf(store), exported, origin());
    t.is(report.closed.length, 1);
    t.is(report.adopted, 1);
    await hold(t, store, world);
    t.false(isClosed(store));
    t.true((await store.readNewest(100)).some(row => row.body.includes('after the backup')));
  });
}

whateverTheStore('R150: a replay that cannot be trusted changes nothing', async (t, env) => {
  const store = await (await opener(t, env))();
  const { agent } = await newRecords(store);
  const removal = event({ type: 'agent.killed', target: agent.id });
  const exported = await exportWith(store, [removal, event()]);
  await close(store);
  const rows = exported.rows;
  const last = rows.at(-1) as AuditRow;
  const changed = { ...last, body: last.body.replace('token.issued', 'token.revoked') };
  const untrusted: Readonly<Record<string, Exported>> = {
    'trail-without-checkpoint': { ...exported, heads: new Map() },
    'trail-altered': { ...exported, ...trailOf(rows.slice(0, -1)) },
    'trail-of-another-store': { ...exported, ...trailOf(rows.slice(-2)) },
  };
  for (const [reason, each] of Object.entries(untrusted)) {
    await t.throwsAsync(replayTrail(depsOf(store), each, origin()), { message: reason });
  }
  await t.throwsAsync(
    replayTrail(depsOf(store), { ...exported, ...trailOf([...rows.slice(0, -1), changed]) }, origin()),
    { message: 'trail-altered' },
  );
  t.true(isClosed(store));
  t.deepEqual(await store.findAgent(agent.id), agent);
  await replayTrail(depsOf(store), exported, origin());
  t.is((await store.findAgent(agent.id))?.status, 'suspended');
});

whateverTheStore(
  'a replay passes over what took nothing away and what is gone altogether',
  async (t, env) => {
    const store = await (await opener(t, env))();
    const { agent, person, delegation } = await newRecords(store);
    const exported = await exportWith(store, [
      event({ type: 'agent.updated', target: agent.id, detail: { fields: ['name'], cutsOff: false } }),
      event({ type: 'person.updated', target: person.id, detail: { fields: ['name'] } }),
      event({ type: 'agent.killed', target: newId('agt', Date.now()) }),
      event({ type: 'agent.restored', target: agent.id }),
      event({ type: 'delegation.replaced', target: delegation.id, detail: { cutsOff: false, epoch: 0 } }),
      event({ type: 'delegation.ended', target: newId('dlg', Date.now()) }),
      event({ type: 'token.revoked', jti: 'tok_1' }),
    ]);
    await close(store);
    const report = await replayTrail(depsOf(store), exported, origin());
    t.deepEqual(report.closed, []);
    t.is(report.adopted, 7);
    t.deepEqual(await store.findAgent(agent.id), agent);
    t.deepEqual(await store.findPerson(person.id), person);
    t.deepEqual(await store.findDelegation(delegation.id), delegation);
  },
);

whateverTheStore(
  'an agent that proves itself with keys is suspended where its credential had been replaced',
  async (t, env) => {
    const store = await (await opener(t, env))();
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = [{ ...(publicKey.export({ format: 'jwk' }) as { kty: string }), alg: 'ES256' }];
    const agent = agentRecord({ credential: { method: 'private_key_jwt', keys } });
    await store.commit({
      changes: [{ kind: 'insert', collection: 'agent', record: agent }],
      events: [event()],
      authority: { none: 'boot' },
    });
    const exported = await exportWith(store, [event({ type: 'agent.secret-issued', target: agent.id })]);
    await close(store);
    await replayTrail(depsOf(store), exported, origin());
    t.is((await store.findAgent(agent.id))?.status, 'suspended');
  },
);
