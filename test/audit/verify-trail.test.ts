/** R135 and I12: what verification of a trail finds, and what it cannot. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  type AuditRow,
  type BadRow,
  type CheckpointedHeads,
  fileTrail,
  storeTrail,
  type Trail,
  type TrailReport,
  trailLines,
  verifyTrail,
} from '../../src/audit/index.ts';
import { byLane, readAll, rechain, replaceRows, SEED, someEvent, writeRealTrail } from './real-trail.ts';

/** An exported trail as somebody has left it: lines, of which some may be no rows any more. */
type Export = readonly string[];
type Tampering = (lines: Export) => readonly string[];

const asExport = (rows: readonly AuditRow[]): Export => rows.map(row => JSON.stringify(row));
const parse = (line: string): AuditRow | undefined => {
  try {
    const row = JSON.parse(line) as AuditRow;
    const { lane, seq, body, hash } = row;
    const isRow = [lane, body, hash].every(text => typeof text === 'string') && typeof seq === 'number';
    return isRow ? row : undefined;
  } catch {
    return undefined;
  }
};
const trailOf = (lines: Export): Trail => ({
  async *rows() {
    yield lines.map(parse);
  },
});

/** Which row is the first wrong one, told by comparing with what was written: no hash is needed for that. */
function firstDifferences(
  written: readonly AuditRow[],
  found: readonly AuditRow[],
): ReadonlyMap<string, { readonly place: number; readonly isCutThere: boolean }> {
  const differences = new Map<string, { place: number; isCutThere: boolean }>();
  const [before, after] = [byLane(written), byLane(found)];
  for (const lane of new Set([...before.keys(), ...after.keys()])) {
    const [rows, others] = [before.get(lane) ?? [], after.get(lane) ?? []];
    const longer = Math.max(rows.length, others.length);
    const place = Array.from({ length: longer }, (_, index) => index).find(
      index => !isDeepStrictEqual(rows[index], others[index]),
    );
    if (place !== undefined) differences.set(lane, { place: place + 1, isCutThere: place >= others.length });
  }
  return differences;
}

function everyHead(rows: readonly AuditRow[], places = (_place: number, _last: number) => true) {
  const heads = new Map<string, Map<number, string>>();
  for (const [lane, laneRows] of byLane(rows)) {
    const kept = laneRows.filter(row => places(row.seq, laneRows.length));
    heads.set(lane, new Map(kept.map(row => [row.seq, row.hash])));
  }
  return heads satisfies CheckpointedHeads;
}

const badRows = (report: TrailReport): ReadonlyMap<string, BadRow> =>
  new Map(report.lanes.flatMap(({ lane, firstBad }) => (firstBad ? [[lane, firstBad]] : [])));

/** Holds a report on changed rows, whose hashes nobody has computed again, to what was changed. */
function assertNamed(
  t: ExecutionContext,
  written: readonly AuditRow[],
  lines: Export,
  report: TrailReport,
  hasLastHeads: boolean,
): void {
  const found = lines.map(parse);
  const unreadable = found.filter(row => !row).length;
  const differences = firstDifferences(
    written,
    found.filter(row => row !== undefined),
  );
  const named = badRows(report);
  for (const [lane, { place, isCutThere }] of differences) {
    const expected = isCutThere && !hasLastHeads ? undefined : place;
    if (named.get(lane)?.seq !== expected) {
      t.fail(`lane ${lane}: row ${expected} is the first wrong one, not ${JSON.stringify(named.get(lane))}`);
    }
    if (isCutThere && hasLastHeads) t.is(named.get(lane)?.why, 'missing');
  }
  for (const lane of named.keys()) if (!differences.has(lane)) t.fail(`lane ${lane} is as it was written`);
  t.is(report.unreadable?.count ?? 0, unreadable);
  t.is(report.isIntact, named.size === 0 && unreadable === 0);
  const isFound = unreadable > 0 || [...differences.values()].some(each => hasLastHeads || !each.isCutThere);
  t.is(report.isIntact, !isFound);
}

const at = (fraction: number, length: number): number => Math.min(length - 1, Math.floor(fraction * length));
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** First, last, or anywhere. */
const somePlace = fc.oneof(fc.constantFrom(0, 0.999_999), place);

