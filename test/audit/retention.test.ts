/** R135 and I12: a trail that is not kept for ever, of which the rest verifies and of which nobody can remove anything unseen. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import {
  type AuditRow,
  type Checkpoints,
  digestOfCuts,
  type LaneCut,
  pruneTrail,
  readCutsLine,
  rowsOf,
  startCheckpoints,
  storeTrail,
  type Trail,
  type TrailReport,
  verifyCheckpoints,
  verifyTrail,
} from '../../src/audit/index.ts';
import type { Store } from '../../src/store/store.ts';
import { chained } from '../support/chained.ts';
import { type App, startAppIn } from '../support/start-app.ts';
import { onEachStore, type StoreEnv } from '../support/stores.ts';
import { byLane, rechain, someEvent } from './real-trail.ts';

const DAY_MS = 86_400_000;
const LATER = 1_800_000_000_000;
const EARLIER = LATER - 100 * DAY_MS;
const MONTH_AGO = LATER - 30 * DAY_MS;
const ROWS = 260;
/** So that there are several batches, and the last one is not full. */
const ROWS_PER_BATCH = 100;

interface Bench {
  readonly app: App;
  readonly store: Store;
  readonly oldLane: string;
  readonly checkpoints: Checkpoints;
  readonly file: string;
  readonly publicKey: KeyObject;
  prune(isExported?: () => Promise<boolean>): Promise<number>;
  /** Verifies with the checkpoints. */
  verify(trail?: Trail): Promise<TrailReport>;
}

/** A process that ended 100 days ago, and one that runs. */
async function bench(t: ExecutionContext, env: StoreEnv): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-retention-'));
  // Keys that are 100 days old would be rotated in the background, and that would be one more row, now or then.
  const settings = { ...env, COUNTERSIGN_SIGNING_KEY_ROTATION_DAYS: '0' };
  const before = await startAppIn(directory, { env: settings, clock: () => EARLIER });
  const events = Array.from({ length: ROWS }, (_, index) => ({ ...someEvent(index), at: EARLIER + index }));
  for (let from = 0; from < ROWS; from += 100) {
    await before.store.commit({ changes: [], events: events.slice(from, from + 100) });
  }
  const oldLane = (await before.store.listLanes())[0]?.lane ?? '';
  await before.stop();
  const app = await startAppIn(directory, { env: settings, clock: () => LATER });
  const { store } = app;
  for (let index = 0; index < 10; index += 1) {
    await store.commit({ changes: [], events: [{ ...someEvent(index), at: LATER }] });
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = join(directory, 'checkpoints.jws');
  const checkpoints = await startCheckpoints({
    auditStore: store,
    key: privateKey,
    file,
    issuer: app.issuer,
    now: () => LATER,
    everyMs: 3_600_000,
    onProblem: error => t.fail(String(error)),
  });
  t.teardown(async () => {
    await checkpoints.stop();
    await app.stop();
    await rm(directory, { recursive: true, force: true });
  });
  const publicKey = createPublicKey(privateKey);
  const exported = async (): Promise<boolean> => {
    await checkpoints.checkpointNow();
    return true;
  };
  return {
    app,
    store,
    oldLane,
    checkpoints,
    file,
    publicKey,
    prune: (isExported = exported) =>
      pruneTrail({ store, isExported, rowsPerBatch: ROWS_PER_BATCH }, MONTH_AGO, app.origin()),
    verify: async (trail = storeTrail(store)) => {
      const { heads, isIntact } = await verifyCheckpoints(file, publicKey);
      t.true(isIntact);
      return verifyTrail(trail, heads);
    },
  };
}

async function read(store: Store): Promise<{ rows: readonly AuditRow[]; cuts: readonly LaneCut[] }> {
  const rows: AuditRow[] = [];
  const cuts: LaneCut[] = [];
  for await (const batch of storeTrail(store).rows()) {
    rows.push(...rowsOf(batch));
    cuts.push(...batch.flatMap(line => readCutsLine(line) ?? []));
  }
  return { rows, cuts };
}

