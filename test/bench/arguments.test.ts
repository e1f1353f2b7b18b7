import test from 'ava';
import { readArguments } from '../../bench/arguments.ts';

const namesOf = (...argv: readonly string[]): readonly string[] =>
  (readArguments(argv)?.tasks ?? []).map(({ work }) => work.name);

test('a comparison of checkouts takes eight rounds of every work that is not long, those of our own API too', t => {
  const given = readArguments(['--against', '../before']);
  t.is(given?.against, '../before');
  t.is(given?.rounds, 8);
  t.deepEqual(namesOf('--against', '../before'), [
    'W1',
    'W1-private_key_jwt',
    'W2',
    'W1m',
    'W3',
    'W4',
    'W5',
    'W6',
    'W8-discovery',
    'W8-jwks',
    'W9-poll',
    'W9-redeem',
    'create-agent',
  ]);
});

test('it is measured at 64 connections, and issuing and introspection at one too, unless other numbers are given', t => {
  const alone = (...argv: readonly string[]): readonly string[] =>
    (readArguments(argv)?.tasks ?? [])
      .filter(({ connections }) => connections.includes(1))
      .map(({ work }) => work.name);
  t.deepEqual(alone('--against', '../before'), ['W1', 'W3']);
  t.deepEqual(alone('--against', '../before', '--quick'), []);
  t.deepEqual(alone('--against', '../before', '--only', 'W4,W5', '--connections', '1,16'), ['W4', 'W5']);
});

test('the comparison with oidc-provider stays as it was: four rounds, no work that only Countersign knows', t => {
  const given = readArguments([]);
  t.is(given?.against, undefined);
  t.is(given?.rounds, 4);
  t.true(given?.isWhole);
  t.deepEqual(given?.tasks[0]?.connections, [64, 16, 1]);
  t.false(namesOf().includes('create-agent'));
  t.true(namesOf().includes('W3@1e6'));
});

test('what oidc-provider cannot do is measured beside our own other work, and no bar holds it', t => {
  for (const name of ['W6', 'W9-poll', 'W9-redeem']) {
    for (const argv of [[], ['--quick'], ['--only', name]]) {
      const work = readArguments(argv)?.tasks.find(each => each.work.name === name)?.work;
      t.truthy(work?.baseRequests, `${name} ${argv.join(' ')}`);
      t.is(work?.bar, undefined);
    }
  }
});

test('a comparison of checkouts measures nothing that concerns oidc-provider alone', t => {
  t.false(readArguments(['--against', '../before'])?.isWhole);
});

test('rounds and works are as they are given', t => {
  t.is(readArguments(['--against', '../before', '--rounds', '16'])?.rounds, 16);
  t.is(readArguments(['--against', '../before', '--quick'])?.rounds, 2);
  t.deepEqual(namesOf('--against', '../before', '--only', 'create-agent,w3@1e6'), ['create-agent', 'W3@1e6']);
});

test('what is not permitted is refused with what is', t => {
  const refusal = (...argv: readonly string[]): string | undefined =>
    t.throws(() => readArguments(argv), { instanceOf: TypeError })?.message;
  t.regex(refusal('--against', '') ?? '', /permitted: the directory of another checkout/);
  t.regex(refusal('--only', 'create-agent') ?? '', /give --against too/);
  t.regex(
    refusal('--against', '../before', '--rounds', '0') ?? '',
    /permitted: a whole number from 1 to 100/,
  );
  t.regex(refusal('--against', '../before', '--only', 'W9') ?? '', /permitted: W1, /);
});

test('help is no comparison', t => {
  t.is(readArguments(['--against', '../before', '--help']), undefined);
});
