import { tellOfAgentByItself } from './by-itself.ts';
import { tellOfCountersigning } from './countersigned.ts';
import { DelegatedAgent } from './delegated-agent.ts';
import { tellOfActingForAlice } from './for-alice.ts';
import type { Narrator } from './narrator.ts';
import { ShopAgent } from './shop-agent.ts';
import type { Scenery } from './stage.ts';
import { tellOfTheEnd } from './the-end.ts';
import type { Turns } from './turns.ts';

/**
 * Tells the whole chain on real parts: an agent by itself, up to the kill, and an agent that acts for a person, who countersigns
 * what goes beyond, until she ends it.
 * Each step claims nothing that it has not checked.
 *
 * @param turns who plays Alice
 * @throws {StepFailed} at the first step that did something else than it says
 */
export async function tellStory(stage: Scenery, narrator: Narrator, turns: Turns): Promise<void> {
  narrator.chapter('An agent by itself');
  const deadToken = await tellOfAgentByItself(stage, narrator);

  narrator.chapter('An agent for a person');
  const { orders, shopkeeper, via, clock } = stage;
  const agent = new ShopAgent(orders.url, shopkeeper, via.agent);
  const delegated = new DelegatedAgent(orders.url, shopkeeper, via.agent, clock.now);
  const scene = { stage, narrator, turns, startedAt: clock.now(), agent, delegated };
  try {
    const acting = await tellOfActingForAlice(scene, deadToken);
    narrator.chapter('More, countersigned: once, for a minute');
    const told = await tellOfCountersigning(scene, acting);

    narrator.chapter('She ends it');
    await tellOfTheEnd(scene, acting, told);
  } finally {
    await agent.close();
  }
}
