/** R135 and I12: signed checkpoints, what they prove, and what is proved only by those that have left the machine. */

import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { appendFile, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import {
  type AuditRow,
  type Checkpoint,
  type CheckpointOptions,
  type LaneHead,
  startCheckpoints,
  storeTrail,
  verifyCheckpoints,
  verifyTrail,
} from '../../src/audit/index.ts';
import { chained } from '../support/chained.ts';
import { byLane, NOW, readAll, rechain, replaceRows, SEED, someEvent, writeRealTrail } from './real-trail.ts';

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const HOUR_MS = 3_600_000;
const ISSUER = 'https://as.example';

/** Lanes that grow as told: what a checkpoint writer sees of a store. */
class Lanes {
  heads: readonly LaneHead[] = [];

  async listLanes(): Promise<readonly AuditRow[]> {
    return this.heads.map(head => ({ ...head, body: '' }));
  }

  grow(lane: string, index = 0): void {
    const known = this.heads.find(head => head.lane === lane);
    const { seq, hash } = chained(known ?? { lane, seq: 0, hash: '0'.repeat(64) }, someEvent(index));
    this.heads = [...this.heads.filter(head => head !== known), { lane, seq, hash }];
  }
}

interface Bench {
  readonly lanes: Lanes;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
  readonly file: string;
  readonly problems: string[];
  start(overrides?: Partial<CheckpointOptions>): ReturnType<typeof startCheckpoints>;
  lines(): Promise<readonly string[]>;
}

async function bench(t: ExecutionContext): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-checkpoints-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const [lanes, key, problems] = [new Lanes(), newKey(), [] as string[]];
  const file = join(directory, 'checkpoints.jws');
  return {
    lanes,
    key,
    publicKey: createPublicKey(key),
    file,
    problems,
    start: overrides =>
      startCheckpoints({
        auditStore: lanes,
        key,
        file,
        issuer: ISSUER,
        now: () => NOW,
        everyMs: HOUR_MS,
        onProblem: error => problems.push((error as Error).message),
        ...overrides,
      }),
    lines: async () => (await readFile(file, 'utf8')).split('\n').slice(0, -1),
  };
}

/** Writes five checkpoints. */
async function writeFive(t: ExecutionContext): Promise<Bench & { readonly five: readonly string[] }> {
  const made = await bench(t);
  const checkpoints = await made.start();
  for (let index = 0; index < 5; index += 1) {
    made.lanes.grow(index % 2 === 0 ? 'lane_a' : 'lane_b', index);
    await checkpoints.checkpointNow();
  }
  await checkpoints.stop();
  return { ...made, five: await made.lines() };
}

const read = (line: string): Checkpoint =>
  JSON.parse(Buffer.from(line.split('.')[1] ?? '', 'base64url').toString());

test('checkpoints verify with the public key alone, each sealing the one before', async t => {
  const { file, publicKey, five, lanes } = await writeFive(t);
  t.is(five.length, 5);
  const report = await verifyCheckpoints(file, publicKey);
  t.true(report.isIntact);
  t.is(report.checkpoints, 5);
  t.deepEqual(report.last?.lanes, lanes.heads);
  t.is(report.last?.iss, ISSUER);
  t.is(report.last?.iat, NOW / 1_000);
  t.deepEqual(
    five.map(line => read(line).seq),
    [1, 2, 3, 4, 5],
  );
  t.deepEqual(
    [...report.heads].map(([lane, hashes]) => [lane, [...hashes.keys()]]),
    [
      ['lane_a', [1, 2, 3]],
      ['lane_b', [1, 2]],
    ],
  );
});

test('another key verifies nothing, and vouches for nothing', async t => {
  const { file, five } = await writeFive(t);
  const report = await verifyCheckpoints(file, createPublicKey(newKey()));
  t.false(report.isIntact);
  t.is(report.checkpoints, 0);
  t.deepEqual(report.firstBad, { line: 1, why: 'malformed' });
  t.is(report.heads.size, 0);
  t.is(five.length, 5);
});

