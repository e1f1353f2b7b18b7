import { createColors } from 'picocolors';
import type { Exchange } from './exchange.ts';

const COLUMNS = 80;
const INDENT = ' '.repeat(6);
const LABEL_COLUMNS = 11;
const PATH_COLUMNS = 41;

/** A step did something else than it says, or took too long. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** @throws {StepFailed} unless what was claimed is so */
export function claim(isSo: boolean, otherwise: string): asserts isSo {
  if (!isSo) throw new StepFailed(otherwise);
}

/** What a step may tell while it runs. */
export interface Telling {
  fact(label: string, value: string): void;
  /** @param remark what the exchange means; its error code where absent */
  exchange(exchange: Exchange, remark?: string): void;
  line(text: string): void;
}

export interface NarratorOptions {
  print(line: string): void;
  readonly useColour: boolean;
  /** How long a step may take, in milliseconds. */
  readonly stepTimeoutMs: number;
}

/** Tells the demo so that it can be read at a glance: numbered steps, in 80 columns, marks beside colours. */
export class Narrator {
  readonly colours: ReturnType<typeof createColors>;
  readonly #options: NarratorOptions;
  #step = 0;

  constructor(options: NarratorOptions) {
    this.#options = options;
    this.colours = createColors(options.useColour);
  }

  print(text = ''): void {
    for (const line of text.split('\n')) this.#options.print(line);
  }

  /** A part of the story. */
  chapter(title: string): void {
    this.print(`\n${this.colours.bold(title)}`);
  }

  /** Says what somebody may do now, before the step that tells what came of it. */
  invite(title: string, facts: readonly (readonly [label: string, value: string])[]): void {
    const told: string[] = [];
    const { fact } = this.#telling(told);
    for (const [label, value] of facts) fact(label, value);
    this.print(
      ['', `${INDENT.slice(0, 3)}${this.colours.yellow('…')} ${this.colours.bold(title)}`, ...told].join(
        '\n',
      ),
    );
  }

  /** One more fact, at once. */
  tell(label: string, value: string): void {
    const told: string[] = [];
    this.#telling(told).fact(label, value);
    this.print(told.join('\n'));
  }

  /**
   * Runs one step and prints what it told, with ✔ when all its claims held.
   *
   * @returns what the step came to
   * @throws {StepFailed} naming the step and why it failed
   */
  async step<T>(title: string, run: (tell: Telling) => Promise<T>): Promise<T> {
    this.#step += 1;
    const told: string[] = [];
    const { bold, green, red } = this.colours;
    const show = (mark: string) => this.print(['', this.#heading(mark, title), ...told].join('\n'));
    try {
      const result = await withinMs(this.#options.stepTimeoutMs, run(this.#telling(told)));
      show(green('✔'));
      return result;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      told.push(...wrapped(why, COLUMNS - INDENT.length).map(line => INDENT + bold(red(line))));
      show(red('✘'));
      throw new StepFailed(`step ${this.#step}, "${title}": ${why}`, { cause });
    }
  }

  #heading(mark: string, title: string): string {
    return `${String(this.#step).padStart(2)} ${mark} ${this.colours.bold(title)}`;
  }

  #telling(told: string[]): Telling {
    const { dim, green, yellow } = this.colours;
    return {
      fact: (label, value) => {
        const lines = wrapped(value, COLUMNS - INDENT.length - LABEL_COLUMNS);
        const [first = '', ...more] = lines;
        told.push(`${INDENT}${dim(label.padEnd(LABEL_COLUMNS))}${first}`);
        for (const line of more) told.push(`${INDENT}${' '.repeat(LABEL_COLUMNS)}${line}`);
      },
      exchange: ({ method, url, status, error }, remark = error ?? '') => {
        const path = abbreviatedIds(url.pathname).padEnd(PATH_COLUMNS);
        const colour = status < 400 ? green : yellow;
        told.push(`${INDENT}${method.padEnd(4)} ${path} ${colour(String(status))} ${dim(remark)}`.trimEnd());
      },
      line: text => told.push(INDENT + text),
    };
  }
}

/** A token as it may be shown: what it begins and ends with. */
export function abbreviated(value: string): string {
  return `${value.slice(0, 10)}…${value.slice(-4)}`;
}

/** Text in which identifiers are as short as they can be told apart by eye. */
export function abbreviatedIds(text: string): string {
  return text.replace(/\b([a-z]{3}_)[0-9a-f]{28}([0-9a-f]{4})\b/g, '$1…$2');
}

/** Breaks text at spaces. A word that is too long stays whole, so that it can be copied. */
function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

async function withinMs<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new StepFailed(`it took longer than ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
