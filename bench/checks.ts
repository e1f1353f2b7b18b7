/** What the figures must be for a run to pass. */
import type { Footprint } from './footprint.ts';
import type { Row } from './report.ts';
import type { SlowDisk } from './slow-disk.ts';

export interface Check {
  readonly what: string;
  readonly figure: string;
  readonly bar: string;
  readonly isMet: boolean;
}

const MOST_MIB_AT_A_MILLION = 250;
const MOST_READY_MS = 600;
const MOST_IDLE_MIB = 160;
const MOST_TIMES_QUIET_P99 = 3;

/** The ratios that have a bar, and what memory is needed as live tokens become a million. */
export function checkRows(rows: readonly Row[]): Check[] {
  const checks: Check[] = [];
  for (const { work, connections, cpuRatio, bar } of rows) {
    if (bar === undefined) continue;
    checks.push({
      what: `${work} at ${connections} connections, CPU of the base by ours`,
      figure: `${cpuRatio.toFixed(2)}x`,
      bar: `at least ${bar.toFixed(2)}x`,
      isMet: cpuRatio >= bar,
    });
  }
  const million = rows.find(({ work }) => work === 'W3@1e6');
  if (million) {
    const { countersign } = million.residentMiB;
    checks.push(atMost('resident memory after a million tokens', countersign, MOST_MIB_AT_A_MILLION, ' MiB'));
  }
  return checks;
}

export function checkFootprint({ readyMs, idleMiB }: Footprint): Check[] {
  return [
    atMost(
      `start to first answer (base: ${readyMs.base.toFixed(0)} ms)`,
      readyMs.countersign,
      MOST_READY_MS,
      ' ms',
    ),
    atMost(
      `resident memory, idle (base: ${idleMiB.base.toFixed(0)} MiB)`,
      idleMiB.countersign,
      MOST_IDLE_MIB,
      ' MiB',
    ),
  ];
}

/** @param measured undefined where the disk could not be made slow: nothing is claimed then */
export function checkSlowDisk(measured: SlowDisk | undefined): Check[] {
  if (!measured) return [];
  const { quietP99Ms, slowP99Ms, addedMs } = measured;
  const what = `p99 of introspection with every fsync ${addedMs} ms slower, by its quiet p99 (${quietP99Ms.toFixed(1)} ms)`;
  return [atMost(what, slowP99Ms / quietP99Ms, MOST_TIMES_QUIET_P99, 'x')];
}

function atMost(what: string, figure: number, most: number, unit: string): Check {
  return {
    what,
    figure: `${figure.toFixed(unit === 'x' ? 2 : 0)}${unit}`,
    bar: `at most ${most}${unit}`,
    isMet: figure <= most,
  };
}
