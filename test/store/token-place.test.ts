/** Where a token stands among others in SQLite: by its time and a part of its digest, which two tokens can have in common. */
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import test from 'ava';
import fc from 'fast-check';
import { migrate, SCHEMA_VERSION } from '../../src/store/sqlite/migrations.ts';
import {
  AT_PLACE,
  LAST_PLACE,
  PLACES,
  placeToken,
  tokenKey,
  tokenPlace,
} from '../../src/store/sqlite/token-place.ts';
import { newOpaqueToken } from '../../src/tokens/access-token-value.ts';

const timesUntil2100 = fc.integer({ min: 0, max: Date.UTC(2100, 0) });

test('a token has the same place each time, and what is issued later stands further on', t => {
  fc.assert(
    fc.property(timesUntil2100, timesUntil2100, (one, other) => {
      const [before, after] = [one, other].sort((a, b) => a - b);
      const [first, second] = [before, after].map(at =>
        tokenPlace(tokenKey(newOpaqueToken(at as number).jti)),
      );
      return before === after || (first as bigint) < (second as bigint);
    }),
  );
  t.pass();
});

test('whatever a caller makes up has a place that SQLite can be asked for', t => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const find = database.prepare(`SELECT 1 FROM access_token WHERE ${AT_PLACE}`);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bytes => {
      const place = tokenPlace(Buffer.from(bytes));
      return place >= 0n && place <= LAST_PLACE && find.get(place, bytes) === undefined;
    }),
  );
  t.is(tokenPlace(Buffer.alloc(32, 0xff)), LAST_PLACE);
  t.is(find.get(LAST_PLACE, Buffer.alloc(32, 0xff)), undefined);
});

test('tokens that want the same place stand one after another, whoever goes between; no token is taken for another', t => {
  const taken = new Map<bigint, Buffer>();
  const [start, ...others] = Array.from({ length: PLACES + 1 }, () =>
    Buffer.concat([Buffer.from('0197f0a1b2c3d4e5f8', 'hex'), randomBytes(23)]),
  ) as [Buffer, ...Buffer[]];
  const put = (key: Buffer): boolean =>
    placeToken(
      key,
      place => !taken.has(place) && taken.set(place, key).has(place),
      place =>
        [...taken].some(([at, other]) => at >= place && at < place + BigInt(PLACES) && other.equals(key)),
    );
  t.true(put(start));
  t.false(put(start), 'it is there');
  const last = others.pop() as Buffer;
  for (const key of others) t.true(put(key));
  t.false(put(last), 'as many as may be are there');
  t.false(put(others[3] as Buffer));
  taken.delete(tokenPlace(start) + 2n);
  t.true(put(last), 'one has been swept');
  t.is(taken.size, PLACES);
});

test('tokens of a store that an older version has written are found at their places', t => {
  const database = new DatabaseSync(':memory:');
  migrate(database, SCHEMA_VERSION - 1);
  const now = Date.now();
  const same = Buffer.concat([Buffer.from('0197f0a1b2c3d4e5f8', 'hex'), randomBytes(23)]);
  const keys = [
    ...Array.from({ length: 50 }, (_, index) => tokenKey(newOpaqueToken(now + index).jti)),
    same,
    Buffer.concat([same.subarray(0, 9), randomBytes(23)]),
  ];
  const add = database.prepare('INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?)');
  for (const [index, key] of keys.entries())
    add.run(key, 'agt_1', 'res_1', index, index + 300, 'line', `{"n":${index}}`);
  migrate(database);
  const find = database.prepare(`SELECT * FROM access_token WHERE ${AT_PLACE}`);
  find.setReadBigInts(true);
  for (const [index, key] of keys.entries()) {
    const { id, ...row } = find.get(tokenPlace(key), key) ?? {};
    t.true(id === tokenPlace(key) || id === tokenPlace(key) + 1n);
    t.deepEqual(row, {
      key: new Uint8Array(key),
      client_id: 'agt_1',
      resource_id: 'res_1',
      issued_at: BigInt(index),
      expires_at: BigInt(index + 300),
      lineage: 'line',
      answer: `{"n":${index}}`,
    });
  }
  t.is(database.prepare('SELECT count(*) AS n FROM access_token').get()?.['n'], keys.length);
  t.is(database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'token'").get()?.['n'], 0);
});
