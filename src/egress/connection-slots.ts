/**
 * How many connections there are at once: so many altogether, and so many to one host. Who finds none free waits in line with
 * those for the same host, so that a host which never answers keeps waiting only those who want something of it.
 */
export class ConnectionSlots {
  readonly #most: number;
  readonly #mostPerHost: number;
  readonly #mostWaiting: number;
  readonly #hosts = new Map<string, { running: number; readonly waiting: Set<() => void> }>();
  #running = 0;
  #waiting = 0;

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  constructor(limits: { readonly most: number; readonly mostPerHost: number; readonly mostWaiting: number }) {
    this.#most = limits.most;
    this.#mostPerHost = limits.mostPerHost;
    this.#mostWaiting = limits.mostWaiting;
  }

  /**
   * @param signal ends the wait
   * @returns gives the slot back; undefined when too many wait already
   * @throws the signal's reason
   */
  async take(host: string, signal: AbortSignal): Promise<(() => void) | undefined> {
    const line = this.#hosts.get(host) ?? { running: 0, waiting: new Set() };
    this.#hosts.set(host, line);
    if (this.#running >= this.#most || line.running >= this.#mostPerHost) {
      if (this.#waiting >= this.#mostWaiting) return undefined;
      await this.#wait(host, line.waiting, signal);
    } else {
      line.running += 1;
      this.#running += 1;
    }
    return () => {
      line.running -= 1;
      this.#running -= 1;
      this.#admit();
      this.#forget(host);
    };
  }

  /** Resolves with a slot counted as taken: who admits counts, so that nobody slips in between. */
  #wait(host: string, waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.delete(admitted);
        this.#waiting -= 1;
        signal.removeEventListener('abort', onAbort);
      };
      const admitted = (): void => {
        leave();
        resolve();
      };
      const onAbort = (): void => {
        leave();
        this.#forget(host);
        reject(signal.reason);
      };
      waiting.add(admitted);
      this.#waiting += 1;
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    });
  }

  /** Lets the first one in who may, host by host. */
  #admit(): void {
    for (const line of this.#hosts.values()) {
      if (this.#running >= this.#most) return;
      if (line.running >= this.#mostPerHost) continue;
      const [first] = line.waiting;
      if (!first) continue;
      line.running += 1;
      this.#running += 1;
      first();
    }
  }

  #forget(host: string): void {
    const line = this.#hosts.get(host);
    if (line?.running === 0 && line.waiting.size === 0) this.#hosts.delete(host);
  }
}
