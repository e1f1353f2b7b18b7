/**
 * Authority is checked in the commit: whatever cutoffs and authorised units do at once, in however many processes, a unit commits if
 * and only if its handles were current in the order of commits.
 */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { HeldAuthority } from '../../src/audit/index.ts';
import { newId } from '../../src/ids.ts';
import { type HandleId, handle, lineageOf } from '../../src/liveness.ts';
import type { SessionPass } from '../../src/people/pass.ts';
import type { Store } from '../../src/store/store.ts';
import { agentRecord, cutOff, event, SET_UP } from './records.ts';
import { type ContractSubject, openStore } from './store-contract.ts';

const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);
const FOREVER = 8_000_000_000_000;

/** What units act by, and what they share with all others. */
const PRINCIPALS = ['agt_a', 'agt_b'] as const;
const SHARED = 'res_shared';

type Step =
  | { readonly kind: 'cut'; readonly what: HandleId; readonly store: 0 | 1 }
  | {
      readonly kind: 'act';
      readonly who: (typeof PRINCIPALS)[number];
      readonly behind: 0 | 1;
      readonly store: 0 | 1;
    };

const anyStore = fc.constantFrom<0 | 1>(0, 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      what: fc.constantFrom<HandleId>(...PRINCIPALS, SHARED),
      store: anyStore,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('act' as const),
      who: fc.constantFrom(...PRINCIPALS),
      // Now and then on an authority that has ended before already.
      behind: fc.oneof(
        { weight: 5, arbitrary: fc.constant(0 as const) },
        { weight: 1, arbitrary: fc.constant(1 as const) },
      ),
      store: anyStore,
    }),
  },
);
/** Steps of a round are taken at once; a round begins when the one before has been answered. */
const anyPlan = fc.array(fc.array(anyStep, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });

interface Taken {
  readonly step: Step;
  readonly name: string;
  readonly round: number;
  /** The epochs that it rests on, or the one that it raises to. */
  readonly epochs: ReadonlyMap<HandleId, number>;
  readonly ended: string | undefined;
}

