import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { centreOf } from '../../bench/centres.ts';
import { describeCosts, type RoundCosts, renderCosts } from '../../bench/cost-centres.ts';
import { type CpuProfile, sampledTime } from '../../bench/cpu-profile.ts';
import { type ThreadUses, usedBetween } from '../../bench/thread-times.ts';

const OURS = 'file:///srv/here/dist/src';
const TOKENS = `${OURS}/tokens/issue-token.js`;
const WRITER = `${OURS}/store/sqlite/writer-thread.js`;
const ADAPTER = 'file:///srv/here/node_modules/oidc-provider/lib/adapter.js';

/** A frame, and the frame that has called it. */
type Frame = readonly [name: string, url: string, caller?: string];

/** A profile that begins at 1,000 µs; each sample is a function, and how long after the sample before it was taken. */
function profileOf(
  frames: readonly Frame[],
  samples: readonly (readonly [name: string, after: number])[],
): CpuProfile {
  const idOf = (name: string): number => frames.findIndex(frame => frame[0] === name) + 2;
  const calledBy = (caller: string | undefined): number[] =>
    frames.filter(frame => frame[2] === caller).map(([name]) => idOf(name));
  const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });
  return {
    nodes: [
      { id: 1, callFrame: frame('(root)', ''), children: calledBy(undefined) },
      ...frames.map(([name, url]) => ({
        id: idOf(name),
        callFrame: frame(name, url),
        children: calledBy(name),
      })),
    ],
    startTime: 1_000,
    endTime: samples.reduce((sum, [, after]) => sum + after, 1_000),
    samples: samples.map(([name]) => idOf(name)),
    timeDeltas: samples.map(([, after]) => after),
  };
}

const FRAMES: readonly Frame[] = [
  ['(idle)', ''],
  ['(program)', ''],
  ['(garbage collector)', ''],
  ['issue', TOKENS],
  ['hash', 'node:internal/crypto/hash', 'issue'],
  ['oneshot', '', 'hash'],
  ['write', WRITER],
  ['run', '', 'write'],
  ['map', '', 'write'],
  ['step', '', 'map'],
  ['find', ADAPTER],
];

const ALWAYS = [{ from: 0, to: Number.POSITIVE_INFINITY }];

function round(costs: Partial<RoundCosts> = {}): RoundCosts {
  return { from: 0, to: Number.POSITIVE_INFINITY, requests: 10, cpuMicroseconds: 40, ...costs };
}

/** The cells of every line of a table that has this in its first one. */
function cellsOf(text: string, first: string): string[] | undefined {
  const lines = text.split('\n').map(line =>
    line
      .split('|')
      .map(cell => cell.trim())
      .slice(1, -1),
  );
  return lines.find(([cell]) => cell === first)?.slice(1);
}

test("the time before a sample is the one of who is met; idle time is nobody's", t => {
  const profile = profileOf(FRAMES, [
    ['issue', 10],
    ['(idle)', 1_000],
    ['write', 30],
    ['issue', 5],
    ['(garbage collector)', 7],
    ['(program)', 3],
  ]);
  const { centres, functions, microseconds } = sampledTime(profile, ALWAYS);
  t.deepEqual(Object.fromEntries(centres), {
    'src/tokens': 15,
    'src/store/sqlite': 30,
    'garbage collection': 7,
    '(program)': 3,
  });
  t.deepEqual(Object.fromEntries(functions), {
    'issue, dist/src/tokens/issue-token.js:10': 15,
    'write, dist/src/store/sqlite/writer-thread.js:10': 30,
  });
  t.is(microseconds, 55);
});

test('samples outside the measured rounds do not count, nor what of one lies before its round', t => {
  const profile = profileOf(FRAMES, [
    ['issue', 100], // at 1,100
    ['issue', 100],
    ['write', 100], // at 1,300, in the first
    ['issue', 100],
    ['find', 100], // at 1,500, in the second
    ['find', 100],
    ['issue', 100],
  ]);
  const spans = [
    { from: 1_250, to: 1_350 },
    { from: 1_450, to: 1_600 },
  ];
  const { centres, microseconds } = sampledTime(profile, spans);
  t.deepEqual(Object.fromEntries(centres), { 'src/store/sqlite': 50, 'oidc-provider': 150 });
  t.is(microseconds, 200);
});

