import { setTimeout as delay } from 'node:timers/promises';
import { generateSync } from 'otplib';

/** RFC 6238 section 4. */
const STEP_MS = 30_000;

export interface OneTimeCode {
  readonly code: string;
  /** When it begins and ceases to be taken, one step early and one late (RFC 6238 section 5.2); milliseconds since the epoch. */
  readonly goodFrom: number;
  readonly goodUntil: number;
}

/** The machine's, or a test's. */
export interface AppTime {
  now(): number;
  wait(ms: number): Promise<unknown>;
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

  /** The one that is good for longest from now: somebody has to type it. */
  codeToType(): Promise<OneTimeCode> {
    return this.#codeFrom(this.#stepNow() + 1);
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
      await this.#time.wait(ms);
    }
    return code;
  }

  async #codeFrom(first: number): Promise<OneTimeCode> {
    const step = Math.max(first, (await this.#lastUsedStep()) + 1);
    return {
      code: generateSync({ secret: this.#seed, epoch: (step * STEP_MS) / 1_000 }),
      goodFrom: (step - 1) * STEP_MS,
      goodUntil: (step + 2) * STEP_MS,
    };
  }

  #stepNow(): number {
    return Math.floor(this.#time.now() / STEP_MS);
  }
}
