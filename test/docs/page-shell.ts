import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The shell of one page: bash, which ends at the first command that fails. Its blocks share variables and folder, as they do for
 * a reader who pastes one after the other. What they start ends with it.
 */
export class PageShell {
  readonly #process: ChildProcess;
  readonly #directory: string;
  /** Resolves when the shell and everything that it has started are gone: each of them holds an end of its last pipe. */
  readonly #gone: Promise<unknown>;
  #stdout = '';
  #stderr = '';
  #blocks = 0;
  #progress = Promise.withResolvers<void>();
  #hasEnded = false;

  constructor(directory: string, env: Readonly<Record<string, string>>) {
    this.#directory = directory;
    // A process group of its own, so that everything in it can be stopped.
    const child = spawn('bash', ['--noprofile', '--norc', '-euo', 'pipefail', '-s'], {
      cwd: directory,
      env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.#process = child;
    const note = (): void => {
      this.#progress.resolve();
      this.#progress = Promise.withResolvers();
    };
    child.stdout.setEncoding('utf8').on('data', chunk => {
      this.#stdout += chunk;
      note();
    });
    child.stderr.setEncoding('utf8').on('data', chunk => {
      this.#stderr = (this.#stderr + chunk).slice(-4_000);
      note();
    });
    child.stdin.on('error', () => undefined);
    (child.stdio[3] as Socket).on('error', () => undefined).resume();
    this.#gone = once(child, 'close');
    // It has ended when all that it said was read; what it started has an output of its own.
    Promise.all([once(child, 'exit'), once(child.stdout, 'end'), once(child.stderr, 'end')]).then(() => {
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
    this.#stdout = '';
    this.#stderr = '';
    // The same last line in both, so that each is known to be whole.
    const mark = `end-of-block-${this.#blocks}`;
    const print = `printf '\\n%s %s\\n' ${mark} $status`;
    const end = `(status=$?; ${print}; ${print} >&2)`;
    this.#process.stdin?.write(`{\n${text}\n} </dev/null\n${end}\n`);
    const lastLine = new RegExp(`\\n${mark} (\\d+)\\n$`);
    for (;;) {
      const [printed, complained] = [lastLine.exec(this.#stdout), lastLine.exec(this.#stderr)];
      const isOver = printed !== null && complained !== null;
      // bash itself does not stop at `false && true`.
      if (this.#hasEnded || (isOver && printed[1] !== '0')) {
        const complaint = this.#stderr.replace(lastLine, '').trim();
        throw new Error(`a command failed: ${complaint || this.#stdout.replace(lastLine, '').trim()}`);
      }
      if (isOver) return this.#stdout.slice(0, printed.index);
      await this.#progress.promise;
    }
  }

  /**
   * Starts a block that goes on running, and waits until a URL answers with anything but an error of the server.
   *
   * @throws with what it printed, when it ends before that
   */
  async start(text: string, url: string): Promise<void> {
    const log = join(this.#directory, `.started-${this.#blocks}.log`);
    const ended = `${log}.ended`;
    // A page may send it to the background itself.
    await this.run(`(\ntrap 'touch "${ended}"' EXIT\n${text}\nwait\n) >'${log}' 2>&1 &`);
    for (;;) {
      const hasEnded = existsSync(ended);
      const status = await fetch(url).then(
        answer => answer.body?.cancel().then(() => answer.status) ?? answer.status,
        () => 0,
      );
      if (status > 0 && status < 500) return;
      if (hasEnded) throw new Error(`${url} does not answer: ${await readFile(log, 'utf8')}`);
      await delay(50);
    }
  }

  /** Ends everything that was started, and waits until it is gone. */
  async stop(): Promise<void> {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await this.#gone;
  }
}
