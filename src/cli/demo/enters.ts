import type { Readable } from 'node:stream';

/** Who reads along and presses Enter; nobody where the input has ended. */
export class Enters {
  #isOver = false;
  #pressed = 0;
  #waiting: ((what: 'enter' | 'over') => void) | undefined;

  /** @param input a terminal, or what stands for one; absent where nobody can press anything */
  constructor(input: Readable | undefined) {
    if (!input) {
      this.#isOver = true;
      return;
    }
    input.on('data', (chunk: Buffer | string) => {
      this.#pressed += chunk.toString().split('\n').length - 1;
      this.#tell();
    });
    for (const end of ['end', 'close', 'error'] as const) {
      input.on(end, () => {
        this.#isOver = true;
        this.#tell();
      });
    }
  }

  /** Whether nobody will press anything any more. */
  get isOver(): boolean {
    return this.#isOver && this.#pressed === 0;
  }

  /** What was pressed before anything was asked was not meant. */
  forget(): void {
    this.#pressed = 0;
  }

  /** The next Enter, or that none will come. Only who asked last is told. */
  next(): Promise<'enter' | 'over'> {
    const { promise, resolve } = Promise.withResolvers<'enter' | 'over'>();
    this.#waiting = resolve;
    this.#tell();
    return promise;
  }

  #tell(): void {
    if (!this.#waiting || !(this.#pressed > 0 || this.#isOver)) return;
    const what = this.#pressed > 0 ? 'enter' : 'over';
    if (what === 'enter') this.#pressed -= 1;
    this.#waiting(what);
    this.#waiting = undefined;
  }
}
