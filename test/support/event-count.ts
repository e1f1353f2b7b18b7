/** Counts what happens, and tells who waits for it. */
export class EventCount {
  #count = 0;
  readonly #waiting = new Set<{ readonly count: number; readonly resolve: () => void }>();

  get count(): number {
    return this.#count;
  }

  note(): void {
    this.#count += 1;
    for (const waiter of this.#waiting) {
      if (this.#count < waiter.count) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  /** Resolves when it has happened so often. */
  reached(count: number): Promise<void> {
    if (this.#count >= count) return Promise.resolve();
    return new Promise(resolve => this.#waiting.add({ count, resolve }));
  }
}
