/** What the comparison of two checkouts says. */
import type { Round, Rounds } from './measure.ts';
import { markdownTable, median, medians } from './report.ts';
import type { Work } from './works.ts';

/** The two checkouts: the one that the run is started in, and the one that it is compared with. */
export type SideName = 'here' | 'there';

export interface Ratio {
  /** The median of here by the median of there. */
  readonly ofMedians: number;
  /** The least and the greatest of the rounds, each by the one beside it. */
  readonly min: number;
  readonly max: number;
}

/** One work at one number of connections. */
export interface AgainstRow {
  readonly work: string;
  readonly connections: number;
  /** Of here by there: over 1 is more CPU time a request. */
  readonly cpu: Ratio;
  /** Of here by there: over 1 is more requests a second. */
  readonly throughput: Ratio;
  /** What is more than a tenth worse here. */
  readonly worse: readonly ('CPU' | 'throughput')[];
  readonly here: Round;
  readonly there: Round;
  readonly rounds: Readonly<Record<SideName, readonly Round[]>>;
}

/** A work that one of them cannot do. */
export interface Skipped {
  readonly work: string;
  readonly side: SideName;
  readonly reason: string;
}

/** More than this is marked. */
const WORSE = 0.1;

/** Sums up the rounds of a work. */
export function compareRounds(
  work: Pick<Work, 'name'>,
  { connections, of }: Pick<Rounds<SideName>, 'connections' | 'of'>,
): AgainstRow {
  const cpu = ratio(of, 'cpuMicroseconds');
  const throughput = ratio(of, 'requestsPerSecond');
  return {
    work: work.name,
    connections,
    cpu,
    throughput,
    worse: [
      ...(cpu.ofMedians > 1 + WORSE ? (['CPU'] as const) : []),
      ...(throughput.ofMedians < 1 - WORSE ? (['throughput'] as const) : []),
    ],
    here: medians(of.here),
    there: medians(of.there),
    rounds: of,
  };
}

/** The rows as a Markdown table. */
export function renderAgainst(rows: readonly AgainstRow[]): string {
  return markdownTable([
    [
      'work',
      'at',
      'CPU µs',
      'there',
      'ratio',
      'min–max',
      'requests/s',
      'there',
      'ratio',
      'min–max',
      'p50 ms',
      'there',
      'p99 ms',
      'there',
      'worse by a tenth',
    ],
    ...rows.map(row => [
      row.work,
      String(row.connections),
      row.here.cpuMicroseconds.toFixed(1),
      row.there.cpuMicroseconds.toFixed(1),
      ...renderRatio(row.cpu),
      row.here.requestsPerSecond.toFixed(0),
      row.there.requestsPerSecond.toFixed(0),
      ...renderRatio(row.throughput),
      row.here.p50Ms.toFixed(1),
      row.there.p50Ms.toFixed(1),
      row.here.p99Ms.toFixed(1),
      row.there.p99Ms.toFixed(1),
      row.worse.length === 0 ? 'no' : row.worse.join(', ').toUpperCase(),
    ]),
  ]);
}

/** What was left out, and why. */
export function renderSkipped(skipped: readonly Skipped[]): string {
  return skipped
    .map(({ work, side, reason }) => `skipped  ${work}: ${side} it cannot be done (${reason})`)
    .join('\n');
}

function ratio(of: Rounds<SideName>['of'], figure: 'cpuMicroseconds' | 'requestsPerSecond'): Ratio {
  const here = of.here.map(round => round[figure]);
  const there = of.there.map(round => round[figure]);
  const beside = here.map((value, index) => value / (there[index] as number));
  return { ofMedians: median(here) / median(there), min: Math.min(...beside), max: Math.max(...beside) };
}

function renderRatio({ ofMedians, min, max }: Ratio): string[] {
  return [`${ofMedians.toFixed(2)}x`, `${min.toFixed(2)}–${max.toFixed(2)}`];
}