test('an edited checkpoint is named by its line and vouches for nothing; the others still do', async t => {
  const { file, publicKey, five } = await writeFive(t);
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 4 }), fc.nat(), async (line, where) => {
      const text = five[line] ?? '';
      const index = where % text.length;
      const other = text[index] === 'A' ? 'B' : 'A';
      const edited = text.slice(0, index) + other + text.slice(index + 1);
      // The last characters of a segment hold bits that say nothing: the same bytes may have two spellings.
      const isSame = edited
        .split('.')
        .every((part, each) =>
          Buffer.from(part, 'base64url').equals(Buffer.from(text.split('.')[each] ?? '', 'base64url')),
        );
      await writeFile(file, `${five.with(line, edited).join('\n')}\n`);
      const report = await verifyCheckpoints(file, publicKey);
      if (isSame) return;
      t.deepEqual(report.firstBad, { line: line + 1, why: 'malformed' }, edited);
      t.is(report.checkpoints, 4);
      t.is([...report.heads.values()].reduce((sum, hashes) => sum + hashes.size, 0) >= 4, true);
    }),
    { numRuns: 150, seed: SEED },
  );
});

test('what the key has signed for another purpose is no checkpoint', async t => {
  const { file, key, publicKey, five } = await writeFive(t);
  const payload = read(five[2] ?? '');
  const sign = (claims: object, header: object, by: KeyObject | Uint8Array = key) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'countersign-checkpoint+jwt', ...header })
      .sign(by);
  const [header = '', body = ''] = (five[2] ?? '').split('.');
  const none = Buffer.from('{"alg":"none","typ":"countersign-checkpoint+jwt"}').toString('base64url');
  const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
  const lines = {
    'an access token': await sign(payload, { typ: 'at+jwt' }),
    'no type': await sign(payload, { typ: undefined }),
    'no lanes': await sign({ ...payload, lanes: undefined }, {}),
    'a lane without a row': await sign({ ...payload, lanes: [{ lane: 'lane_a', seq: 0, hash: '0' }] }, {}),
    'a member more': await sign({ ...payload, note: 'x' }, {}),
    'no signature': `${header}.${body}.`,
    'alg none': `${none}.${body}.`,
    'a MAC with the public key': await sign(payload, { alg: 'HS256' }, pem),
    nothing: '',
  };
  for (const [what, line] of Object.entries(lines)) {
    await writeFile(file, `${five.with(2, line).join('\n')}\n`);
    t.deepEqual((await verifyCheckpoints(file, publicKey)).firstBad, { line: 3, why: 'malformed' }, what);
  }
});

test('lines that are missing, repeated or in another order are named by the first wrong one', async t => {
  const { file, publicKey, five } = await writeFive(t);
  const check = async (lines: readonly string[]) => {
    await writeFile(file, lines.map(line => `${line}\n`).join(''));
    return (await verifyCheckpoints(file, publicKey)).firstBad;
  };
  for (let index = 0; index < 4; index += 1) {
    t.deepEqual(await check(five.toSpliced(index, 1)), { line: index + 1, why: 'missing' });
    const [one = '', next = ''] = [five[index], five[index + 1]];
    t.deepEqual(await check(five.with(index, next).with(index + 1, one)), {
      line: index + 1,
      why: 'missing',
    });
    t.deepEqual(await check(five.toSpliced(index, 0, one)), { line: index + 2, why: 'inserted' });
    t.deepEqual(await check(five.concat(one)), { line: 6, why: 'inserted' });
  }
  t.deepEqual(await check(five.toReversed()), { line: 1, why: 'missing' });
  // Nothing inside the file can tell that there was more: only a copy of it that was shipped.
  t.is(await check(five.slice(0, 3)), undefined);
  t.is(await check([]), undefined);
});

test('a holder of the key who signs a line again is found by the line after it', async t => {
  const { file, key, publicKey, five } = await writeFive(t);
  const forged = await new SignJWT({ ...read(five[2] ?? ''), iss: 'https://other.example' })
    .setProtectedHeader({ alg: 'ES256', typ: 'countersign-checkpoint+jwt' })
    .sign(key);
  await writeFile(file, `${five.with(2, forged).join('\n')}\n`);
  t.deepEqual((await verifyCheckpoints(file, publicKey)).firstBad, { line: 4, why: 'altered' });
});

test('a line that says it was signed before the line above it is named', async t => {
  const { file, key, publicKey, five } = await writeFive(t);
  const [first = '', second = ''] = five;
  const earlier = await new SignJWT({ ...read(second), iat: read(first).iat - 1 })
    .setProtectedHeader({ alg: 'ES256', typ: 'countersign-checkpoint+jwt' })
    .sign(key);
  await writeFile(file, `${first}\n${earlier}\n`);
  t.deepEqual((await verifyCheckpoints(file, publicKey)).firstBad, { line: 2, why: 'altered' });
});

