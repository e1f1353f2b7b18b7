import test from 'ava';
import { compareRounds, renderAgainst, renderSkipped } from '../../bench/against-report.ts';
import type { Round } from '../../bench/measure.ts';

/** Rounds of a server that needs so many microseconds of CPU a request, and answers so many requests a second. */
function rounds(cpu: readonly number[], requestsPerSecond = 1_000): Round[] {
  return cpu.map(cpuMicroseconds => ({ cpuMicroseconds, requestsPerSecond, p50Ms: 1, p99Ms: 2 }));
}

const compare = (here: readonly Round[], there: readonly Round[]) =>
  compareRounds({ name: 'W1' }, { connections: 64, of: { here, there } });

test('the ratio is that of the medians, and its scatter that of rounds that stood side by side', t => {
  const { cpu, here, there } = compare(rounds([30, 20, 10]), rounds([10, 40, 25]));
  t.is(here.cpuMicroseconds, 20);
  t.is(there.cpuMicroseconds, 25);
  t.deepEqual(cpu, { ofMedians: 0.8, min: 0.4, max: 3 });
});

test('more than a tenth more CPU a request is marked, a tenth is not', t => {
  t.deepEqual(compare(rounds([110]), rounds([100])).worse, []);
  t.deepEqual(compare(rounds([111]), rounds([100])).worse, ['CPU']);
  t.deepEqual(compare(rounds([50]), rounds([100])).worse, []);
});

test('more than a tenth fewer requests a second are marked, a tenth is not', t => {
  t.deepEqual(compare(rounds([100], 900), rounds([100], 1_000)).worse, []);
  t.deepEqual(compare(rounds([100], 899), rounds([100], 1_000)).worse, ['throughput']);
  t.deepEqual(compare(rounds([100], 2_000), rounds([100], 1_000)).worse, []);
  t.deepEqual(compare(rounds([120], 800), rounds([100], 1_000)).worse, ['CPU', 'throughput']);
});

test('one bad round among eight is scatter, and no mark', t => {
  const { cpu, worse } = compare(rounds([50, 50, 50, 50, 50, 50, 50, 500]), rounds(new Array(8).fill(50)));
  t.deepEqual(cpu, { ofMedians: 1, min: 1, max: 10 });
  t.deepEqual(worse, []);
});

test('the table has both sides, their ratio with its scatter, and the mark', t => {
  const table = renderAgainst([
    compare(rounds([60, 66], 700), rounds([50, 50], 1_000)),
    { ...compare(rounds([50]), rounds([50])), work: 'W3', connections: 1 },
  ]);
  const cells = table.split('\n').map(line =>
    line
      .split('|')
      .map(cell => cell.trim())
      .slice(1, -1),
  );
  t.is(cells.length, 4);
  t.deepEqual(cells[2]?.slice(0, 10), [
    'W1',
    '64',
    '63.0',
    '50.0',
    '1.26x',
    '1.20–1.32',
    '700',
    '1000',
    '0.70x',
    '0.70–0.70',
  ]);
  t.is(cells[2]?.at(-1), 'CPU, THROUGHPUT');
  t.deepEqual([cells[3]?.[0], cells[3]?.[1], cells[3]?.at(-1)], ['W3', '1', 'no']);
});

test('what one side cannot do is named with the reason', t => {
  const said = renderSkipped([{ work: 'W5', side: 'there', reason: '/revoke answered 404 (nothing)' }]);
  t.is(said, 'skipped  W5: there it cannot be done (/revoke answered 404 (nothing))');
});
