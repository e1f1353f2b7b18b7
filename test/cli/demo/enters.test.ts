import { PassThrough } from 'node:stream';
import test from 'ava';
import { Enters } from '../../../src/cli/demo/enters.ts';

/** Resolves when what was written before has been read. */
const heard = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('each Enter counts once, also of two that come together', async t => {
  const input = new PassThrough();
  const enters = new Enters(input);
  input.write('\n');
  input.write('y\nn\n');
  t.deepEqual([await enters.next(), await enters.next(), await enters.next()], ['enter', 'enter', 'enter']);
  const next = enters.next();
  input.write('\n');
  t.is(await next, 'enter');
});

test('what was pressed before anything was asked is forgotten', async t => {
  const input = new PassThrough();
  const enters = new Enters(input);
  input.write('\n\n');
  await heard();
  enters.forget();
  const next = enters.next();
  input.end();
  t.is(await next, 'over');
});

test('where the input has ended, nobody is there: what was pressed before still counts', async t => {
  const input = new PassThrough();
  const enters = new Enters(input);
  input.end('\n');
  t.is(await enters.next(), 'enter');
  t.is(await enters.next(), 'over');
  t.true(enters.isOver);
  t.true(new Enters(undefined).isOver);
});