function editLine(line: string, edit: (row: Record<string, unknown>) => void): string {
  const row = JSON.parse(line) as Record<string, unknown>;
  edit(row);
  return JSON.stringify(row);
}

/** Replaces one character by another one. */
function editText(text: string, where: number, by: number): string {
  const index = at(where, text.length);
  const old = text.charCodeAt(index);
  return text.slice(0, index) + String.fromCharCode(old ^ by) + text.slice(index + 1);
}

const anyTampering: fc.Arbitrary<Tampering> = fc.oneof(
  fc.record({ row: somePlace, where: place, by: fc.integer({ min: 1, max: 127 }) }).map(
    ({ row, where, by }): Tampering =>
      lines =>
        lines.map((line, index) =>
          index === at(row, lines.length) ? editText(line, where, by).replaceAll('\n', ' ') : line,
        ),
  ),
  fc
    .record({
      row: somePlace,
      field: fc.constantFrom('lane', 'body', 'hash'),
      where: place,
      by: fc.integer({ min: 1, max: 127 }),
    })
    .map(
      ({ row, field, where, by }): Tampering =>
        lines =>
          lines.map((line, index) =>
            index === at(row, lines.length)
              ? editLine(line, fields => {
                  fields[field] = editText(String(fields[field]), where, by);
                })
              : line,
          ),
    ),
  fc
    .record({ row: somePlace, field: fc.constantFrom('lane', 'seq', 'body', 'hash'), value: fc.jsonValue() })
    .map(
      ({ row, field, value }): Tampering =>
        lines =>
          lines.map((line, index) =>
            index === at(row, lines.length)
              ? editLine(line, fields => {
                  fields[field] = value;
                })
              : line,
          ),
    ),
  // Delete rows.
  fc.record({ row: somePlace, count: fc.integer({ min: 1, max: 5 }) }).map(
    ({ row, count }): Tampering =>
      lines =>
        lines.toSpliced(at(row, lines.length), count),
  ),
  // Insert a copy of a row, or of a row with another number, somewhere.
  fc.record({ from: somePlace, to: somePlace, by: fc.integer({ min: -3, max: 3 }) }).map(
    ({ from, to, by }): Tampering =>
      lines => {
        const copy = editLine(lines[at(from, lines.length)] ?? '', fields => {
          fields['seq'] = Number(fields['seq']) + by;
        });
        return lines.toSpliced(at(to, lines.length + 1), 0, copy);
      },
  ),
  // Swap two rows.
  fc.record({ one: somePlace, other: somePlace }).map(
    ({ one, other }): Tampering =>
      lines => {
        const [first, second] = [at(one, lines.length), at(other, lines.length)];
        return lines.with(first, lines[second] ?? '').with(second, lines[first] ?? '');
      },
  ),
  // Move a row to another lane, at its number there or at the end.
  fc.record({ row: somePlace, to: somePlace, renumber: fc.boolean() }).map(
    ({ row, to, renumber }): Tampering =>
      lines => {
        const target = JSON.parse(lines[at(to, lines.length)] ?? '') as AuditRow;
        const moved = editLine(lines[at(row, lines.length)] ?? '', fields => {
          fields['lane'] = target.lane;
          if (renumber) fields['seq'] = target.seq + 1;
        });
        return lines.toSpliced(at(row, lines.length), 1).toSpliced(at(to, lines.length), 0, moved);
      },
  ),
  // Truncate every lane, or roll one back.
  fc.record({ keep: place, onlyLaneOf: fc.option(somePlace) }).map(
    ({ keep, onlyLaneOf }): Tampering =>
      lines => {
        const lane = onlyLaneOf === null ? undefined : parse(lines[at(onlyLaneOf, lines.length)] ?? '')?.lane;
        return [...byLane(lines.map(line => JSON.parse(line) as AuditRow))].flatMap(([name, rows]) =>
          asExport(
            lane === undefined || name === lane ? rows.slice(0, Math.floor(keep * rows.length)) : rows,
          ),
        );
      },
  ),
);

