import { setTimeout as delay } from 'node:timers/promises';
import { generateSync } from 'otplib';

/** RFC 6238 section 4. */
const STEP_MS = 30_000;

export interface OneTimeCode {
  readonly code: string;
  /** When it begins and ceases to be taken, one step early and one late (RFC 6238 section 5.2); milliseconds since the epoch. */
  readonly goodFrom: number;
  readonly goodUntil: number;
  /** By how many milliseconds the clock was moved on so that it is good; absent where it was not. */
  readonly movedMs?: number;
}

/** The machine's, or a test's. */
export interface AppTime {
  now(): number;
  wait(ms: number): Promise<unknown>;
  /** Moves the clock on, where that can be done: then nobody waits. */
  readonly pass?: ((ms: number) => void) | undefined;
}

/** Alice's authenticator app. It never shows a code whose step was used, as that would be refused. */
export class AuthenticatorApp {
  readonly #seed: string;
  readonly #lastUsedStep: () => Promise<number>;
  readonly #time: AppTime;

  /**
   * @param seed base32
   * @param lastUsedStep the last step of which a code was taken, whoever typed it
   */
  constructor(
    seed: string,
    lastUsedStep: () => Promise<number>,
    time: AppTime = { now: Date.now, wait: delay },
  ) {
    this.#seed = seed;
    this.#lastUsedStep = lastUsedStep;
    this.#time = time;
  }

  /** In milliseconds since the epoch. */
  now(): number {
    return this.#time.now();
  }

  /** The one that is good for longest from now: somebody has to type it. */
  async codeToType(): Promise<OneTimeCode> {
    const code = await this.#codeFrom(this.#stepNow() + 1);
    const ms = code.goodFrom - this.#time.now();
    if (ms <= 0 || !this.#time.pass) return code;
    this.#time.pass(ms);
    return { ...code, movedMs: ms };
  }

  /** The one that was used last. */
  async usedCode(): Promise<string> {
    return this.#codeOf(await this.#lastUsedStep());
  }

  /**
   * The first that is good, so that the next one is good as well; waits where the present ones are used up.
   *
   * @param onWait told for how long, in milliseconds
   */
  async codeAtOnce(onWait: (ms: number) => void = () => undefined): Promise<OneTimeCode> {
    const code = await this.#codeFrom(this.#stepNow() - 1);
    const ms = code.goodFrom - this.#time.now();
    if (ms > 0) {
      onWait(ms);
      if (this.#time.pass) this.#time.pass(ms);
      else await this.#time.wait(ms);
    }
    return code;
  }

  async #codeFrom(first: number): Promise<OneTimeCode> {
    const step = Math.max(first, (await this.#lastUsedStep()) + 1);
    return {
      code: this.#codeOf(step),
      goodFrom: (step - 1) * STEP_MS,
      goodUntil: (step + 2) * STEP_MS,
    };
  }

  #codeOf(step: number): string {
    return generateSync({ secret: this.#seed, epoch: (step * STEP_MS) / 1_000 });
  }

  #stepNow(): number {
    return Math.floor(this.#time.now() / STEP_MS);
  }
}
