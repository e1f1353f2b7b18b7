import { storeTrail, verifyTrail } from '../../audit/index.ts';
import type { Delegation } from '../../delegation/index.ts';
import { describeRow, readEvent } from './audit-line.ts';
import { outcomeOf } from './bare-calls.ts';
import { type Scene, sayWhenWaiting, tellPages, tellWho } from './for-alice.ts';
import { claim } from './narrator.ts';

/** Alice presses End: what lives on and what does not. @throws {StepFailed} */
export async function tellOfTheEnd(scene: Scene, delegation: Delegation, token: string): Promise<void> {
  await tellOfEnding(scene, delegation, token);
  await tellOfOwnToken(scene);
  await tellOfTrail(scene, delegation);
}

async function tellOfEnding(
  { stage, narrator, turns, delegated }: Scene,
  { id }: Delegation,
  token: string,
): Promise<void> {
  const { alice, server } = stage;
  const isEnded = async () => (await server.store.findDelegation(id))?.status === 'ended';
  const by = await turns.take({
    title: 'Your turn: end it',
    facts: [
      ['on her page', 'press "End", beside Shopkeeper'],
      ['Enter', 'lets the demo do it'],
    ],
    isDone: isEnded,
  });
  await narrator.step('She presses End: its token is dead at the very next check', async tell => {
    if (by === 'demo') {
      sayWhenWaiting(stage, tell);
      await alice.end(id);
      tellPages(stage, tell);
    }
    claim(await isEnded(), 'the delegation goes on');
    tellWho(tell, by);
    stage.takeIntrospections();
    const outcome = await outcomeOf(delegated.callTool(token, 'find_order', { number: '1004' }));
    claim(!outcome.isDone, `the tool answered ${outcome.text}`);
    const refused = delegated.takeExchanges().find(({ url }) => url.pathname === '/mcp');
    claim(refused?.status === 401, `it was answered with ${refused?.status}`);
    const asked = stage.takeIntrospections().at(-1);
    claim(JSON.stringify(asked?.json) === '{"active":false}', 'the MCP server was told something else');
    tell.exchange(asked ?? refused, '{"active":false}');
    tell.exchange(refused, 'the same token');
    const again = await outcomeOf(delegated.exchange(id));
    claim(!again.isDone, 'it was given another token');
    const answer = delegated.takeExchanges().find(({ url }) => url.pathname === '/token');
    claim(answer?.error === 'invalid_request', `exchanging once more was answered with ${answer?.error}`);
    tell.exchange(answer);
    tell.fact('says', answer.errorDescription ?? '');
  });
}

async function tellOfOwnToken({ stage, narrator, agent }: Scene): Promise<void> {
  await narrator.step("The agent's own token lives on", async tell => {
    const own = agent.tokens?.access_token;
    stage.takeIntrospections();
    const outcome = await outcomeOf(agent.callTool('find_order', { number: '1005' }));
    const asked = stage.takeIntrospections();
    const first = asked.find(({ form }) => form?.get('token') === own);
    claim(first !== undefined, 'the agent did not use it');
    const renewed = agent.tokens?.access_token !== own;
    const { active, exp } = first.json ?? {};
    for (const exchange of agent.takeExchanges()) tell.exchange(exchange, 'find_order');
    claim(outcome.isDone, `the tool answered ${outcome.text}`);
    claim(!renewed && active === true, `its own token is dead: ${JSON.stringify(first.json)}`);
    tell.exchange(first, `"active":true`);
    tell.fact('lives', `${Math.round(Number(exp) - Date.now() / 1_000)} s more`);
    tell.fact('answer', outcome.text);
  });
}

async function tellOfTrail({ stage, narrator, startedAt }: Scene, { id }: Delegation): Promise<void> {
  await narrator.step('The audit trail tells it in order, and its hash chain verifies', async tell => {
    const { store } = stage.server;
    const rows = [...(await store.readNewest(1_000))].reverse();
    const told = rows.filter(row => readEvent(row).at >= startedAt);
    for (const row of told) tell.line(describeRow(row, stage, narrator.colours));
    const events = told.map(readEvent);
    let after = 0;
    for (const [type, reason] of [
      ['agent.restored'],
      ['person.signed-in'],
      ['delegation.given'],
      ['token.issued'],
      ['token.issue-refused', 'scope-beyond-delegation'],
      ['delegation.ended'],
      ['token.issue-refused', 'subject-delegation-ended'],
    ] as const) {
      const found = events.findIndex(
        (event, index) =>
          index >= after && event.type === type && (reason === undefined || event.reason === reason),
      );
      claim(found !== -1, `it has no ${[type, reason].join(' ').trim()} where it belongs`);
      after = found + 1;
    }
    const issued = events.filter(
      ({ type, detail }) => type === 'token.issued' && detail?.['delegation'] === id,
    );
    claim(issued.length === 1, `it has ${issued.length} tokens of the delegation, and one was told of`);
    const report = await verifyTrail(storeTrail(store));
    claim(report.isIntact, 'the chain is broken');
    tell.fact('verified', `${report.rows} rows, each chained to the one before by SHA-256`);
  });
}
