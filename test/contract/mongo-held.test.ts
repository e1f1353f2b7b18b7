/**
 * MongoDB's transactions do not see what commits beside them. Here one is held between what it reads and its commit, while another
 * process ends what it rests on: of the two, one gives way, and whichever comes first, the order of commits is kept.
 */
import test, { type ExecutionContext } from 'ava';
import type { HeldAuthority } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import type { SessionPass } from '../../src/people/pass.ts';
import { migrateMongo, openMongoStore } from '../../src/store/mongo/index.ts';
import type { Change, Store } from '../../src/store/store.ts';
import { type HoldingProxy, startHoldingProxy } from '../support/holding-proxy.ts';
import { type MongoServer, startMongoServer } from '../support/mongo-server.ts';
import { patientStore } from '../support/patience.ts';
import { PATIENCE } from '../support/start-app.ts';
import { agentRecord, cutOff, event, SET_UP } from './records.ts';

const server: MongoServer | undefined = await startMongoServer();
test.after.always(() => server?.stop());
/** A deployment of somebody's own may be far away, and speaks in a cipher. */
const isNear = server !== undefined && process.env['COUNTERSIGN_TEST_MONGODB_URI'] === undefined;
const run = isNear ? test.serial : test.serial.skip;

const FOREVER = 8_000_000_000_000;
const AGENT = agentRecord();
const SESSION: SessionPass = {
  kind: 'session',
  id: newId('ses', Date.now()),
  key: 'a-key',
  personId: 'usr_1',
  version: 1,
  createdAt: Date.now(),
  expiresAt: FOREVER,
  lineage: 'usr_1:0',
  lastUsedAt: Date.now(),
  authenticatedAt: Date.now(),
  factorAt: Date.now(),
  amr: ['pwd', 'otp', 'mfa'],
  acr: 'urn:countersign:acr:mfa',
};

/** By what somebody acts, and what ends that. */
const PRINCIPALS: Readonly<
  Record<string, { readonly authority: HeldAuthority; readonly end: Change; readonly ended: string }>
> = {
  'a token': {
    authority: { lineage: 'tok_1:0 agt_1:0 res_1:0', expiresAt: FOREVER, own: ['tok_1', 'agt_1'] },
    end: cutOff('tok_1'),
    ended: 'tok_1:0',
  },
  'an agent': {
    authority: { lineage: `tok_1:0 ${AGENT.id}:0`, expiresAt: FOREVER, own: ['tok_1', AGENT.id] },
    end: {
      kind: 'replace',
      collection: 'agent',
      record: { ...AGENT, status: 'suspended', epoch: 1, version: 2 },
      ifVersion: 1,
    },
    ended: `${AGENT.id}:0`,
  },
  'a session': {
    authority: {
      lineage: SESSION.lineage,
      expiresAt: FOREVER,
      own: ['usr_1'],
      pass: { kind: 'session', key: SESSION.key, handle: `${SESSION.id}:0` },
    },
    end: { kind: 'take-pass', passKind: 'session', key: SESSION.key, now: Date.now() },
    ended: `${SESSION.id}:0`,
  },
};

async function twoProcesses(t: ExecutionContext): Promise<{
  readonly acting: Store;
  readonly ending: Store;
  readonly actingBy: HoldingProxy;
  readonly endingBy: HoldingProxy;
}> {
  const uri = server?.freshUri() ?? '';
  await migrateMongo(uri);
  const ways = [await startHoldingProxy(t, uri), await startHoldingProxy(t, uri)] as const;
  const [acting, ending] = [await openBy(t, ways[0]), await openBy(t, ways[1])];
  await acting.commit({
    changes: [
      { kind: 'insert', collection: 'agent', record: AGENT },
      { kind: 'issue-pass', pass: SESSION },
    ],
    events: [],
    authority: SET_UP,
  });
  return { acting, ending, actingBy: ways[0], endingBy: ways[1] };
}

async function openBy(t: ExecutionContext, { uri }: HoldingProxy): Promise<Store> {
  const options = { now: Date.now, lane: newId('lane', Date.now()), patience: PATIENCE };
  const store = patientStore(await openMongoStore(uri, options));
  t.teardown(() => store.close());
  return store;
}

/** What is done on an authority: it makes an agent. */
function making(name: string, authority: HeldAuthority) {
  const id = `agt_${name}` as const;
  return {
    changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id }) }],
    events: [event({ target: id })],
    authority,
  } as const;
}

/** `end` takes away only, whichever kind it is. */
function ending(end: Change) {
  return { changes: [end], events: [event({ target: 'end' })], authority: { none: 'takes-away' } } as const;
}

