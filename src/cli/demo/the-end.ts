import { OWNER_ID } from '../../../seed/demo-world.ts';
import { type AuditEvent, storeTrail, verifyTrail } from '../../audit/index.ts';
import { describeRow, readEvent } from './audit-line.ts';
import { outcomeOf } from './bare-calls.ts';
import { claim } from './narrator.ts';
import { type Acting, type Scene, sayWhenWaiting, tellPages, tellWho } from './scene.ts';

/**
 * Alice presses End: what dies with it, and what lives on.
 *
 * @param told hashes of the rows of the trail that were told of already
 * @throws {StepFailed}
 */
export async function tellOfTheEnd(scene: Scene, acting: Acting, told: ReadonlySet<string>): Promise<void> {
  await tellOfEnding(scene, acting);
  await tellOfOwnToken(scene, acting);
  await tellOfTrail(scene, acting, told);
}

async function tellOfEnding(
  { stage, narrator, turns, delegated }: Scene,
  { delegation: { id }, token, tokenGoodUntil }: Acting,
): Promise<void> {
  const { alice, server } = stage;
  const isEnded = async () => (await server.store.findDelegation(id))?.status === 'ended';
  const by = await turns.take({
    title: 'Your turn: end it',
    facts: [
      ['her page', 'press "End", beside Shopkeeper'],
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
    if (stage.clock.now() > tokenGoodUntil)
      tell.fact('note', 'it had run out before, as each does after five minutes');
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

async function tellOfOwnToken({ stage, narrator, agent }: Scene, { ownGoodUntil }: Acting): Promise<void> {
  await narrator.step("The agent's own tokens live on", async tell => {
    const own = agent.tokens?.access_token;
    stage.takeIntrospections();
    const outcome = await outcomeOf(agent.callTool('find_order', { number: '1005' }));
    const asked = stage.takeIntrospections().at(-1);
    claim(outcome.isDone, `the tool answered ${outcome.text}`);
    claim(asked?.json?.['active'] === true, 'the MCP server was told something else');
    // The agent's SDK gets another one by itself, whatever became of this one.
    const isAnother = agent.tokens?.access_token !== own;
    claim(!isAnother || stage.clock.now() > ownGoodUntil - 2_000, 'its own token died');
    if (isAnother) tell.fact('note', 'its own token ran out meanwhile, as each does after five minutes');
    for (const exchange of agent.takeExchanges()) {
      tell.exchange(exchange, exchange.url.pathname === '/mcp' ? 'find_order' : undefined);
    }
    tell.exchange(asked, '"active":true');
    tell.fact('lives', `${Math.round(Number(asked.json['exp']) - stage.clock.now() / 1_000)} s more`);
    tell.fact('answer', outcome.text);
  });
}

async function tellOfTrail(
  { stage, narrator, startedAt }: Scene,
  { delegation: { id } }: Acting,
  before: ReadonlySet<string>,
): Promise<void> {
  await narrator.step('The audit trail tells it in order, and its hash chain verifies', async tell => {
    const { store } = stage.server;
    const rows = [...(await store.readNewest(1_000))].reverse();
    const told = rows.filter(row => readEvent(row).at >= startedAt && !before.has(row.hash));
    for (const row of told) tell.line(describeRow(row, stage, narrator.colours));
    const events = told.map(readEvent);
    let after = 0;
    for (const [what, isIt] of inOrder(id)) {
      const found = events.findIndex((event, index) => index >= after && isIt(event));
      claim(found !== -1, `it has no ${what} where it belongs`);
      after = found + 1;
    }
    const issued = events.filter(event => isIssuedUnder(event, id));
    claim(issued.length === 1, `it has ${issued.length} more tokens of the delegation, and one was told of`);
    const report = await verifyTrail(storeTrail(store));
    claim(report.isIntact, 'the chain is broken');
    tell.fact('verified', `${report.rows} rows, each chained to the one before by SHA-256`);
  });
}

function isIssuedUnder({ type, detail }: AuditEvent, delegationId: string): boolean {
  return type === 'token.issued' && detail?.['delegation'] === delegationId;
}

/** What the trail has to say of a delegation, from the restore on. */
function inOrder(id: string): readonly (readonly [what: string, isIt: (event: AuditEvent) => boolean])[] {
  const refusals = ['scope-beyond-delegation', 'scope-high-risk'];
  return [
    ['agent.restored', ({ type }) => type === 'agent.restored'],
    ['person.signed-in', ({ type, target }) => type === 'person.signed-in' && target === OWNER_ID],
    ['delegation.given', ({ type, target }) => type === 'delegation.given' && target === id],
    ['token.issued', event => isIssuedUnder(event, id)],
    [
      'token.issue-refused for a scope',
      ({ type, reason = '' }) => type === 'token.issue-refused' && refusals.includes(reason),
    ],
    ['delegation.ended', ({ type, target }) => type === 'delegation.ended' && target === id],
    [
      'token.issue-refused after the end',
      ({ type, reason }) => type === 'token.issue-refused' && reason === 'subject-delegation-ended',
    ],
  ];
}
