import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { Enters } from './enters.ts';
import { Narrator, StepFailed } from './narrator.ts';
import { type Stage, setStage, type Via } from './stage.ts';
import { tellStory } from './story.ts';
import { printThingsToTry } from './things-to-try.ts';
import { describeCode, NOBODY, turnsOfReader } from './turns.ts';

export interface DemoOptions {
  /** End after the story. */
  readonly once: boolean;
  readonly useColour: boolean;
  print(line: string): void;
  /** Aborted when everything has to stop. */
  readonly signal: AbortSignal;
  /** Where whoever reads along presses Enter; absent where nobody does. */
  readonly input?: Readable;
  /** How the parts reach Countersign, where it is not directly. */
  readonly via?: Partial<Via>;
}

/** A step that takes longer than this will not end any more, on however busy a machine. */
const STEP_TIMEOUT_MS = 180_000;
/** As shells say of a process that was interrupted. */
const INTERRUPTED = 130;

/**
 * Plays the demo: sets the stage, tells the story, stays up unless told to end, and leaves nothing behind.
 *
 * @returns the exit code: 0 only if every step did what it says
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { signal } = options;
  const narrator = new Narrator({
    // Once interrupted, what is still under way has nothing more to say.
    print: line => signal.aborted || options.print(line),
    useColour: options.useColour,
    stepTimeoutMs: STEP_TIMEOUT_MS,
  });
  const { bold, dim, green, red } = narrator.colours;
  const interrupted = signal.aborted ? Promise.resolve() : once(signal, 'abort');

  const stage = await setStage(options.via);
  try {
    // The SDK warns of every refusal it meets: here that is the story, and it is told already.
    console.warn = (...words: unknown[]) => stage.log.warn(words.join(' '));
    narrator.print(`\n${bold('Countersign: one agent, first by itself, then for a person')}\n`);
    narrator.print(`  Countersign  ${stage.server.issuer} ${dim('empty embedded store, demo world put in')}`);
    narrator.print(`  MCP server   ${stage.orders.url.href} ${dim('"Orders", asks about every token')}`);
    narrator.print(`  Agent        Shopkeeper ${dim('owned by Alice, has a key and no secret')}`);
    narrator.print(
      `  Alice        ${stage.alice.email} ${dim('has enrolled: password and authenticator app')}`,
    );

    const enters = new Enters(options.once ? undefined : options.input);
    const { alice, commits } = stage;
    const turns = options.once ? NOBODY : turnsOfReader({ narrator, enters, commits, alice });
    await Promise.race([tellStory(stage, narrator, turns), interrupted]);
    if (signal.aborted) return options.once ? INTERRUPTED : 0;
    narrator.print(`\n${green('Every step did what it says.')}`);
    if (!options.once) {
      enters.forget();
      await printThingsToTry(stage, narrator, !enters.isOver);
      await Promise.race([interrupted, printCodes(stage, narrator, enters)]);
      await interrupted;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    narrator.print(`\n${red(`The demo failed at ${error.message}`)}`);
    return 1;
  } finally {
    await stage.strike();
    // The narrator has nothing more to say by then, and whoever stopped it waits for this.
    if (signal.aborted) options.print('\nStopped: nothing is left behind.');
  }
}

/** At each Enter a one-time code for Alice. */
async function printCodes({ alice }: Stage, narrator: Narrator, enters: Enters): Promise<void> {
  while ((await enters.next()) === 'enter') {
    narrator.tell('code', describeCode(await alice.app.codeToType(), alice.app.now()));
  }
}
