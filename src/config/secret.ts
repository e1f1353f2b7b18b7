import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * A text that never shows itself: not in JSON, not in a log line, not in `util.inspect`, not in a template string. Only
 * `reveal()` gives it out, so that a search for that word finds every place where a secret is used.
 *
 * Keys are not wrapped in this: a `KeyObject` hides its material by itself.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The secret itself. Do not keep the result in anything that could be logged. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}