test('nothing is written while nothing has changed, and one last checkpoint at the end', async t => {
  const { start, lanes, lines } = await bench(t);
  const checkpoints = await start();
  t.is((await lines()).length, 0);
  t.is(await checkpoints.checkpointNow(), undefined);
  lanes.grow('lane_a');
  t.is((await checkpoints.checkpointNow())?.seq, 1);
  t.is(await checkpoints.checkpointNow(), undefined);
  // Asked for at the same moment they still come one after the other.
  lanes.grow('lane_a');
  const both = await Promise.all([checkpoints.checkpointNow(), checkpoints.checkpointNow()]);
  t.deepEqual(
    both.map(each => each?.seq),
    [2, undefined],
  );
  lanes.grow('lane_b');
  await checkpoints.stop();
  t.deepEqual((await lines()).map(line => read(line).seq).at(-1), 3);
});

test('a checkpoint is written at the start and by itself from then on', async t => {
  const { start, lanes, lines, file } = await bench(t);
  lanes.grow('lane_a');
  const checkpoints = await start({ everyMs: 1 });
  t.is((await lines()).length, 1);
  lanes.grow('lane_a');
  const { size } = await stat(file);
  while ((await stat(file)).size === size);
  t.is((await lines()).length, 2);
  await checkpoints.stop();
});

test('a restart goes on in the same file', async t => {
  const { start, lanes, file, publicKey, five } = await writeFive(t);
  const again = await start();
  lanes.grow('lane_c');
  await again.checkpointNow();
  await again.stop();
  const report = await verifyCheckpoints(file, publicKey);
  t.true(report.isIntact);
  t.is(report.last?.seq, five.length + 1);
});

test('a clock that steps back does not take a checkpoint back, across a restart too', async t => {
  const { start, lanes, file, publicKey, five } = await writeFive(t);
  lanes.grow('lane_a');
  const checkpoints = await start({ now: () => NOW - HOUR_MS });
  await checkpoints.stop();
  const report = await verifyCheckpoints(file, publicKey);
  t.true(report.isIntact);
  t.is(report.checkpoints, five.length + 1);
  t.is(report.last?.iat, NOW / 1_000);
});

test('I12: a line that a crash has torn is no fault, and the next start goes on before it', async t => {
  const { start, lanes, file, publicKey, five } = await writeFive(t);
  const last = five.at(-1) ?? '';
  const pieces = [1, 2, 3, 10, 100, last.length - 1, last.length].map(length => last.slice(0, length));
  // After a power cut a file may be as long as it should be, with zeros where the data should be.
  for (const piece of [...pieces, '\0'.repeat(100), `${last.slice(0, 20)}${'\0'.repeat(80)}`]) {
    await writeFile(file, `${five.slice(0, 4).join('\n')}\n${piece}`);
    const torn = await verifyCheckpoints(file, publicKey);
    t.true(torn.isIntact, piece);
    t.is(torn.checkpoints, 4);
    lanes.grow('lane_a');
    await (await start()).stop();
    const mended = await verifyCheckpoints(file, publicKey);
    t.true(mended.isIntact, piece);
    t.is(mended.checkpoints, 5);
  }
  // A file with nothing but a torn line is one that has not begun.
  await writeFile(file, last.slice(0, 50));
  await (await start()).stop();
  t.is((await verifyCheckpoints(file, publicKey)).last?.seq, 1);
});

test('a file that is not ours is refused and left as it is', async t => {
  const { start, lanes, file, five } = await writeFive(t);
  lanes.grow('lane_a');
  const contents = {
    'another key': [`${five.join('\n')}\n`, newKey()],
    'a list of shopping': ['milk\nbread\n'],
    'one word': ['milk'],
    'ends in another line': [`${five.join('\n')}\nmilk\n`],
    'ends in half of another line': [`${five.join('\n')}\nmil`],
  } satisfies Record<string, [string, KeyObject?]>;
  for (const [what, [text, key]] of Object.entries(contents) as [string, [string, KeyObject?]][]) {
    await writeFile(file, text);
    await t.throwsAsync(start(key && { key }), { message: /name another file/ }, what);
    t.is(await readFile(file, 'utf8'), text, what);
  }
});