test('a trail that nobody has touched verifies: in the store, exported, with checkpoints, and while it grows', async t => {
  const { store, rows, directory } = await writeRealTrail(t);
  t.is(byLane(rows).size, 3);
  const heads = everyHead(rows);
  const file = join(directory, 'trail.jsonl');
  let text = '';
  for await (const part of trailLines(storeTrail(store))) text += part;
  await writeFile(file, text);
  for (const trail of [storeTrail(store), fileTrail(file), trailOf(asExport(rows.toReversed().reverse()))]) {
    for (const known of [undefined, heads]) {
      const report = await verifyTrail(trail, known);
      t.true(report.isIntact, JSON.stringify(report));
      t.is(report.rows, rows.length);
      t.deepEqual(
        report.lanes.map(each => each.head.seq),
        [12, 12, 12],
      );
      t.deepEqual(
        report.lanes.map(each => each.checkpointedTo),
        known ? [12, 12, 12] : [0, 0, 0],
      );
    }
  }
  const writing = (async () => {
    for (let index = 0; index < 40; index += 1)
      await store.commit({ changes: [], events: [someEvent(index)] });
  })();
  const growing = await verifyTrail(storeTrail(store), heads);
  await writing;
  t.true(growing.isIntact, JSON.stringify(growing));
});

test('lanes of an export may be mixed: only the order within a lane counts', async t => {
  const { rows } = await writeRealTrail(t);
  const mixed = rows.toSorted((a, b) => a.seq - b.seq);
  t.notDeepEqual(mixed, rows);
  t.true((await verifyTrail(trailOf(asExport(mixed)), everyHead(rows))).isIntact);
});

test('R135: of 800 tamperings with an export each is named by lane and first wrong row, and no other lane is blamed', async t => {
  const { rows } = await writeRealTrail(t);
  const lines = asExport(rows);
  const lastHeads = everyHead(rows, (seq, last) => seq === last);
  const someHeads = everyHead(rows, seq => seq % 5 === 0);
  let changed = 0;
  await fc.assert(
    fc.asyncProperty(anyTampering, async tamper => {
      const tampered = tamper(lines);
      if (!isDeepStrictEqual(tampered, lines)) changed += 1;
      assertNamed(t, rows, tampered, await verifyTrail(trailOf(tampered)), false);
      assertNamed(t, rows, tampered, await verifyTrail(trailOf(tampered), lastHeads), true);
      // Checkpoints of earlier rows do not blur where the fault is.
      const report = await verifyTrail(trailOf(tampered), someHeads);
      for (const [lane, { place, isCutThere }] of firstDifferences(
        rows,
        tampered.map(parse).filter(row => row !== undefined),
      )) {
        const wasCheckpointed = place <= 10 && byLane(rows).has(lane);
        if (!isCutThere || wasCheckpointed) t.is(badRows(report).get(lane)?.seq, place);
      }
    }),
    { numRuns: 800, seed: SEED },
  );
  t.log(`seed ${SEED}: ${changed} of 800 changed the export`);
  t.true(changed >= 500);
});

test('R135: an export that is damaged as a file is not intact: bytes flipped, lines cut, joined or put in', async t => {
  const { rows, directory } = await writeRealTrail(t, 5);
  const file = join(directory, 'damaged.jsonl');
  const text = `${asExport(rows).join('\n')}\n`;
  const bytes = Buffer.from(text);
  const lastHeads = everyHead(rows, (seq, last) => seq === last);
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: bytes.length - 2 }),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom('flip', 'cut', 'drop', 'put'),
      async (index, by, how) => {
        const damaged = {
          flip: () => Buffer.from(bytes).fill((bytes[index] ?? 0) ^ by, index, index + 1),
          cut: () => bytes.subarray(0, index),
          drop: () => Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + 1)]),
          put: () => Buffer.concat([bytes.subarray(0, index), Buffer.from('\n{"'), bytes.subarray(index)]),
        }[how]();
        await writeFile(file, damaged);
        t.false((await verifyTrail(fileTrail(file), lastHeads)).isIntact, `${how} ${index} ${by}`);
      },
    ),
    { numRuns: 150, seed: SEED },
  );
  await writeFile(file, bytes);
  t.true((await verifyTrail(fileTrail(file), lastHeads)).isIntact);
});