export function testAuthority(subject: ContractSubject): void {
  const serial = (title: string, body: (t: ExecutionContext) => Promise<void>): void =>
    test.serial(`${subject.name}: ${title}`, body);

  serial(
    'I2: of cutoffs and units at once, a unit commits if and only if its handles were current in commit order',
    async t => {
      t.log(`seed ${SEED}`);
      const database = await subject.newDatabase(t);
      const stores = [await openStore(t, database), await openStore(t, database)] as const;
      const committed = await subject.watchCommits(t, database);
      let plays = 0;
      await fc.assert(
        fc.asyncProperty(anyPlan, async plan => {
          plays += 1;
          const taken = await play(stores, plan, plays);
          const order = await committed(
            taken.filter(({ ended }) => ended === undefined).map(({ name }) => name),
          );
          check(taken, order, subject.ordersSharedHandles);
        }),
        { seed: SEED, numRuns: 12, endOnFailure: true },
      );
      t.pass();
    },
  );

  serial(
    'an authority has run out by the latest that it may be, whatever is taken for the present',
    async t => {
      const now = Date.now();
      let doubtMs = 0;
      const database = await subject.newDatabase(t);
      const store = await openStore(t, database, { now: () => now, latest: () => now + doubtMs });
      const authority: HeldAuthority = { lineage: 'tok_1:0', expiresAt: now + 1_000, own: ['tok_1'] };
      const act = () =>
        store.commit({
          changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id: newId('agt', now) }) }],
          events: [event()],
          authority,
        });
      t.deepEqual(await act(), { committed: true });
      doubtMs = 1_000;
      t.deepEqual(await act(), { committed: false, conflict: 'authority-ended', ended: 'tok_1:0' });
      doubtMs = 0;
      t.deepEqual(await act(), { committed: true }, 'the doubt was not kept');
    },
  );

  serial('a unit whose authority has run out is refused, by the clock of the store', async t => {
    let now = Date.now();
    const store = await openStore(t, await subject.newDatabase(t), { now: () => now });
    const authority: HeldAuthority = {
      lineage: 'tok_1:0 agt_1:0',
      expiresAt: now + 1_000,
      own: ['tok_1', 'agt_1'],
    };
    const act = async () =>
      store.commit({
        changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id: newId('agt', now) }) }],
        events: [event()],
        authority,
      });
    t.deepEqual(await act(), { committed: true });
    now += 999;
    t.deepEqual(await act(), { committed: true });
    now += 1;
    t.deepEqual(await act(), { committed: false, conflict: 'authority-ended', ended: 'tok_1:0' });
  });

  serial('a unit is refused once the session that it is done in is gone, and changes nothing', async t => {
    const database = await subject.newDatabase(t);
    const [store, other] = [await openStore(t, database), await openStore(t, database)];
    const pass = sessionPass();
    await store.commit({ changes: [{ kind: 'issue-pass', pass }], events: [], authority: SET_UP });
    const act = (id: `agt_${string}`) =>
      store.commit({
        changes: [{ kind: 'insert', collection: 'agent', record: agentRecord({ id }) }],
        events: [event({ target: id })],
        authority: {
          lineage: pass.lineage,
          expiresAt: pass.expiresAt,
          own: [pass.personId],
          pass: { kind: 'session', key: pass.key, handle: handle(pass.id, 0) },
        },
      });
    t.deepEqual(await act('agt_before'), { committed: true });
    const end = { kind: 'take-pass', passKind: 'session', key: pass.key, now: Date.now() } as const;
    t.deepEqual(await other.commit({ changes: [end], events: [] }), { committed: true });
    t.deepEqual(await act('agt_after'), {
      committed: false,
      conflict: 'authority-ended',
      ended: `${pass.id}:0`,
    });
    await store.fresh();
    t.truthy(await store.findAgent('agt_before'));
    t.is(await store.findAgent('agt_after'), undefined);
    t.false(
      (await store.readNewest(100)).some(({ body }) => body.includes('agt_after')),
      'nor is it in the trail',
    );
  });

  serial('what ends the authority that it is done on is done, and what comes after it is not', async t => {
    const store = await openStore(t, await subject.newDatabase(t));
    const record = agentRecord();
    await store.commit({
      changes: [{ kind: 'insert', collection: 'agent', record }],
      events: [],
      authority: SET_UP,
    });
    const authority: HeldAuthority = {
      lineage: lineageOf([handle(record.id, 0)]),
      expiresAt: FOREVER,
      own: [record.id],
    };
    const next = { ...record, epoch: 1, version: 2 };
    const narrowing = [{ kind: 'replace', collection: 'agent', record: next, ifVersion: 1 }] as const;
    t.deepEqual(await store.commit({ changes: narrowing, events: [event()], authority }), {
      committed: true,
    });
    const again = [{ ...narrowing[0], record: { ...next, version: 3 }, ifVersion: 2 }] as const;
    t.deepEqual(await store.commit({ changes: again, events: [event()], authority }), {
      committed: false,
      conflict: 'authority-ended',
      ended: `${record.id}:0`,
    });
  });

  serial('a unit of one batch that fails takes nothing along that was checked in it', async t => {
    const store = await openStore(t, await subject.newDatabase(t));
    const used = cutOff('agt_1', 1);
    // The second fails beyond its first change, so that the batch is undone and tried again; the third rests on what was undone.
    const insert = (id: `agt_${string}`) =>
      ({ kind: 'insert', collection: 'agent', record: agentRecord({ id }) }) as const;
    await store.commit({ changes: [insert('agt_taken')], events: [], authority: SET_UP });
    const authority: HeldAuthority = { lineage: 'agt_1:0', expiresAt: FOREVER, own: ['agt_1'] };
    const outcomes = await Promise.all([
      store.commit({ changes: [insert('agt_first')], events: [event()], authority }),
      store.commit({ changes: [used, insert('agt_taken')], events: [event()], authority: SET_UP }),
      store.commit({ changes: [insert('agt_second')], events: [event()], authority }),
    ]);
    t.deepEqual(outcomes, [
      { committed: true },
      { committed: false, conflict: 'already-exists' },
      { committed: true },
    ]);
  });
}