test('a checkpoint that cannot be written is an error, and the next one closes the gap', async t => {
  const { start, lanes, file, publicKey } = await bench(t);
  lanes.grow('lane_a');
  let isDown = false;
  const checkpoints = await start({
    auditStore: {
      listLanes: async () => {
        if (isDown) throw new Error('the store cannot be read');
        return lanes.listLanes();
      },
    },
  });
  lanes.grow('lane_a');
  isDown = true;
  await t.throwsAsync(checkpoints.checkpointNow(), { message: 'the store cannot be read' });
  isDown = false;
  t.is((await checkpoints.checkpointNow())?.seq, 2);
  await checkpoints.stop();
  t.true((await verifyCheckpoints(file, publicKey)).isIntact);
});

test('R135: a running process says that the trail has lost what it had, and signs the contradiction', async t => {
  for (const loss of ['a lane gone', 'a lane shorter', 'another row of the same number']) {
    const { start, lanes, file, publicKey, problems } = await bench(t);
    for (const lane of ['lane_a', 'lane_a', 'lane_b']) lanes.grow(lane);
    const checkpoints = await start();
    const [a, b] = lanes.heads as [LaneHead, LaneHead];
    lanes.heads = {
      'a lane gone': [b],
      'a lane shorter': [{ ...a, seq: 1 }, b],
      'another row of the same number': [{ ...a, hash: 'f'.repeat(64) }, b],
    }[loss] as LaneHead[];
    await checkpoints.checkpointNow();
    t.deepEqual(problems, ['the audit trail no longer has row 2 of lane lane_a'], loss);
    lanes.grow('lane_b');
    await checkpoints.stop();
    t.is(problems.length, 1, 'said once');
    const report = await verifyCheckpoints(file, publicKey);
    t.deepEqual(report.firstBad, { line: 2, why: 'rolled-back', lane: 'lane_a' }, loss);
  }
});

test('a running process says that somebody else writes its file', async t => {
  const { start, lanes, file, publicKey, problems } = await bench(t);
  lanes.grow('lane_a');
  const checkpoints = await start();
  await appendFile(file, 'a line\n');
  lanes.grow('lane_a');
  await checkpoints.stop();
  t.deepEqual(problems, [`${file} was changed by somebody else`]);
  t.deepEqual((await verifyCheckpoints(file, publicKey)).firstBad, { line: 2, why: 'malformed' });
});

/** A trail in a store with a checkpoint of its end, which was shipped; then rows that no shipped checkpoint knows. */
async function shippedTrail(t: ExecutionContext) {
  const trail = await writeRealTrail(t, 8);
  const key = newKey();
  const checkpointFile = join(trail.directory, 'checkpoints.jws');
  const options = {
    auditStore: trail.store,
    key,
    issuer: ISSUER,
    now: () => NOW,
    everyMs: HOUR_MS,
    onProblem: () => undefined,
  };
  await (await startCheckpoints({ ...options, file: checkpointFile })).stop();
  const shipped = join(trail.directory, 'shipped.jws');
  await copyFile(checkpointFile, shipped);
  const publicKey = createPublicKey(key);
  const verify = async (checkpoints: string) => {
    const report = await verifyCheckpoints(checkpoints, publicKey);
    const found = await verifyTrail(storeTrail(trail.store), report.heads);
    return { checkpoints: report, trail: found, isIntact: report.isIntact && found.isIntact };
  };
  /** What a holder of store and key does last: a new checkpoint file that agrees with what is there now. */
  const forgeCheckpoints = async () => {
    await rm(checkpointFile);
    await (await startCheckpoints({ ...options, file: checkpointFile })).stop();
  };
  return { ...trail, publicKey, checkpointFile, shipped, verify, forgeCheckpoints };
}