test('R135: 120 tamperings inside the store are named by lane and first wrong row, read through the store', async t => {
  const { store, file, rows } = await writeRealTrail(t, 8);
  const lastHeads = everyHead(rows, (seq, last) => seq === last);
  const lanes = [...byLane(rows).keys()];
  const anyChange = fc.record({
    index: somePlace.map(fraction => at(fraction, rows.length)),
    how: fc.constantFrom('body', 'hash', 'delete', 'swap-bodies', 'swap-rows', 'move', 'append', 'renumber'),
    where: place,
    by: fc.integer({ min: 1, max: 31 }),
  });
  await fc.assert(
    fc.asyncProperty(anyChange, async ({ index, how, where, by }) => {
      const row = rows[index] as AuditRow;
      const other = rows[(index + 1 + (by % (rows.length - 1))) % rows.length] as AuditRow;
      const laneRows = byLane(rows).get(row.lane) ?? [];
      const replace = (...replacements: AuditRow[]) => rows.toSpliced(index, 1, ...replacements);
      const swap = (fields: (a: AuditRow, b: AuditRow) => AuditRow) =>
        rows.map(each => (each === row ? fields(row, other) : each === other ? fields(other, row) : each));
      const changed = {
        body: () => replace({ ...row, body: editText(row.body, where, by) }),
        hash: () => replace({ ...row, hash: editText(row.hash, where, by) }),
        delete: () => replace(),
        'swap-bodies': () => swap((a, b) => ({ ...a, body: b.body })),
        'swap-rows': () => swap((a, b) => ({ ...a, body: b.body, hash: b.hash })),
        move: () => {
          const lane = lanes[(lanes.indexOf(row.lane) + 1) % lanes.length] ?? '';
          return replace({ ...row, lane, seq: 9 });
        },
        append: () => rows.concat({ ...row, seq: laneRows.length + 1 }),
        // Above all others, below them, or between two whole numbers.
        renumber: () => replace({ ...row, seq: [100, -100, 0][by % 3] ?? 0 }),
      }[how]();
      replaceRows(file, changed);
      const asRead = await readAll(store);
      t.is(asRead.length, changed.length, 'nothing escapes the eyes of the store');
      assertNamed(t, rows, asExport(asRead), await verifyTrail(storeTrail(store)), false);
      assertNamed(t, rows, asExport(asRead), await verifyTrail(storeTrail(store), lastHeads), true);
    }),
    { numRuns: 120, seed: SEED },
  );
  replaceRows(file, rows);
  t.true((await verifyTrail(storeTrail(store), lastHeads)).isIntact);
});

test('each kind of tampering has its cause', async t => {
  const { rows } = await writeRealTrail(t);
  const [lane = '', other = ''] = byLane(rows).keys();
  const mine = byLane(rows).get(lane) ?? [];
  const theirs = byLane(rows).get(other) ?? [];
  const bad = async (changed: readonly AuditRow[], named = lane) =>
    badRows(await verifyTrail(trailOf(asExport([...changed, ...theirs])))).get(named);
  const fifth = mine[4] as AuditRow;

  t.deepEqual(await bad(mine.with(4, { ...fifth, body: fifth.body.replace('req_', 'req-') })), {
    lane,
    seq: 5,
    why: 'altered',
  });
  t.deepEqual(await bad(mine.with(4, { ...fifth, seq: 6 })), { lane, seq: 5, why: 'altered' });
  t.deepEqual(await bad(mine.with(4, { ...fifth, body: fifth.body.replace('"seq":5', '"seq":2') })), {
    lane,
    seq: 5,
    why: 'altered',
  });
  t.deepEqual(await bad(mine.toSpliced(4, 1)), { lane, seq: 5, why: 'missing' });
  t.deepEqual(await bad(mine.slice(1)), { lane, seq: 1, why: 'missing' });
  t.deepEqual(await bad(mine.toSpliced(5, 0, fifth)), { lane, seq: 6, why: 'inserted' });
  t.deepEqual(await bad(mine.with(4, mine[5] as AuditRow).with(5, fifth)), {
    lane,
    seq: 5,
    why: 'reordered',
  });
  t.deepEqual(await bad(mine.toSpliced(5, 0, { ...(theirs[5] as AuditRow), lane })), {
    lane,
    seq: 6,
    why: 'inserted',
  });
  t.deepEqual(await bad(mine.toSpliced(4, 0, { ...fifth, body: 'no JSON' })), {
    lane,
    seq: 5,
    why: 'altered',
  });
});

