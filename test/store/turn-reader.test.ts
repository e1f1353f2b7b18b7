import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { openForReading, openForWriting } from '../../src/store/sqlite/database.ts';
import { TurnReader } from '../../src/store/sqlite/reader.ts';

test('I7: what is asked at once after a turn is as fresh as that turn; once anybody can have come in between it is heard anew', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  const file = join(directory, 'store.sqlite');
  const writing: DatabaseSync = openForWriting(file);
  writing.exec('CREATE TABLE heard(number INTEGER)');
  const database = openForReading(file);
  const count = database.prepare('SELECT count(*) AS count FROM heard');
  const heard: unknown[] = [];
  const reader = new TurnReader(database, () => void heard.push(count.get()?.['count']));
  t.teardown(async () => {
    reader.close();
    writing.close();
    await rm(directory, { recursive: true });
  });

  await reader.fresh();
  t.deepEqual(heard, [0]);
  await reader.fresh();
  await reader.fresh();
  t.deepEqual(heard, [0], 'the same work goes on, however often it asks');
  t.is(await reader.read(() => count.get()?.['count']), 0);
  t.deepEqual(heard, [0, 0], 'a lookup has a turn of its own');

  for (const wait of [
    () => setImmediate(),
    () => new Promise<void>(resolve => setTimeout(resolve)),
    () => new Promise<void>(resolve => process.nextTick(resolve)).then(() => setImmediate()),
    async () => void (await stat(file)),
  ]) {
    heard.length = 0;
    await reader.fresh();
    writing.exec('INSERT INTO heard VALUES (1)');
    await wait();
    await reader.fresh();
    t.is(heard.at(-1), Number(writing.prepare('SELECT count(*) AS count FROM heard').get()?.['count']));
  }

  await setImmediate();
  heard.length = 0;
  const [first, second] = [reader.fresh(), reader.fresh()];
  await Promise.all([first, second]);
  t.is(heard.length, 1, 'who asks together shares a turn');
});
