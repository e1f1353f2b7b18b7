import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const BLOCK_TIMEOUT_MS = 45_000;
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;

/**
 * The shell of one page: bash, which ends at the first command that fails. Its blocks share variables and folder, as they do for
 * a reader who pastes one after the other. What they start ends with it.
 */
export class PageShell {
  readonly #process: ChildProcess;
  readonly #directory: string;
  #stdout = '';
  #stderr = '';
  #blocks = 0;
  #progress = Promise.withResolvers<void>();
  #hasEnded = false;

  constructor(directory: string, env: Readonly<Record<string, string>>) {
    this.#directory = directory;
    // A process group of its own, so that everything in it can be stopped.
    this.#process = spawn('bash', ['--noprofile', '--norc', '-euo', 'pipefail', '-s'], {
      cwd: directory,
      env,
      detached: true,
    });
    const note = (): void => {
      this.#progress.resolve();
      this.#progress = Promise.withResolvers();
    };
    this.#process.stdout?.setEncoding('utf8').on('data', chunk => {
      this.#stdout += chunk;
      note();
    });
    this.#process.stderr?.setEncoding('utf8').on('data', chunk => {
      this.#stderr = (this.#stderr + chunk).slice(-4_000);
    });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.once('close', () => {
      this.#hasEnded = true;
      note();
    });
  }

  /**
   * Runs a block.
   *
   * @returns what it printed
   * @throws with what it complained of, when one of its commands fails
   */
  async run(text: string): Promise<string> {
    this.#blocks += 1;
    const end = `end-of-block-${this.#blocks}`;
    this.#stdout = '';
    this.#stderr = '';
    this.#process.stdin?.write(`{\n${text}\n} </dev/null\nprintf '\\n%s %s\\n' ${end} $?\n`);
    const deadline = performance.now() + BLOCK_TIMEOUT_MS;
    const complaint = (): string => (this.#stderr || this.#stdout).trim();
    for (;;) {
      const [ending, status] = new RegExp(`\\n${end} (\\d+)\\n$`).exec(this.#stdout) ?? [];
      // bash itself does not stop at `false && true`.
      if (this.#hasEnded || (ending && status !== '0')) throw new Error(`a command failed: ${complaint()}`);
      if (ending) return this.#stdout.slice(0, -ending.length);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`it does not end: ${complaint()}`);
      await Promise.race([this.#progress.promise, delay(left, undefined, { ref: false })]);
    }
  }

  /**
   * Starts a block that goes on running, and waits until a URL answers with anything but an error of the server.
   *
   * @throws with what it printed, when it does not
   */
  async start(text: string, url: string): Promise<void> {
    const log = join(this.#directory, `.started-${this.#blocks}.log`);
    openSync(log, 'a');
    await this.run(`{\n${text}\n} >'${log}' 2>&1 &`);
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const status = await fetch(url).then(
        answer => answer.body?.cancel().then(() => answer.status) ?? answer.status,
        () => 0,
      );
      if (status > 0 && status < 500) return;
      if (performance.now() > deadline)
        throw new Error(`${url} does not answer: ${await readFile(log, 'utf8')}`);
      await delay(50);
    }
  }

  /** Stops everything as Ctrl-C would, and what does not stop at that, and waits until it is gone. */
  async stop(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined) return;
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      signal(pid, name);
      const deadline = performance.now() + STOP_TIMEOUT_MS;
      while (signal(pid, 0)) {
        if (performance.now() > deadline) break;
        await delay(20);
      }
    }
  }
}

/** To the whole group. @returns whether there is anybody in it */
function signal(group: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