const trailOf = (...batch: readonly unknown[]): Trail => ({
  async *rows() {
    yield batch;
  },
});

onEachStore(
  'R135: old rows go, the last of each lane stays, the rest verifies and says from where on',
  async (t, env) => {
    const { store, oldLane, prune, verify } = await bench(t, env);
    const before = await read(store);
    const old = before.rows.filter(({ lane }) => lane === oldLane);
    t.is(await prune(), old.length - 1);
    const after = await read(store);
    t.deepEqual(
      after.rows.filter(({ lane }) => lane === oldLane).map(({ seq }) => seq),
      [old.length],
    );
    const lanes = (await store.listLanes()).map(({ lane, seq }) => [lane, seq]);
    t.deepEqual(lanes[0], [oldLane, old.length]);
    t.is(lanes.length, 2);
    for (const report of [await verify(), await verifyTrail(storeTrail(store))]) {
      t.true(report.isIntact);
      t.deepEqual(report.lanes.find(({ lane }) => lane === oldLane)?.pruned, {
        upTo: old.length - 1,
        at: LATER,
      });
      t.is(report.lanes.find(({ lane }) => lane !== oldLane)?.pruned, undefined);
    }
    const last = after.rows.findLast(({ lane }) => lane !== oldLane);
    const { event } = JSON.parse(last?.body ?? '');
    t.like(event, { type: 'audit.pruned', outcome: 'done' });
    t.like(event.detail, { rows: old.length - 1, lanes: 1, before: MONTH_AGO });
    // Nothing is left to find by what it was, and nothing more is done by a second run.
    const found = await store.listRows({ limit: 200, facets: ['target agt_1'] });
    t.deepEqual(
      found?.filter(({ lane, seq }) => lane === oldLane && seq < old.length),
      [],
    );
    t.is(await prune(), 0);
    t.deepEqual(await read(store), after);
  },
);

onEachStore(
  'R135: nothing is removed before a checkpoint vouches for it, and a later run goes on',
  async (t, env) => {
    const { store, prune, verify } = await bench(t, env);
    const { rows } = await read(store);
    t.is(await prune(async () => false), 0);
    await t.throwsAsync(
      prune(async () => {
        throw new Error('the disk is full');
      }),
      { message: 'the disk is full' },
    );
    const kept = await read(store);
    t.is(kept.rows.length, rows.length + 1);
    t.true((await verify()).isIntact);
    t.is(await prune(), ROWS + kept.rows.filter(row => row.lane === rows[0]?.lane).length - ROWS - 1);
    t.true((await verify()).isIntact);
  },
);

onEachStore(
  'R135: a run that a crash has ended among the batches leaves a trail that verifies',
  async (t, env) => {
    const { store, oldLane, prune, verify, checkpoints } = await bench(t, env);
    await prune(async () => false);
    await checkpoints.checkpointNow();
    t.is(await store.removeCutRows(oldLane, 100), 100);
    const report = await verify();
    t.true(report.isIntact);
    t.truthy(report.lanes.find(({ lane }) => lane === oldLane)?.pruned);
    t.true((await prune()) > 0);
    t.true((await verify()).isIntact);
  },
);

onEachStore(
  'R135: a store removes no row beyond a cut, and cuts neither go back nor are moved by two at once',
  async (t, env) => {
    const { store, oldLane, prune } = await bench(t, env);
    t.is(await store.removeCutRows(oldLane, 100), 0);
    await prune();
    t.is(await store.removeCutRows(oldLane, 100), 0);
    const { version } = await store.readCuts();
    const move = { kind: 'move-cuts', version, cuts: [] } as const;
    t.deepEqual(await store.commit({ changes: [move], events: [] }), {
      committed: false,
      conflict: 'version-changed',
    });
    const back = { ...move, version: version + 1, cuts: [{ lane: oldLane, seq: 5, hash: '0'.repeat(64) }] };
    t.like(await store.commit({ changes: [back], events: [] }), { committed: false });
    t.is((await store.readCuts()).version, version);
    const racers = await Promise.all(
      [1, 2, 3].map(() => store.commit({ changes: [{ ...move, version: version + 1 }], events: [] })),
    );
    t.is(racers.filter(({ committed }) => committed).length, 1);
  },
);