test('a native function belongs to the nearest code that has called it', t => {
  const profile = profileOf(FRAMES, [
    ['run', 2],
    ['step', 3],
    ['oneshot', 5],
  ]);
  const { centres, functions } = sampledTime(profile, ALWAYS);
  t.deepEqual(Object.fromEntries(centres), { 'src/store/sqlite': 5, 'node:crypto': 5 });
  t.deepEqual(
    [...functions.keys()],
    [
      'run in write, dist/src/store/sqlite/writer-thread.js:10',
      'step in write, dist/src/store/sqlite/writer-thread.js:10',
      'oneshot in hash, node:internal/crypto/hash:10',
    ],
  );
});

test('code is named by folder, package or module of Node', t => {
  const centres = {
    [`${OURS}/main.js`]: 'src',
    [`${OURS}/store/sqlite/reader.js`]: 'src/store/sqlite',
    'file:///srv/dist/of/there/dist/bench/base-server.js': 'bench',
    'file:///srv/node_modules/@koa/router/dist/src/index.js': '@koa/router',
    'file:///srv/node_modules/a/node_modules/b/index.js': 'b',
    'node:_http_outgoing': 'node:http',
    'node:net': 'node:net/stream',
    'node:internal/streams/writable': 'node:net/stream',
    'node:internal/stream_base_commons': 'node:net/stream',
    'node:internal/crypto/hash': 'node:crypto',
    'node:internal/url': 'node:url',
    'node:internal/worker/io': 'node:worker_threads',
    'node:internal/process/task_queues': 'node:process (ticks)',
    'node:internal/timers': 'node:timers',
    'node:internal/dns/utils': 'node:dns',
    'node:path': 'node:path',
  };
  for (const [url, centre] of Object.entries(centres)) t.is(centreOf(url), centre, url);
});

