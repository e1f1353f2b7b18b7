/**
 * Counts what was measured by size, in memory that never grows. Plain numbers, so that the hot path pays some nanoseconds for
 * it; Prometheus reads them when it asks.
 */
export class Histogram {
  /** Upper bounds, in order; what is larger than all of them is counted after them. */
  readonly bounds: readonly number[];
  /** How many were at most the bound of the same index, and larger than the one before. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) index += 1;
    counts[index] = (counts[index] as number) + 1;
    this.sum += value;
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}

/** Milliseconds: from a read in memory to a request that its caller has given up. */
export const DURATION_BOUNDS_MS: readonly number[] = [
  0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
];

/** Units in a batch of commits: powers of two up to the largest batch. */
export const BATCH_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
