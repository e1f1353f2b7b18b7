import test from 'ava';
import { readArguments } from '../../bench/arguments.ts';
import type { Round } from '../../bench/measure.ts';
import { type Row, renderStore, renderTable, summarise } from '../../bench/report.ts';
import { inDatabase } from '../../bench/store-uri.ts';
import { findWork } from '../../bench/works.ts';

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

test('the comparison with oidc-provider stays as it was: six rounds, no work that only Countersign knows', t => {
  const given = readArguments([]);
  t.is(given?.against, undefined);
  t.is(given?.rounds, 6);
  t.true(given?.isWhole);
  t.deepEqual(given?.tasks[0]?.connections, [64, 16, 1]);
  t.false(namesOf().includes('create-agent'));
  t.true(namesOf().includes('W3@1e6'));
});

test('what oidc-provider cannot do is measured beside our own other work, and may cost little more than that', t => {
  for (const name of ['W6', 'W9-poll', 'W9-redeem']) {
    for (const argv of [[], ['--quick'], ['--only', name]]) {
      const work = readArguments(argv)?.tasks.find(each => each.work.name === name)?.work;
      t.truthy(work?.base, `${name} ${argv.join(' ')}`);
      t.is(work?.bar, { W6: 0.71, 'W9-poll': 0.83 }[name]);
    }
  }
});

test('a million live tokens are measured beside a thousand, in the same rounds, and may cost little more', t => {
  const work = readArguments(['--only', 'W3@1e6'])?.tasks[0]?.work;
  t.is(work?.liveTokens, 1_000_000);
  t.is(work?.base?.liveTokens, 1_000);
  t.is(work?.bar, 0.83);
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

test('on MongoDB the same works are measured, with no bar and nothing that concerns SQLite alone', t => {
  const given = readArguments(['--store', 'mongodb']);
  t.is(given?.store, 'mongodb');
  t.false(given?.isWhole);
  t.is(given?.rounds, 6);
  t.is(given?.liveTokens, 10_000);
  t.deepEqual(
    namesOf('--store', 'mongodb'),
    namesOf().filter(name => !name.startsWith('W3@')),
  );
  for (const { work, connections } of given?.tasks ?? []) {
    t.is(work.bar, undefined, work.name);
    t.deepEqual(connections, [64], work.name);
  }
  t.is(readArguments([])?.tasks[0]?.work.bar, 1.8);
  const polls = (...argv: readonly string[]) => readArguments(['--only', 'W9-poll', ...argv])?.tasks[0]?.work;
  t.is(polls()?.requestsPerRound, 10_000);
  t.regex(polls('--store', 'mongodb')?.title ?? '', /^polls of 1,000 agents/);
});

test('what a run on MongoDB leaves out is named with a reason, unless the works were named', t => {
  const leftOut = (...argv: readonly string[]): readonly string[] | undefined =>
    readArguments(['--store', 'mongodb', ...argv])?.leftOut.map(({ what }) => what);
  t.deepEqual(leftOut(), ['W3@1e3', 'W3@1e6', 'start and idle memory', 'a slow disk']);
  t.deepEqual(leftOut('--quick'), []);
  t.deepEqual(leftOut('--against', '../before'), []);
  t.deepEqual(leftOut('--only', 'W3@1e6'), []);
  t.deepEqual(namesOf('--store', 'mongodb', '--only', 'W3@1e6'), ['W3@1e6']);
  t.deepEqual(readArguments([])?.leftOut, []);
});

test('numbers that are given hold on MongoDB too', t => {
  const uri = 'mongodb://127.0.0.1:27017/?replicaSet=rs0';
  const given = readArguments(['--store', uri, '--tokens', '500', '--connections', '1,16', '--rounds', '2']);
  t.is(given?.store, uri);
  t.is(given?.liveTokens, 500);
  t.is(given?.rounds, 2);
  t.deepEqual(given?.tasks[0]?.connections, [1, 16]);
});

test('a store that the server would not take is refused with what is permitted, and nothing of a password is shown', t => {
  const refusal = (store: string): string =>
    t.throws(() => readArguments(['--store', store]), { instanceOf: TypeError })?.message ?? '';
  for (const store of [
    '',
    'sqlite:bench.sqlite',
    'postgres://h/x',
    'mongodb:',
    'mongodb://',
    'mongodb://h h/',
  ]) {
    t.regex(refusal(store), /^--store: .*; permitted: mongodb:\/\/HOST:PORT\/\?replicaSet=NAME/, store);
  }
  t.regex(refusal('mongodb://h/?w=1'), /the option w may only be majority/);
  t.notRegex(refusal('mongodb://alice:s3@cret@h/'), /cret|alice/);
});

test('each server gets a database of its own, and a user stays in the one that the URI names', t => {
  const uris = [
    ['mongodb://h:1/?replicaSet=rs', 'mongodb://h:1/x?replicaSet=rs'],
    ['mongodb://h:1,h:2', 'mongodb://h:1,h:2/x'],
    ['mongodb://h/orders?appName=a', 'mongodb://h/x?appName=a'],
    ['mongodb://u:p%2F@h/?replicaSet=rs', 'mongodb://u:p%2F@h/x?replicaSet=rs&authSource=admin'],
    ['mongodb+srv://u:p@h/users', 'mongodb+srv://u:p@h/x?authSource=users'],
    ['mongodb://u:p@h/a?authSource=b', 'mongodb://u:p@h/x?authSource=b'],
  ] as const;
  for (const [given, expected] of uris) t.is(inDatabase(given, 'x'), expected);
});

test('what the database needed stands beside what our process needed, where it is known', t => {
  const round = { cpuMicroseconds: 100, requestsPerSecond: 1_000, p50Ms: 1, p99Ms: 2 };
  const rowOf = (countersign: readonly Round[]): Row => ({
    ...summarise(findWork('W1m'), {
      connections: 64,
      of: { countersign, base: [{ ...round, cpuMicroseconds: 50 }] },
    }),
    residentMiB: { countersign: 1, base: 1 },
  });
  const known = rowOf([{ ...round, databaseCpuMicroseconds: 640 }]);
  t.is(known.databaseCpuMicroseconds, 640);
  t.is(known.cpuRatio, 0.5);
  t.regex(renderTable([known]), /CPU µs \| database \| +base .*\n.*\n.*100\.0 \| +640 \| +50\.0 /);
  t.notRegex(renderTable([rowOf([round])]), /database/);
  t.regex(
    renderStore({ name: 'MongoDB 8.2', isCounted: false }, []),
    /MongoDB 8\.2\..* our server process alone.*No bar/,
  );
});
