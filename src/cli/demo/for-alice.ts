import { ORDERS_ID, OWNER_ID, SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import type { Delegation } from '../../delegation/index.ts';
import { READ_ORDERS } from './alice.ts';
import { readEvent } from './audit-line.ts';
import { administer, callBare, outcomeOf } from './bare-calls.ts';
import { abbreviated, claim } from './narrator.ts';
import { type Acting, type Scene, sayWhenWaiting, tellPages, tellWho } from './scene.ts';

/**
 * An agent that acts for a person, from her sign-in to what it is refused.
 *
 * @param deadToken what the agent held when it was killed
 * @throws {StepFailed}
 */
export async function tellOfActingForAlice(scene: Scene, deadToken: string): Promise<Acting> {
  const ownGoodUntil = await tellOfRestore(scene, deadToken);
  await tellOfSignIn(scene);
  const delegation = await tellOfGiving(scene);
  const { token, tokenGoodUntil } = await tellOfExchange(scene, delegation);
  await tellOfCall(scene, delegation, token);
  await tellOfRefusal(scene, delegation);
  return { delegation, token, tokenGoodUntil, ownGoodUntil };
}

/** @returns until when its new token is good, in milliseconds since the epoch */
async function tellOfRestore({ stage, narrator, agent }: Scene, deadToken: string): Promise<number> {
  return narrator.step('An administrator restores the agent; its old token stays dead', async tell => {
    const restored = await administer(stage.administrator, 'agents', `/agents/${SHOPKEEPER_ID}/restore`);
    claim(restored.status === 200, `the restore was answered with ${restored.status}`);
    tell.exchange(restored, String(restored.json?.['status']));
    const refused = await callBare(stage.orders.url, deadToken);
    claim(refused.status === 401, `the old token was answered with ${refused.status}`);
    tell.exchange(refused, 'its old token');
    await agent.connect();
    const goodUntil = stage.clock.now() + (agent.tokens?.expires_in ?? 0) * 1_000;
    const exchanges = agent.takeExchanges().filter(({ url }) => /^\/(?:token|mcp)$/.test(url.pathname));
    claim(agent.tokens !== undefined && agent.tokens.access_token !== deadToken, 'it got no new token');
    for (const exchange of exchanges.slice(-2)) {
      tell.exchange(exchange, exchange.url.pathname === '/token' ? 'a new one, with its key' : 'connected');
    }
    return goodUntil;
  });
}

async function tellOfSignIn({ stage, narrator, turns }: Scene): Promise<void> {
  const { alice, server } = stage;
  const askedAt = stage.clock.now();
  const findSignIn = async () =>
    (await server.store.readNewest(50)).map(readEvent).find(({ type, target, at, detail }) => {
      const amr = detail?.['amr'];
      const isHers = type === 'person.signed-in' && target === OWNER_ID && at >= askedAt;
      return isHers && Array.isArray(amr) && amr.includes('pwd') && amr.includes('otp');
    });
  const by = await turns.take({
    title: 'Your turn: sign in as Alice, who answers for the agent',
    facts: [
      ['open', `${server.issuer}/me`],
      ['e-mail', alice.email],
      ['password', `${alice.password} (made for this run)`],
      [
        'Enter',
        'prints a one-time code, once the page asks for it; pressed again, the demo signs in for her',
      ],
    ],
    needsCode: true,
    isDone: async () => (await findSignIn()) !== undefined,
  });
  await narrator.step('Alice signs in, with her password and a one-time code', async tell => {
    if (by === 'demo') {
      tell.fact('her page', `${server.issuer}/me`);
      tell.fact('signs in', `${alice.email}, ${alice.password} (made for this run)`);
      sayWhenWaiting(stage, tell);
      const page = await alice.signIn();
      tellPages(stage, tell);
      claim(page.status === 200 && page.text.includes('Signed in as Alice'), 'she does not see her page');
    }
    const signIn = await findSignIn();
    claim(signIn !== undefined, 'nobody signed in with password and code: the trail does not have it');
    tell.fact('factors', String(signIn.detail?.['amr']).replaceAll(',', ', '));
    tellWho(tell, by);
  });
}

async function tellOfGiving({ stage, narrator, turns }: Scene): Promise<Delegation> {
  const { alice, server } = stage;
  const findGiven = async () => {
    const delegation = await server.store.findActiveDelegation({
      personId: OWNER_ID,
      agentId: SHOPKEEPER_ID,
      resourceId: ORDERS_ID,
    });
    return delegation?.scopes.includes('orders:read') && delegation.expiresAt > stage.clock.now()
      ? delegation
      : undefined;
  };
  const by = await turns.take({
    title: 'Your turn: let the agent act for Alice',
    facts: [
      ['her page', 'press "Let an agent act for you", and choose Shopkeeper'],
      ['tick', `"${READ_ORDERS}", and nothing else`],
      ['until', '"One day", say; then "Continue" and "Let it act for me"'],
      ['Enter', 'lets the demo do it'],
    ],
    isDone: async () => (await findGiven()) !== undefined,
  });
  return narrator.step(
    'She lets the agent act for her: one server, what she ticks, until a time',
    async tell => {
      if (by === 'demo') {
        sayWhenWaiting(stage, tell);
        await alice.give();
        tellPages(stage, tell);
      }
      const given = await findGiven();
      claim(given !== undefined, 'she gave nothing: the store has no delegation');
      claim(!given.scopes.includes('orders:refund'), 'it holds a scope of high risk');
      if (by === 'demo') claim(given.scopes.length === 1, `it holds ${given.scopes.join(' ')}`);
      tell.fact('delegation', given.id);
      tell.fact('at', given.resource);
      tell.fact('scope', given.scopes.join(' '));
      tell.fact('until', new Date(given.expiresAt).toISOString());
      tellWho(tell, by);
      return given;
    },
  );
}

async function tellOfExchange(
  { stage, narrator, agent, delegated }: Scene,
  delegation: Delegation,
): Promise<Pick<Acting, 'token' | 'tokenGoodUntil'>> {
  return narrator.step('The agent exchanges it for a token that acts for her (RFC 8693)', async tell => {
    const answer = await delegated.exchange(delegation.id);
    const asked = delegated.takeExchanges().find(({ url }) => url.pathname === '/token');
    const token = answer.access_token;
    claim(token !== '' && token !== agent.tokens?.access_token, 'it was given its own token');
    claim(
      answer.scope === delegation.scopes.join(' '),
      `its scope is ${answer.scope}, which she did not give`,
    );
    const { expires_in: seconds = 0 } = answer;
    claim(seconds > 0 && seconds <= 300, `it lives ${seconds} s`);
    claim(!asked?.form?.has('client_secret'), 'it sent a secret');
    const tokenGoodUntil = stage.clock.now() + seconds * 1_000;
    if (asked) tell.exchange(asked, 'grant: token-exchange');
    tell.fact('subject', `${abbreviated(delegation.id)} (good for this agent only, so no secret)`);
    tell.fact('token', abbreviated(token));
    tell.fact('scope', `${answer.scope} (all that she gave)`);
    tell.fact('lives', `${seconds} s, and no longer than the delegation`);
    return { token, tokenGoodUntil };
  });
}

async function tellOfCall(
  { stage, narrator, delegated }: Scene,
  delegation: Delegation,
  token: string,
): Promise<void> {
  await narrator.step('The MCP server is told for whom it is called, and by whom', async tell => {
    stage.takeIntrospections();
    stage.takePrinted();
    const answer = await delegated.callTool(token, 'find_order', { number: '1003' });
    claim(answer.includes('1003'), `the tool answered ${answer}`);
    delegated.takeExchanges();
    const asked = stage.takeIntrospections().at(-1);
    const { active, sub, act, client_id: clientId, delegation_id: id, scope, aud } = asked?.json ?? {};
    claim(asked?.form?.get('token') === token && active === true, 'it was told something else');
    claim(sub === OWNER_ID, `its subject is ${sub}`);
    claim(JSON.stringify(act) === JSON.stringify({ sub: SHOPKEEPER_ID }), `act is ${JSON.stringify(act)}`);
    claim(clientId === SHOPKEEPER_ID, `its client is ${clientId}`);
    claim(id === delegation.id, `its delegation is ${id}`);
    claim(scope === delegation.scopes.join(' '), `its scope is ${scope}`);
    claim(aud === delegation.resource, `its audience is ${aud}`);
    tell.exchange(asked, 'asked by Orders');
    tell.fact('sub', `${sub} (Alice)`);
    tell.fact('act', JSON.stringify(act));
    tell.fact('delegation', String(id));
    tell.fact('scope', String(scope));
    const [line, ...more] = stage.takePrinted();
    claim(more.length === 0, 'the MCP server was called more than once');
    const expected = `find_order, for ${OWNER_ID}, by ${SHOPKEEPER_ID}`;
    claim(line === expected, `the MCP server printed "${line}"`);
    tell.fact('it prints', line);
    tell.fact('answer', answer);
  });
}

async function tellOfRefusal({ narrator, delegated }: Scene, delegation: Delegation): Promise<void> {
  await narrator.step('What she did not allow is refused by name: 400 invalid_scope', async tell => {
    // Refunds are of high risk, so that nobody can give them for good: they can be asked for, as is said.
    for (const scope of ['orders:write', 'orders:refund'].filter(each => !delegation.scopes.includes(each))) {
      const outcome = await outcomeOf(delegated.exchange(delegation.id, scope));
      claim(!outcome.isDone, `it was given a token for ${scope}`);
      const refused = delegated.takeExchanges().find(({ url }) => url.pathname === '/token');
      claim(refused?.status === 400, `${scope} was answered with ${refused?.status}`);
      claim(refused.error === 'invalid_scope', `${scope}: the error is ${refused.error}`);
      claim(refused.errorDescription?.includes(scope) === true, `the refusal does not name ${scope}`);
      const isHelped = refused.errorDescription.includes('completion_mode=deferred');
      claim(isHelped, `the refusal of ${scope} does not say how to ask for it`);
      tell.exchange(refused, scope);
      tell.fact('says', refused.errorDescription);
    }
  });
}