test('a row whose own hash was computed again is found by the row after it', async t => {
  const { rows } = await writeRealTrail(t);
  for (const [lane, mine] of byLane(rows)) {
    for (let index = 0; index < mine.length - 1; index += 1) {
      const row = mine[index] as AuditRow;
      const edited = mine.with(index, { ...row, body: row.body.replace('"at":1', '"at":2') });
      const forged = mine.with(index, rechain(edited, index)[index] as AuditRow);
      const report = await verifyTrail(trailOf(asExport(forged)));
      t.deepEqual(badRows(report).get(lane), { lane, seq: index + 2, why: 'altered' });
    }
  }
});

test('R135: a lane whose hashes were all computed again is found by a checkpoint only, which names the range', async t => {
  const { rows } = await writeRealTrail(t);
  const checkpointed = [3, 7, 11];
  const heads = everyHead(rows, seq => checkpointed.includes(seq));
  for (const [lane, mine] of byLane(rows)) {
    const others = rows.filter(row => row.lane !== lane);
    for (const [index, row] of mine.entries()) {
      const edited = mine.with(index, { ...row, body: row.body.replace('"at":1', '"at":2') });
      const forged = asExport([...others, ...rechain(edited, index)]);
      t.true((await verifyTrail(trailOf(forged))).isIntact, 'the chain alone cannot tell');

      const report = await verifyTrail(trailOf(forged), heads);
      const upTo = checkpointed.find(seq => seq > index);
      const from = (checkpointed.findLast(seq => seq <= index) ?? 0) + 1;
      // What came after the last checkpoint nobody can vouch for.
      t.deepEqual(
        badRows(report).get(lane),
        upTo === undefined ? undefined : { lane, seq: from, upTo, why: 'altered' },
      );
      t.is(badRows(report).size, upTo === undefined ? 0 : 1);
    }
  }
});

test('R135: a lane without its end, a lane that is gone and a trail that is gone are found by a checkpoint only', async t => {
  const { rows, directory } = await writeRealTrail(t);
  const heads = everyHead(rows, (seq, last) => seq === last);
  for (const [lane, mine] of byLane(rows)) {
    const others = rows.filter(row => row.lane !== lane);
    for (let kept = 0; kept < mine.length; kept += 1) {
      const cut = asExport([...others, ...mine.slice(0, kept)]);
      t.true((await verifyTrail(trailOf(cut))).isIntact, 'the chain alone cannot tell');
      const report = await verifyTrail(trailOf(cut), heads);
      t.deepEqual([...badRows(report).values()], [{ lane, seq: kept + 1, why: 'missing' }]);
    }
  }
  const empty = join(directory, 'empty.jsonl');
  await writeFile(empty, '');
  t.true((await verifyTrail(fileTrail(empty))).isIntact);
  t.deepEqual(
    [...badRows(await verifyTrail(fileTrail(empty), heads)).values()].map(({ seq, why }) => [seq, why]),
    [
      [1, 'missing'],
      [1, 'missing'],
      [1, 'missing'],
    ],
  );
});

test('a forger who computes every hash still cannot write what the program does not write', async t => {
  const { rows } = await writeRealTrail(t);
  const [[lane = '', mine = []] = []] = byLane(rows);
  const sixth = mine[5] as AuditRow;
  const body = JSON.parse(sixth.body) as { event: Record<string, unknown> };
  const forge = (text: string) =>
    verifyTrail(trailOf(asExport(rechain(mine.with(5, { ...sixth, body: text }), 5))));
  const bodies = {
    'not canonical': JSON.stringify(body, undefined, 1),
    'members in another order': JSON.stringify({ seq: 6, lane, event: body.event }),
    'a member twice': sixth.body.replace('{"event"', '{"lane":"x","event"'),
    'an event that is none of ours': sixth.body.replace(/"type":"[^"]+"/, '"type":"agent.forgiven"'),
    'a member that no event has': sixth.body.replace('"outcome"', '"note":"x","outcome"'),
    'an outcome that is none': sixth.body.replace(/"outcome":"[^"]+"/, '"outcome":"perhaps"'),
    'a count of nothing': sixth.body.replace('"outcome"', '"count":0,"outcome"'),
    'no event': `{"lane":"${lane}","seq":6}`,
    'no JSON': 'no JSON',
  };
  for (const [what, text] of Object.entries(bodies)) {
    t.deepEqual(badRows(await forge(text)).get(lane), { lane, seq: 6, why: 'malformed' }, what);
  }
});
