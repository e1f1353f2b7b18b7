import { once } from 'node:events';
import { Narrator, StepFailed } from './narrator.ts';
import { setStage } from './stage.ts';
import { tellStory } from './story.ts';
import { printThingsToTry } from './things-to-try.ts';

export interface DemoOptions {
  /** End after the story. */
  readonly once: boolean;
  readonly useColour: boolean;
  print(line: string): void;
  /** Aborted when everything has to stop. */
  readonly signal: AbortSignal;
  /** How the MCP server reaches Countersign; `fetch` where absent. */
  readonly mcpServerFetch?: typeof fetch;
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

  const stage = await setStage({ mcpServerFetch: options.mcpServerFetch ?? fetch });
  try {
    // The SDK warns of every refusal it meets: here that is the story, and it is told already.
    console.warn = (...words: unknown[]) => stage.log.warn(words.join(' '));
    narrator.print(`\n${bold('Countersign: one agent, one token, one verified call, one kill')}\n`);
    narrator.print(`  Countersign  ${stage.server.issuer} ${dim('empty embedded store, demo world put in')}`);
    narrator.print(`  MCP server   ${stage.orders.url.href} ${dim('"Orders", asks about every token')}`);
    narrator.print(`  Agent        Shopkeeper ${dim('owned by Alice, has a key and no secret')}`);

    await Promise.race([tellStory(stage, narrator), interrupted]);
    if (signal.aborted) return options.once ? INTERRUPTED : 0;
    narrator.print(`\n${green('Every step did what it says.')}`);
    if (!options.once) {
      await printThingsToTry(stage, narrator);
      await interrupted;
    }
    return 0;
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    narrator.print(`\n${red(`The demo failed at ${error.message}`)}`);
    return 1;
  } finally {
    await stage.strike();
  }
}
