import { tellOfAgentByItself } from './by-itself.ts';
import { tellOfActingForAlice } from './for-alice.ts';
import type { Narrator } from './narrator.ts';
import type { Scenery } from './stage.ts';
import type { Turns } from './turns.ts';

/**
 * Tells the whole chain on real parts: an agent by itself, up to the kill, and an agent that acts for a person until she ends it.
 * Each step claims nothing that it has not checked.
 *
 * @param turns who plays Alice
 * @throws {StepFailed} at the first step that did something else than it says
 */
export async function tellStory(stage: Scenery, narrator: Narrator, turns: Turns): Promise<void> {
  narrator.chapter('An agent by itself');
  const deadToken = await tellOfAgentByItself(stage, narrator);
  narrator.chapter('An agent for a person');
  await tellOfActingForAlice({ stage, narrator, turns, deadToken });
}