for (const [name, { authority, end, ended }] of Object.entries(PRINCIPALS)) {
  run(
    `MongoDB: I2: ${name} that ends between what a transaction reads and what it writes makes nothing`,
    async t => {
      const world = await twoProcesses(t);
      // Last of all it touches what a cutoff writes too.
      const held = world.actingBy.hold('touches');
      const made = world.acting.commit(making('late', authority));
      await held.held;
      t.deepEqual(await world.ending.commit(ending(end)), { committed: true });
      held.release();
      t.deepEqual(await made, { committed: false, conflict: 'authority-ended', ended });
      await world.ending.fresh();
      t.is(await world.ending.findAgent('agt_late'), undefined);
      const trail = (await world.ending.readNewest(100)).map(({ body }) => body);
      t.false(trail.some(body => body.includes('agt_late')));
    },
  );

  run(`MongoDB: I2: ${name} that is to end while a transaction is being committed ends after it`, async t => {
    const world = await twoProcesses(t);
    const held = world.actingBy.hold('commitTransaction');
    const made = world.acting.commit(making('early', authority));
    await held.held;
    let isEnded = false;
    const gaveWay = world.endingBy.passing('abortTransaction');
    const end_ = world.ending.commit(ending(end)).then(outcome => {
      isEnded = true;
      return outcome;
    });
    await Promise.race([gaveWay, end_]);
    t.false(isEnded, 'it waits for the other');
    held.release();
    t.deepEqual(await made, { committed: true });
    t.deepEqual(await end_, { committed: true });
    t.deepEqual(await world.acting.commit(making('later', authority)), {
      committed: false,
      conflict: 'authority-ended',
      ended,
    });
  });
}

run('MongoDB: what a transaction has only read is ended at once, whoever rests on it', async t => {
  const world = await twoProcesses(t);
  const { authority } = PRINCIPALS['a token'] as { readonly authority: HeldAuthority };
  const held = world.actingBy.hold('commitTransaction');
  const made = world.acting.commit(making('beside', authority));
  await held.held;
  t.deepEqual(await world.ending.commit(ending(cutOff('res_1'))), { committed: true });
  held.release();
  t.deepEqual(await made, { committed: true }, 'within the milliseconds of a transaction');
  t.deepEqual(await world.acting.commit(making('later', authority)), {
    committed: false,
    conflict: 'authority-ended',
    ended: 'res_1:0',
  });
});

run('MongoDB: I2: what has ended has ended for a process that has heard nothing of it yet', async t => {
  const world = await twoProcesses(t);
  // From here on its change stream says nothing.
  const silenced = world.actingBy.hold('getMore');
  t.teardown(() => silenced.release());
  await silenced.held;
  // The token last, since others act by it.
  for (const [name, { authority, end, ended }] of Object.entries(PRINCIPALS).toReversed()) {
    t.deepEqual(await world.acting.commit(making(`before_${ended}`, authority)), { committed: true }, name);
    t.deepEqual(await world.ending.commit(ending(end)), { committed: true }, name);
    t.deepEqual(
      await world.acting.commit(making(`after_${ended}`, authority)),
      { committed: false, conflict: 'authority-ended', ended },
      name,
    );
  }
});

/** Makes an agent and keeps the answer that tells of it, under one and the same key. */
function keeping(name: string) {
  const unit = making(name, (PRINCIPALS['a token'] as { readonly authority: HeldAuthority }).authority);
  const kept = { id: 'key-of-two', requestDigest: 'alike', expiresAt: FOREVER, answer: name };
  return { ...unit, changes: [{ kind: 'keep-answer', kept, now: Date.now() }, ...unit.changes] } as const;
}

run(
  'MongoDB: of two transactions under one Idempotency-Key, the one that is being committed wins',
  async t => {
    const { acting, ending: other, actingBy, endingBy } = await twoProcesses(t);
    const held = actingBy.hold('commitTransaction');
    const first = acting.commit(keeping('first'));
    await held.held;
    const gaveWay = endingBy.passing('abortTransaction');
    const second = other.commit(keeping('second'));
    await Promise.race([gaveWay, second]);
    held.release();
    t.deepEqual(await first, { committed: true });
    t.deepEqual(await second, { committed: false, conflict: 'already-used' });
    await other.fresh();
    t.is((await other.findKeptAnswer('key-of-two'))?.answer, 'first');
    t.is(await other.findAgent('agt_second'), undefined);
  },
);

run('MongoDB: of two transactions under one Idempotency-Key, the one that writes later loses', async t => {
  const { acting, ending: other, actingBy } = await twoProcesses(t);
  // Its transaction has begun: it has read what its authority is.
  const held = actingBy.hold('key-of-two');
  const late = acting.commit(keeping('late'));
  await held.held;
  t.deepEqual(await other.commit(keeping('early')), { committed: true });
  held.release();
  t.deepEqual(await late, { committed: false, conflict: 'already-used' });
  await acting.fresh();
  t.is((await acting.findKeptAnswer('key-of-two'))?.answer, 'early');
  t.is(await acting.findAgent('agt_late'), undefined);
});
