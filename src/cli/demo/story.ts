/** Tells the demo step by step, and remembers whether every step did what it says. */
import pc from 'picocolors';

/** A step did something else than it says. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

export class Story {
  #number = 0;

  /** One step: runs it, prints what it says and whether it was so. Stops the story when it was not. */
  async step<T>(
    title: string,
    run: (facts: (name: string, value: string) => void) => Promise<T>,
  ): Promise<T> {
    this.#number += 1;
    const facts: string[] = [];
    try {
      const result = await run((name, value) => facts.push(`      ${pc.dim(name.padEnd(10))} ${value}`));
      console.log(`\n${pc.bold(`${String(this.#number).padStart(2)}`)}  ${pc.green('✔')} ${title}`);
      for (const fact of facts) console.log(fact);
      return result;
    } catch (error) {
      console.log(`\n${pc.bold(`${String(this.#number).padStart(2)}`)}  ${pc.red('✘')} ${title}`);
      for (const fact of facts) console.log(fact);
      console.log(`      ${pc.red(error instanceof Error ? error.message : String(error))}`);
      throw new StepFailed(`step ${this.#number}: ${title}`, { cause: error });
    }
  }
}

/** @throws {StepFailed} unless what was claimed is so */
export function claim(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new StepFailed(what);
}

/** A token or secret as it may be shown: its beginning and end only. */
export function abbreviated(secret: string): string {
  return `${secret.slice(0, 10)}…${secret.slice(-4)}`;
}
