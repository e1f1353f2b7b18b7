import { cpus, loadavg, platform, release, totalmem } from 'node:os';
import type { LeftOut } from './arguments.ts';
import type { Check } from './checks.ts';
import type { Round, Rounds } from './measure.ts';
import type { MongoStore } from './mongo-store.ts';
import type { ServerName } from './servers.ts';
import type { Work } from './works.ts';

/** The connections at which most bars hold. */
export const BAR_CONNECTIONS = 64;

/** The result of one work at one number of connections. A ratio over 1 is in favour of Countersign. */
export interface Row {
  readonly work: string;
  readonly connections: number;
  /** CPU time of the base for a request by that of Countersign: the median of the rounds, and their least and greatest. */
  readonly cpuRatio: number;
  readonly cpuRatioMin: number;
  readonly cpuRatioMax: number;
  /** Absent where no bar holds. */
  readonly bar?: number;
  /** Median requests a second of Countersign by those of the base, both with the whole machine. */
  readonly throughputRatio: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMicroseconds: number;
  /** Of the database for a request of Countersign, where it is a process of its own and its time is known. */
  readonly databaseCpuMicroseconds?: number;
  /** Resident memory of each server after the work. */
  readonly residentMiB: Readonly<Record<ServerName, number>>;
  readonly base: { readonly p50Ms: number; readonly p99Ms: number; readonly cpuMicroseconds: number };
}

/** Sums up the rounds of a work. A round of one server is compared with the round of the other beside it. */
export function summarise(
  work: Work,
  { connections, of }: Pick<Rounds<ServerName>, 'connections' | 'of'>,
): Omit<Row, 'residentMiB'> {
  const { countersign, base } = of;
  const bar = connections === BAR_CONNECTIONS ? work.bar : connections === 1 ? work.barAlone : undefined;
  const cpuRatios = countersign.map(
    (round, index) => (base[index] as Round).cpuMicroseconds / round.cpuMicroseconds,
  );
  const throughputRatios = countersign.map(
    (round, index) => round.requestsPerSecond / (base[index] as Round).requestsPerSecond,
  );
  return {
    work: work.name,
    connections,
    cpuRatio: median(cpuRatios),
    cpuRatioMin: Math.min(...cpuRatios),
    cpuRatioMax: Math.max(...cpuRatios),
    ...(bar !== undefined && { bar }),
    throughputRatio: median(throughputRatios),
    ...medians(countersign),
    base: medians(base),
  };
}

/** The rows as a Markdown table. */
export function renderTable(rows: readonly Row[]): string {
  const hasDatabase = rows.some(row => row.databaseCpuMicroseconds !== undefined);
  const cells = [
    [
      'work',
      'at',
      'CPU µs',
      ...(hasDatabase ? ['database'] : []),
      'base',
      'ratio',
      'min–max',
      'bar',
      'throughput',
      'p50 ms',
      'base',
      'p99 ms',
      'base',
    ],
    ...rows.map(row => [
      row.work,
      String(row.connections),
      row.cpuMicroseconds.toFixed(1),
      ...(hasDatabase ? [row.databaseCpuMicroseconds?.toFixed(0) ?? ''] : []),
      row.base.cpuMicroseconds.toFixed(1),
      `${row.cpuRatio.toFixed(2)}x`,
      `${row.cpuRatioMin.toFixed(2)}–${row.cpuRatioMax.toFixed(2)}`,
      row.bar === undefined ? 'none' : `${row.bar.toFixed(2)}x ${row.cpuRatio < row.bar ? 'MISSED' : 'met'}`,
      `${row.throughputRatio.toFixed(2)}x`,
      row.p50Ms.toFixed(1),
      row.base.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.base.p99Ms.toFixed(1),
    ]),
  ];
  return markdownTable(cells);
}

/** @param cells the heads first; the first column is text, the others are figures */
export function markdownTable(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0)));
  const lines = cells.map(row => row.map((cell, column) => pad(cell, widths[column] ?? 0, column)));
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  lines.splice(1, 0, rule);
  return lines.map(line => `| ${line.join(' | ')} |`).join('\n');
}

/** What the figures of a run on MongoDB are, and are not. */
export function renderStore(
  { name, isCounted }: Pick<MongoStore, 'name' | 'isCounted'>,
  leftOut: readonly LeftOut[],
  failed: readonly LeftOut[] = [],
): string {
  const database = isCounted
    ? 'what the database needed for a request of ours stands beside it'
    : 'what the database needed is not in it';
  return [
    `Countersign on ${name}. CPU µs is of our server process alone; ${database}. No bar holds here.`,
    ...leftOut.map(({ what, reason }) => `left out  ${what}: ${reason}`),
    ...failed.map(({ what, reason }) => `FAILED    ${what}: ${reason}`),
  ].join('\n');
}

/** What was to be, and what is. */
export function renderChecks(checks: readonly Check[]): string {
  return checks
    .map(({ what, figure, bar, isMet }) => `${isMet ? 'met   ' : 'MISSED'}  ${what}: ${figure} (${bar})`)
    .join('\n');
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Load averages of 1, 5 and 15 minutes when the run began; not known on Windows. */
  readonly load: readonly number[];
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    load: loadavg().map(load => Math.round(load * 100) / 100),
  };
}

/** The median of each figure. */
export function medians(rounds: readonly Round[]): Round {
  const of = (property: keyof Round): number => median(rounds.map(round => round[property] as number));
  return {
    cpuMicroseconds: of('cpuMicroseconds'),
    ...(rounds.every(round => round.databaseCpuMicroseconds !== undefined) && {
      databaseCpuMicroseconds: of('databaseCpuMicroseconds'),
    }),
    requestsPerSecond: of('requestsPerSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
  };
}

export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = (ascending.length - 1) / 2;
  return ((ascending[Math.floor(middle)] ?? Number.NaN) + (ascending[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
