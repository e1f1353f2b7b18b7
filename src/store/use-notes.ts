/** How often notes are written. */
const WRITE_EVERY_MS = 60_000;

/** Notes when agents were last used: gathered in memory and written once a minute, since nothing depends on them. */
export class UseNotes {
  readonly #write: (uses: ReadonlyMap<string, number>) => Promise<void>;
  readonly #timer: NodeJS.Timeout;
  #uses = new Map<string, number>();

  /** @param write stores when each agent was last used, in milliseconds since the epoch */
  constructor(write: (uses: ReadonlyMap<string, number>) => Promise<void>) {
    this.#write = write;
    this.#timer = setInterval(() => void this.#flush(), WRITE_EVERY_MS).unref();
  }

  note(agentId: string, atMs: number): void {
    this.#uses.set(agentId, atMs);
  }

  /** The latest use that has not been written yet. */
  latest(agentId: string): number | undefined {
    return this.#uses.get(agentId);
  }

  /** Writes what has been gathered. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flush();
  }

  async #flush(): Promise<void> {
    const uses = this.#uses;
    if (uses.size === 0) return;
    this.#uses = new Map();
    // A lost note is no loss: the next use makes another.
    await this.#write(uses).catch(() => undefined);
  }
}
