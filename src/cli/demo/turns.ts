import type { Alice } from './alice.ts';
import type { OneTimeCode } from './authenticator.ts';
import type { CommitWatch } from './commit-watch.ts';
import type { Enters } from './enters.ts';
import type { Narrator } from './narrator.ts';

/** Something for Alice to do. */
export interface Turn {
  readonly title: string;
  /** What whoever plays her has to know, each with its label. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  /** Whether the first Enter asks for a one-time code; the next one leaves it to the demo. */
  readonly needsCode?: boolean;
  isDone(): Promise<boolean>;
}

/** Who did it: whoever reads along, in a browser of theirs, or nobody yet, so that it is for the demo to do. */
export type By = 'reader' | 'demo';

export interface Turns {
  /** Waits until it is done, or is left to the demo. */
  take(turn: Turn): Promise<By>;
}

/** Nobody reads along: the demo does all of it. */
export const NOBODY: Turns = { take: async () => 'demo' };

export interface TurnsOptions {
  readonly narrator: Narrator;
  readonly enters: Enters;
  readonly commits: CommitWatch;
  readonly alice: Pick<Alice, 'app'>;
}

/** Gives whoever reads along their turns: they do it in their browser, which is noticed, or press Enter. */
export function turnsOfReader({ narrator, enters, commits, alice }: TurnsOptions): Turns {
  return {
    async take(turn) {
      enters.forget();
      if (enters.isOver) return 'demo';
      if (await turn.isDone()) return 'reader';
      narrator.invite(turn.title, turn.facts);
      const over = new AbortController();
      const done = commits.until(turn.isDone, over.signal).then(() => 'done' as const);
      try {
        for (let isCodeOwed = turn.needsCode === true; ; isCodeOwed = false) {
          const what = await Promise.race([done, enters.next()]);
          if (what === 'done') return 'reader';
          if (what === 'over' || !isCodeOwed) return 'demo';
          narrator.tell('code', describeCode(await alice.app.codeToType(), alice.app.now()));
        }
      } finally {
        over.abort();
      }
    },
  };
}

/** A code, and for how long. @param now milliseconds since the epoch */
export function describeCode({ code, goodFrom, goodUntil, movedMs }: OneTimeCode, now: number): string {
  const inSeconds = (at: number) => Math.ceil((at - now) / 1_000);
  const wait = inSeconds(goodFrom);
  const moved =
    movedMs === undefined ? '' : `; the demo's clock was moved on ${inWholeSeconds(movedMs)} to it`;
  if (wait <= 0) return `${code} (good for ${inSeconds(goodUntil)} s${moved})`;
  return `${code} (in ${wait} s: the one before it has been used)`;
}

export function inWholeSeconds(ms: number): string {
  return `${Math.ceil(ms / 1_000)} s`;
}