test('R135: rows of SQLite beyond a cut cannot be deleted by a statement either', async t => {
  const { app, oldLane, prune } = await bench(t, {});
  await prune();
  const database = new DatabaseSync(join(app.directory, 'countersign.sqlite'));
  t.teardown(() => database.close());
  t.throws(() => database.prepare('DELETE FROM audit WHERE lane = ?').run(oldLane), {
    message: /append-only/,
  });
  const unfiled = database.prepare(
    'SELECT count(*) AS n FROM audit_facet WHERE position NOT IN (SELECT position FROM audit)',
  );
  t.is(unfiled.get()?.['n'], 0, 'what was filed of a removed row is gone too');
});

test('R135: whoever removes the beginning of a lane without the process having signed it is found, whatever they add', async t => {
  const { store, oldLane, prune, verify, publicKey, file } = await bench(t, {});
  await prune();
  const { rows, cuts } = await read(store);
  const lanes = byLane(rows);
  const [current = ''] = [...lanes.keys()].filter(lane => lane !== oldLane);
  const own = lanes.get(current) ?? [];
  const rest = lanes.get(oldLane) ?? [];
  const at = own[4];
  t.truthy(at);
  const cut: LaneCut = { lane: current, seq: 5, hash: at?.hash ?? '' };
  const bad = async (trail: Trail) => {
    const report = await verify(trail);
    t.false(report.isIntact);
    return report.lanes.flatMap(({ firstBad }) => firstBad ?? []);
  };
  // Without any cut; with a cut that no event speaks of; with an event that no checkpoint has sealed.
  // The event that vouches for the other lane's cut is in a chain that has no beginning, so it vouches for nothing.
  t.deepEqual(
    await bad(trailOf({ cuts }, ...rest, ...own.slice(5))),
    [oldLane, current].map(lane => ({ lane, seq: 1, why: 'missing' })),
  );
  t.true((await bad(trailOf({ cuts: [...cuts, cut] }, ...rest, ...own.slice(5)))).length > 0);
  const forged = chained(own.at(-1) as AuditRow, {
    type: 'audit.pruned',
    outcome: 'done',
    at: LATER,
    requestId: 'req_forged',
    detail: { cuts: digestOfCuts([...cuts, cut]) },
  });
  const withForged = trailOf({ cuts: [...cuts, cut] }, ...rest, ...own.slice(5), forged);
  t.true((await verifyTrail(withForged)).isIntact, 'without checkpoints nobody can tell');
  t.deepEqual(await bad(withForged).then(all => all.map(({ why }) => why)), ['missing', 'missing']);
  // What is left is sealed as before.
  const changed = rest.map(row => ({ ...row, body: row.body.replace('"at":', '"at":1') }));
  t.like((await bad(trailOf({ cuts }, ...changed, ...own)))[0], { lane: oldLane, why: 'altered' });
  t.like(
    (await bad(trailOf({ cuts: cuts.map(each => ({ ...each, hash: '0'.repeat(64) })) }, ...rest, ...own)))[0],
    {
      lane: oldLane,
    },
  );
  t.like((await bad(trailOf({ cuts }, ...rest, ...own.slice(0, -1))))[0], { lane: oldLane, why: 'missing' });
  // Store and key in one hand: the trail is forged from a row on, and the checkpoint that has left tells.
  const { heads } = await verifyCheckpoints(file, publicKey);
  const edited = rechain(
    own.map((row, index) => (index === 2 ? { ...row, body: row.body.replace('"at":', '"at":1') } : row)),
    2,
  );
  const found = await verifyTrail(trailOf({ cuts }, ...rest, ...edited), heads);
  t.like(found.lanes.find(({ lane }) => lane === current)?.firstBad, { why: 'altered' });
  t.true((await verify(trailOf({ cuts }, ...rest, ...own))).isIntact);
});