test('the tables have threads, centres and functions, each in microseconds a request and by its share', t => {
  const threads: ThreadUses = new Map([
    ['main thread', { nanoseconds: 150_000, count: 1 }],
    ['worker threads', { nanoseconds: 50_000, count: 1 }],
    ["V8's timers", { nanoseconds: 10, count: 1 }],
  ]);
  const main = profileOf(FRAMES, [
    ['issue', 300],
    ['hash', 97],
    ['find', 3],
  ]);
  const writer = profileOf(FRAMES, [['run', 200]]);
  const text = renderCosts(
    'W1 at 64 connections, here',
    [round({ threads }), round({ threads, cpuMicroseconds: 20 })],
    [
      { thread: 0, profile: main },
      { thread: 1, profile: writer },
    ],
  );
  t.regex(text, /^## W1 at 64 connections, here: 30\.0 µs of CPU a request$/m);
  t.deepEqual(cellsOf(text, 'main thread'), ['15.00', '75.0 %']);
  t.deepEqual(cellsOf(text, 'worker threads'), ['5.00', '25.0 %']);
  t.is(cellsOf(text, "V8's timers"), undefined);
  t.deepEqual(cellsOf(text, 'all threads'), ['20.00', '100.0 %']);
  t.regex(text, /^### main thread: 20\.00 µs sampled, 15\.00 µs of CPU$/m);
  t.deepEqual(cellsOf(text, 'src/tokens'), ['15.00', '75.0 %']);
  t.is(cellsOf(text, 'oidc-provider'), undefined);
  t.deepEqual(cellsOf(text, 'other'), ['0.15', '0.8 %']);
  t.deepEqual(cellsOf(text, 'hash, node:internal/crypto/hash:10'), ['4.85', '24.3 %']);
  t.regex(text, /^### writing thread: 10\.00 µs sampled, 5\.00 µs of CPU$/m);
});

test('ten functions are named, those with the most time', t => {
  const names = Array.from({ length: 12 }, (_, index) => `step${index}`);
  const profile = profileOf(
    names.map(name => [name, TOKENS]),
    names.map((name, index) => [name, index + 1]),
  );
  const named = renderCosts('W1', [round()], [{ thread: 0, profile }]).match(/step\d+/g);
  t.deepEqual(named, names.toReversed().slice(0, 10));
});

test('a thread that does not write for us has its number, and its CPU where it is the only one; an idle one no table', t => {
  const threads: ThreadUses = new Map([['worker threads', { nanoseconds: 40_000, count: 1 }]]);
  const main = { thread: 0, profile: profileOf(FRAMES, [['(idle)', 100]]) };
  const frames: readonly Frame[] = [['find', ADAPTER]];
  const other = (thread: number) => ({ thread, profile: profileOf(frames, [['find', 100]]) });
  const alone = renderCosts('W1', [round({ threads })], [main, other(3)]);
  t.regex(alone, /^### main thread: 0\.00 µs sampled$/m);
  t.regex(alone, /^### worker thread 3: 10\.00 µs sampled, 4\.00 µs of CPU$/m);
  t.deepEqual(cellsOf(alone, 'oidc-provider'), ['10.00', '100.0 %']);
  t.regex(
    renderCosts('W1', [round({ threads })], [main, other(3), other(4)]),
    /^### worker thread 4: 10\.00 µs sampled$/m,
  );
});

test('where the system does not count threads, there are the profiles alone', t => {
  const text = renderCosts('W1', [round()], [{ thread: 0, profile: profileOf(FRAMES, [['issue', 100]]) }]);
  t.is(cellsOf(text, 'all threads'), undefined);
  t.regex(text, /^### main thread: 10\.00 µs sampled$/m);
});

test("threads of one name are one; who began in between counts from nothing, whose number is another's now too", t => {
  const v8 = (nanoseconds: number) => ({ name: 'V8', nanoseconds });
  const before = new Map([
    [1, { name: 'main thread', nanoseconds: 1_000 }],
    [2, v8(500)],
    [3, v8(900)],
    [4, v8(800)],
  ]);
  const after = new Map([
    [1, { name: 'main thread', nanoseconds: 1_700 }],
    [2, v8(510)],
    [3, v8(20)],
    [5, v8(3)],
  ]);
  t.deepEqual(
    usedBetween(before, after),
    new Map([
      ['main thread', { nanoseconds: 700, count: 1 }],
      ['V8', { nanoseconds: 33, count: 3 }],
    ]),
  );
});

test("a profile that is missing is named, and one of another time; those of another process are nobody's", async t => {
  const directory = await mkdtemp(join(tmpdir(), 'profiles-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const threads: ThreadUses = new Map([['worker threads', { nanoseconds: 40_000, count: 1 }]]);
  const describe = (from = 1_000) =>
    describeCosts(
      { work: 'W1', server: 'here' },
      77,
      directory,
      new Map([[64, [round({ from, to: 1_100, threads })]]]),
    );
  const leave = (process: number, thread: number, samples: readonly (readonly [string, number])[]) =>
    writeFile(
      join(directory, `CPU.20260101.120000.${process}.${thread}.00${thread}.cpuprofile`),
      JSON.stringify(profileOf(FRAMES, samples)),
    );
  const missing = async (thread: number): Promise<void> => {
    const { message } = (await t.throwsAsync(() => describe())) as Error;
    t.true(
      message.endsWith(`thread ${thread} is missing: ${directory}/CPU.*.77.${thread}.*.cpuprofile`),
      message,
    );
  };
  await leave(7, 0, [['find', 100]]);
  await leave(177, 1, [['find', 100]]);
  await missing(0);
  await leave(77, 1, [['write', 100]]);
  await leave(77, 2, [['find', 100]]);
  await missing(0);
  for (const thread of [1, 2])
    await rm(join(directory, `CPU.20260101.120000.77.${thread}.00${thread}.cpuprofile`));
  await leave(77, 0, [['issue', 100]]);
  await missing(1);
  await leave(77, 1, [['write', 100]]);
  const text = await describe();
  t.regex(text, /^## W1 at 64 connections, here: /);
  t.deepEqual(cellsOf(text, 'src/tokens'), ['10.00', '100.0 %']);
  t.is(cellsOf(text, 'oidc-provider'), undefined);
  const elsewhen = { message: /thread 0 of process 77 .* does not span the rounds$/ };
  await t.throwsAsync(() => describe(999), elsewhen);
  await leave(77, 0, [['issue', 90]]);
  await t.throwsAsync(() => describe(), elsewhen);
});