test('R135: who holds the store and the key can forge both, and is found by the checkpoint that has left', async t => {
  const { store, file, checkpointFile, shipped, rows, verify, forgeCheckpoints } = await shippedTrail(t);
  t.true((await verify(checkpointFile)).isIntact);
  const lanes = byLane(rows);
  const [first = '', second = ''] = lanes.keys();
  const mine = lanes.get(first) ?? [];
  const others = rows.filter(row => row.lane !== first);
  const edited = mine.with(4, {
    ...(mine[4] as AuditRow),
    body: mine[4]?.body.replace('"at":1', '"at":2') ?? '',
  });
  const continued = (kept: number) => {
    const line = [...mine.slice(0, kept)];
    for (let index = kept; index < 12; index += 1)
      line.push(chained(line.at(-1) as AuditRow, someEvent(index + 100)));
    return line;
  };
  const forgeries = {
    'a row edited, all hashes computed again': [...rechain(edited, 4), ...others],
    'the end of a lane cut off': [...mine.slice(0, 5), ...others],
    'a lane taken out': others,
    'a lane rolled back and continued in another way (a fork)': [...continued(5), ...others],
    'a lane written anew from its first row': [...rechain(continued(1)), ...others],
    'rows given to another lane': [
      ...mine.slice(0, 7),
      ...others,
      chained(lanes.get(second)?.at(-1) as AuditRow, someEvent(1)),
    ],
    'everything deleted': [],
  };
  for (const [what, forged] of Object.entries(forgeries)) {
    replaceRows(file, forged);
    await forgeCheckpoints();
    t.true((await verify(checkpointFile)).isIntact, `${what}: what is on the machine agrees with itself`);
    const found = await verify(shipped);
    t.true(found.checkpoints.isIntact);
    t.false(found.isIntact, what);
    t.true(
      found.trail.lanes.some(each => each.lane === first && each.firstBad),
      what,
    );
    replaceRows(file, rows);
  }
  t.true((await verify(shipped)).isIntact);
  t.deepEqual(await readAll(store), rows);
});

test('R135: an older copy of the whole store, gone on with, is found by the checkpoint that has left', async t => {
  const { store, file, directory, checkpointFile, shipped, verify, forgeCheckpoints, rows } =
    await shippedTrail(t);
  const copy = join(directory, 'older.sqlite');
  const backup = new DatabaseSync(file);
  backup.exec(`VACUUM INTO '${copy}'`);
  backup.close();
  for (let index = 0; index < 5; index += 1) await store.commit({ changes: [], events: [someEvent(index)] });
  await forgeCheckpoints();
  await copyFile(checkpointFile, shipped);
  const after = await readAll(store);
  t.is(after.length, rows.length + 5);

  // Restored, as far as the trail goes; and the lane goes on with other events.
  const restored = new DatabaseSync(copy);
  const older = restored.prepare('SELECT lane, seq, body, hash FROM audit ORDER BY position').all();
  restored.close();
  const lane = after.at(-1)?.lane ?? '';
  const fork = older.map(row => ({ ...row }) as unknown as AuditRow);
  for (let index = 0; index < 7; index += 1) {
    fork.push(chained(fork.findLast(row => row.lane === lane) as AuditRow, someEvent(index + 50)));
  }
  replaceRows(file, fork);
  await forgeCheckpoints();
  t.true((await verify(checkpointFile)).isIntact);
  const found = (await verify(shipped)).trail.lanes.find(each => each.lane === lane);
  t.deepEqual(found?.firstBad, { lane, seq: 1, upTo: 13, why: 'altered' });
});

test('R135: of two checkpoint files that contradict each other, no trail satisfies both', async t => {
  const { file, publicKey, checkpointFile, shipped, rows, forgeCheckpoints, store } = await shippedTrail(t);
  const [[lane = '', mine = []] = []] = byLane(rows);
  const fifth = mine[4] as AuditRow;
  const edited = mine.with(4, { ...fifth, body: fifth.body.replace('"at":1', '"at":2') });
  const forged = [...rechain(edited, 4), ...rows.filter(row => row.lane !== lane)];
  replaceRows(file, forged);
  await forgeCheckpoints();
  const one = await verifyCheckpoints(shipped, publicKey);
  const both = await verifyCheckpoints(checkpointFile, publicKey, one.heads);
  t.true(one.isIntact && both.isIntact, 'each by itself is sound');
  for (const trail of [rows, forged]) {
    replaceRows(file, trail);
    const { lanes } = await verifyTrail(storeTrail(store), both.heads);
    t.deepEqual(
      lanes.flatMap(each => each.firstBad ?? []),
      [{ lane, seq: 1, upTo: 8, why: 'altered' }],
    );
  }
});

test('what is forged after the last checkpoint that has left is found by nobody', async t => {
  const { store, file, shipped, rows, verify } = await shippedTrail(t);
  for (let index = 0; index < 3; index += 1) await store.commit({ changes: [], events: [someEvent(index)] });
  t.is((await readAll(store)).length, rows.length + 3);
  replaceRows(file, rows);
  const report = await verify(shipped);
  t.true(report.isIntact);
  // The report says how far it reaches.
  t.deepEqual(
    report.trail.lanes.map(each => [each.checkpointedTo, each.rows]),
    [
      [8, 8],
      [8, 8],
      [8, 8],
    ],
  );
});