async function play(
  stores: readonly [Store, Store],
  plan: readonly (readonly Step[])[],
  run: number,
): Promise<readonly Taken[]> {
  const named = (id: HandleId) => `${id}_${run}`;
  const epochs = new Map<HandleId, number>();
  const taken: Taken[] = [];
  for (const [round, steps] of plan.entries()) {
    const before = new Map(epochs);
    const at = (id: HandleId) => before.get(id) ?? 0;
    const done = steps.map(async (step, index): Promise<Taken> => {
      const name = `step_${run}_${round}_${index}`;
      const store = stores[step.store];
      if (step.kind === 'cut') {
        const id = named(step.what);
        const epoch = (epochs.get(id) ?? 0) + 1;
        epochs.set(id, epoch);
        const outcome = await store.commit({
          changes: [cutOff(id, epoch)],
          events: [event({ target: name })],
        });
        return {
          step,
          name,
          round,
          epochs: new Map([[id, epoch]]),
          ended: outcome.committed ? undefined : outcome.conflict,
        };
      }
      const own = named(step.who);
      const rests = new Map([
        [own, Math.max(0, at(own) - step.behind)],
        [named(SHARED), at(named(SHARED))],
      ]);
      const outcome = await store.commit({
        changes: [
          { kind: 'insert', collection: 'agent', record: agentRecord({ id: newId('agt', Date.now()) }) },
        ],
        events: [event({ target: name })],
        authority: {
          lineage: lineageOf([...rests].map(([id, epoch]) => handle(id, epoch))),
          expiresAt: FOREVER,
          own: [own],
        },
      });
      const ended = outcome.committed
        ? undefined
        : outcome.conflict === 'authority-ended'
          ? outcome.ended
          : outcome.conflict;
      return { step, name, round, epochs: rests, ended };
    });
    taken.push(...(await Promise.all(done)));
  }
  return taken;
}

/** @throws {Error} where what was committed could not have been, or what was refused need not have been */
function check(taken: readonly Taken[], order: readonly string[], ordersShared: boolean): void {
  const byName = new Map(taken.map(each => [each.name, each]));
  const raised = new Map<HandleId, number>();
  const raisedInRound = new Map<HandleId, Map<number, number>>();
  for (const name of order) {
    const one = byName.get(name);
    if (!one) continue;
    for (const [id, epoch] of one.epochs) {
      if (one.step.kind === 'cut') {
        raised.set(id, Math.max(raised.get(id) ?? 0, epoch));
        const rounds = raisedInRound.get(id) ?? new Map<number, number>();
        raisedInRound.set(id, rounds.set(one.round, Math.max(rounds.get(one.round) ?? 0, epoch)));
      } else {
        // What was only read may have been cut off while the transaction was under way, and not before it began.
        const isExact = ordersShared || !id.startsWith(SHARED);
        const until = isExact ? (raised.get(id) ?? 0) : raisedBefore(raisedInRound.get(id), one.round);
        if (until > epoch)
          throw new Error(`${name} was committed on ${id}:${epoch} after that was raised to ${until}`);
      }
    }
  }
  for (const { name, epochs, ended, round } of taken) {
    if (ended === undefined) continue;
    const [id, epoch] = [
      ended.slice(0, ended.lastIndexOf(':')),
      Number(ended.slice(ended.lastIndexOf(':') + 1)),
    ];
    if (epochs.get(id) !== epoch)
      throw new Error(`${name} was refused for ${ended}, on which it did not rest`);
    if (raisedBefore(raisedInRound.get(id), round + 1) <= epoch) {
      throw new Error(`${name} was refused for ${ended}, which nobody had raised`);
    }
  }
}

function raisedBefore(rounds: ReadonlyMap<number, number> | undefined, round: number): number {
  return Math.max(0, ...[...(rounds ?? [])].filter(([at]) => at < round).map(([, epoch]) => epoch));
}

function sessionPass(): SessionPass {
  const now = Date.now();
  return {
    kind: 'session',
    id: newId('ses', now),
    key: 'a-key',
    personId: 'usr_1',
    version: 1,
    createdAt: now,
    expiresAt: now + 3_600_000,
    lineage: 'usr_1:0',
    lastUsedAt: now,
    authenticatedAt: now,
    factorAt: now,
    amr: ['pwd', 'otp', 'mfa'],
    acr: 'urn:countersign:acr:mfa',
  };
}
