import test from 'ava';
import fc from 'fast-check';
import { findDeadHandle, handle, hasEnded, isFromTheFuture, isLive, lineageOf } from '../src/liveness.ts';

const ids = ['agt_1', 'usr_1', 'res_1', 'key_1', 'tok_1', 'deployment'] as const;
const anyId = fc.constantFrom(...ids);
const anyEpoch = fc.nat({ max: 4 });
const anyHandles = fc.uniqueArray(fc.tuple(anyId, anyEpoch), { selector: ([id]) => id, minLength: 1 });
const anyCutoffs = fc.dictionary(anyId, anyEpoch);
const epochsOf = (raised: Record<string, number>) => ({ raisedTo: (id: string) => raised[id] ?? 0 });

test('a token lives exactly while it has not expired and no handle of its lineage was raised beyond the epoch it carries', t => {
  fc.assert(
    fc.property(
      anyHandles,
      anyCutoffs,
      fc.nat({ max: 20 }),
      fc.nat({ max: 20 }),
      (handles, raised, expiresAt, now) => {
        const expected = now < expiresAt && handles.every(([id, epoch]) => (raised[id] ?? 0) <= epoch);
        const lineage = lineageOf(handles.map(([id, epoch]) => handle(id, epoch)));
        t.is(isLive({ lineage, issuedAt: 0, expiresAt }, epochsOf(raised), now * 1000), expected);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a cutoff of any one handle kills, and no later cutoff or clock step revives', t => {
  fc.assert(
    fc.property(anyHandles, fc.nat(), anyCutoffs, (handles, which, later) => {
      const [id, epoch] = handles[which % handles.length] ?? ['', 0];
      const raised: Record<string, number> = { [id]: epoch + 1 };
      for (const [other, raisedTo] of Object.entries(later))
        raised[other] = Math.max(raised[other] ?? 0, raisedTo);
      const lineage = lineageOf(handles.map(([each, at]) => handle(each, at)));
      t.false(isLive({ lineage, issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER }, epochsOf(raised), 0));
    }),
  );
});

test('the handle that killed is named', t => {
  const lineage = lineageOf([handle('agt_1', 0), handle('res_1', 2)]);
  t.is(findDeadHandle(lineage, epochsOf({ res_1: 3 })), 'res_1:2');
  t.is(findDeadHandle(lineage, epochsOf({ res_1: 2 })), undefined);
});

test('a token without lineage, or with one that cannot be read, is never alive', t => {
  t.false(isLive({ lineage: '', issuedAt: 0, expiresAt: 10 }, epochsOf({}), 0));
  for (const lineage of ['agt_1', 'agt_1:', ':3', 'agt_1:x', 'agt_1:0  res_1:0', 'agt_1:1.5']) {
    t.throws(
      () => isLive({ lineage, issuedAt: 0, expiresAt: 10 }, epochsOf({}), 0),
      { instanceOf: TypeError },
      lineage,
    );
  }
});

test('a token that was issued more than 5 s after the present is not live, and has not ended', t => {
  const token = { lineage: 'agt_1:0', issuedAt: 1_000, expiresAt: 2_000 };
  for (const [nowMs, lives] of [
    [0, false],
    [994_999, false],
    [995_000, true],
    [1_000_000, true],
    [1_999_999, true],
    [2_000_000, false],
  ] as const) {
    t.is(isLive(token, epochsOf({}), nowMs), lives, String(nowMs));
    t.is(hasEnded(token, epochsOf({}), nowMs), nowMs >= 2_000_000, String(nowMs));
    t.is(isFromTheFuture(token, nowMs), nowMs < 995_000, String(nowMs));
  }
  t.true(hasEnded(token, epochsOf({ agt_1: 1 }), 0), 'what was cut off is dead, from the future too');
});
