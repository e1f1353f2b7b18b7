import { OWNER_ID, SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import { type AuditEvent, storeTrail, verifyTrail } from '../../audit/index.ts';
import { COUNTERSIGNED_ACR, COUNTERSIGNED_AMR, type Elevation } from '../../elevation/index.ts';
import { DEFERRED_GRANT_TYPE } from '../../oauth.ts';
import { GIVE_MONEY_BACK, READ_ORDERS } from './alice.ts';
import { readCard, waitingOn } from './approval-card.ts';
import { describeRow, readEvent } from './audit-line.ts';
import { outcomeOf, request } from './bare-calls.ts';
import type { Exchange } from './exchange.ts';
import { abbreviated, claim, type Telling } from './narrator.ts';
import { type Acting, type Scene, sayWhenWaiting, tellPages, tellWho } from './scene.ts';
import { inWholeSeconds } from './turns.ts';

/** With what it has already: the tool wants both. */
const SCOPE = 'orders:read orders:refund';
const REASON = 'Order 1003 came broken: the customer asks for the money back';

/** A request that waits. */
interface Asked {
  readonly id: string;
  /** A secret: it is never shown whole. */
  readonly code: string;
  readonly bindingCode: string;
  readonly seconds: number;
}

/** What was got by it. */
interface Granted {
  readonly token: string;
  readonly elevation: Elevation;
}

/**
 * The agent asks for more than Alice lets it do, and she countersigns that once, for a minute: from the request to its end.
 *
 * @returns what the trail has of it, which was told
 * @throws {StepFailed}
 */
export async function tellOfCountersigning(scene: Scene, acting: Acting): Promise<ReadonlySet<string>> {
  const startedAt = scene.stage.clock.now();
  const asked = await tellOfAsking(scene, acting);
  const decided = await tellOfApproval(scene, acting, asked);
  const token = await tellOfRedemption(scene, decided);
  const elevation = await getElevation(scene, decided.id);
  await tellOfCountersignedCall(scene, acting, { token, elevation });
  await tellOfReuse(scene, decided);
  await tellOfItsEnd(scene, { token, elevation });
  return tellOfItsTrail(scene, decided, startedAt);
}

async function tellOfAsking(scene: Scene, { delegation }: Acting): Promise<Asked> {
  const { narrator, delegated } = scene;
  return narrator.step(
    'It asks for more, says why, and is told to wait: 400 authorization_pending',
    async tell => {
      const asked = await ask(scene, delegation.id, tell);
      await outcomeOf(delegated.poll(asked.code));
      const polled = takeAnswer(scene);
      claim(polled?.status === 400, `asking on was answered with ${polled?.status}`);
      claim(polled.error === 'authorization_pending', `asking on: the error is ${polled.error}`);
      tell.exchange(polled, 'nobody has decided yet');
      return asked;
    },
  );
}

/** By the exchange that was refused before, and three parameters more. */
async function ask(scene: Scene, delegationId: string, tell: Telling): Promise<Asked> {
  const { stage, delegated } = scene;
  // A minute is over soon where the clock can be moved, and too soon on a busy machine where it cannot.
  const seconds = stage.clock.movable ? 60 : 600;
  const more = { completion_mode: 'deferred', reason: REASON, duration: String(seconds) };
  const outcome = await outcomeOf(delegated.exchange(delegationId, SCOPE, more));
  claim(!outcome.isDone, `it was given a token for ${SCOPE} at once`);
  const answer = takeAnswer(scene);
  claim(answer?.status === 400, `it was answered with ${answer?.status}`);
  claim(answer.error === 'authorization_pending', `the error is ${answer.error}`);
  const {
    deferral_code: code,
    binding_code: bindingCode,
    expires_in: expiresIn,
    interval,
  } = answer.json ?? {};
  claim(typeof code === 'string' && typeof bindingCode === 'string', 'it has nothing to ask on by');
  claim(typeof expiresIn === 'number' && typeof interval === 'number', 'it does not know how to ask on');
  const events = (await stage.server.store.readNewest(50)).map(readEvent);
  const event = events.find(
    ({ type, detail }) => type === 'elevation.asked' && detail?.['bindingCode'] === bindingCode,
  );
  claim(event?.target !== undefined, 'the trail does not have that it asked');
  tell.exchange(answer, 'grant: token-exchange');
  tell.fact('scope', SCOPE);
  tell.fact('asks', `completion_mode=deferred, duration=${seconds}`);
  tell.fact('reason', REASON);
  tell.fact(
    'gets',
    `a deferral code, ${abbreviated(code)}: good for ${expiresIn} s, to poll with each ${interval} s`,
  );
  tell.fact('shows', `${bindingCode}: whoever decides compares it with the card`);
  return { id: event.target, code, bindingCode, seconds };
}

async function tellOfApproval(scene: Scene, acting: Acting, first: Asked): Promise<Asked> {
  const { stage, narrator, turns } = scene;
  const { alice, server } = stage;
  for (let asked = first; ; ) {
    const statusNow = async () => statusOf(await getElevation(scene, asked.id), stage.clock.now());
    const by = await turns.take({
      title: 'Your turn: countersign what the agent asks for',
      facts: [
        ['open', `${server.issuer}/approvals`],
        ['compare', `${asked.bindingCode}, which the agent shows, with the code on the card`],
        [
          'Enter',
          'prints a one-time code, another one than that of the sign-in; pressed again, the demo countersigns for her',
        ],
      ],
      needsCode: true,
      isDone: async () => (await statusNow()) !== 'pending',
    });
    const status = await statusNow();
    if (status !== 'pending' && status !== 'approved') {
      const refused = asked;
      asked = await narrator.step(
        `Nothing comes of that request, which is ${status}: it asks anew`,
        async tell => {
          await outcomeOf(scene.delegated.poll(refused.code));
          const answer = takeAnswer(scene);
          claim(answer?.status === 400, `asking on was answered with ${answer?.status}`);
          tell.exchange(answer);
          tell.fact('says', answer.errorDescription ?? '');
          return ask(scene, acting.delegation.id, tell);
        },
      );
      continue;
    }
    await narrator.step('Alice sees one card, and countersigns exactly that with a new code', async tell => {
      if (by === 'demo') {
        sayWhenWaiting(stage, tell);
        const inbox = await alice.openInbox();
        const waiting = waitingOn(inbox.text);
        claim(
          waiting.length === 1 && waiting[0] === asked.id,
          `${waiting.length} requests wait for her, or another one`,
        );
        tellCard(scene, acting, asked, (await alice.browser.open(`/approvals/${asked.id}`)).text, tell);
        const page = await alice.approve(asked.id);
        tellPages(stage, tell);
        claim(page.status === 200, `her approval was answered with ${page.status}`);
      }
      const { status: now, approval } = await getElevation(scene, asked.id);
      claim(now === 'approved' && approval?.by === OWNER_ID, `nobody has countersigned it: it is ${now}`);
      const events = (await server.store.readNewest(50)).map(readEvent);
      const shown = events.find(({ type, target }) => type === 'elevation.displayed' && target === asked.id);
      claim(shown?.detail?.['digest'] === approval.digest, 'she approved something else than she was shown');
      tell.fact('approved', `SHA-256 ${abbreviated(approval.digest)}, as it was shown`);
      tell.fact('until', new Date(approval.expiresAt).toISOString());
      tellWho(tell, by);
    });
    return asked;
  }
}

/** Everything that somebody has to know stands on the card. */
function tellCard(
  { stage }: Scene,
  { delegation }: Acting,
  { bindingCode, seconds }: Asked,
  page: string,
  tell: Telling,
): void {
  const { says, facts, rows, risk, before, reason, bindingCode: shown } = readCard(page);
  const stands = (label: string, ...parts: readonly string[]) => {
    const value = facts.get(label) ?? '';
    for (const part of parts)
      claim(value.includes(part), `the card says "${label}: ${value}", without ${part}`);
  };
  const span = seconds === 60 ? '1 minute' : `${seconds / 60} minutes`;
  claim(says === `Shopkeeper wants to do this for you at Orders, for ${span}:`, `the card says "${says}"`);
  stands('Agent', 'Shopkeeper', SHOPKEEPER_ID);
  stands('Who answers for it', 'You, Alice Owner', OWNER_ID);
  stands('For whom', 'You, Alice Owner', delegation.id);
  stands('Where', 'Orders', delegation.resource);
  stands('How long', `${span} from your approval`);
  claim(risk === 'High risk', `the card calls the risk "${risk}"`);
  const rowOf = (sentence: string) => rows.find(({ what }) => what.startsWith(sentence));
  const [has, asks] = [rowOf(READ_ORDERS), rowOf(GIVE_MONEY_BACK)];
  claim(
    rows.length === 2 && has?.now === 'Yes' && has.then === 'Yes',
    'the card does not say what it has now',
  );
  claim(asks?.now === 'No' && asks.then === '+ Yes, new', 'the card does not say what it asks');
  claim(/agent’s own words.*Nobody has checked them/.test(before), 'the card takes the reason for its own');
  claim(reason === REASON, `the card has another reason: ${reason}`);
  claim(shown === bindingCode, `the card shows ${shown}, and the agent ${bindingCode}`);
  tell.fact('her page', `${stage.server.issuer}/approvals`);
  tell.fact('card', says);
  tell.fact('has now', READ_ORDERS);
  tell.fact('asks', `${GIVE_MONEY_BACK} (${risk.toLowerCase()})`);
  tell.fact('why', `"${reason}" (its own words, unchecked)`);
  tell.fact('code', `${shown}, as the agent shows it`);
}

async function tellOfRedemption(scene: Scene, { id, code, seconds }: Asked): Promise<string> {
  const { narrator, delegated } = scene;
  return narrator.step("The agent's next poll has the token", async tell => {
    const answer = await delegated.poll(code);
    const polled = takeAnswer(scene);
    const { approval } = await getElevation(scene, id);
    claim(answer.scope === SCOPE, `its scope is ${answer.scope}`);
    const { expires_in: lives = 0 } = answer;
    claim(lives > 0 && lives <= seconds, `it lives ${lives} s`);
    claim(/^cs_at_/.test(answer.access_token), 'there is no token');
    if (polled) tell.exchange(polled, 'grant: deferred');
    tell.fact('token', abbreviated(answer.access_token));
    tell.fact('scope', answer.scope);
    tell.fact('until', `${new Date(approval?.expiresAt ?? 0).toISOString()}, as approved: ${lives} s`);
    return answer.access_token;
  });
}

async function tellOfCountersignedCall(
  { stage, narrator, delegated }: Scene,
  { delegation }: Acting,
  { token, elevation }: Granted,
): Promise<void> {
  await narrator.step('The call works; the MCP server is told who countersigned it', async tell => {
    stage.takeIntrospections();
    stage.takePrinted();
    const answer = await delegated.callTool(token, 'refund_order', { number: '1003' });
    claim(answer === 'Order 1003: refunded', `the tool answered ${answer}`);
    delegated.takeExchanges();
    const asked = stage.takeIntrospections().at(-1);
    const { active, sub, act, scope, exp, delegation_id: delegationId, approval } = asked?.json ?? {};
    claim(asked?.form?.get('token') === token && active === true, 'it was told something else');
    claim(sub === OWNER_ID, `its subject is ${sub}`);
    claim(JSON.stringify(act) === JSON.stringify({ sub: SHOPKEEPER_ID }), `act is ${JSON.stringify(act)}`);
    claim(delegationId === delegation.id, `its delegation is ${delegationId}`);
    claim(scope === SCOPE, `its scope is ${scope}`);
    const { at = 0, digest = '', expiresAt = 0 } = elevation.approval ?? {};
    claim(
      exp === Math.floor(expiresAt / 1_000),
      `it ends at ${exp}, and was approved until ${expiresAt / 1_000}`,
    );
    const told = (approval ?? {}) as Readonly<Record<string, unknown>>;
    for (const [member, expected] of Object.entries({
      id: elevation.id,
      by: OWNER_ID,
      amr: COUNTERSIGNED_AMR,
      acr: COUNTERSIGNED_ACR,
      auth_time: Math.floor(at / 1_000),
      digest,
    })) {
      const value = JSON.stringify(told[member]);
      claim(value === JSON.stringify(expected), `approval.${member} is ${value}`);
    }
    tell.exchange(asked, 'asked by Orders');
    tell.fact('sub', `${sub} (Alice)`);
    tell.fact('act', JSON.stringify(act));
    tell.fact('scope', String(scope));
    tell.fact('approval', `id ${told['id']}`);
    tell.fact('', `by ${told['by']} (Alice)`);
    tell.fact('', `amr ${COUNTERSIGNED_AMR.join(' ')}, auth_time ${told['auth_time']}`);
    tell.fact('', `acr ${told['acr']}`);
    tell.fact('', `digest ${abbreviated(digest)}, of what she was shown`);
    const [line, ...others] = stage.takePrinted();
    claim(others.length === 0, 'the MCP server was called more than once');
    const expected = `refund_order, for ${OWNER_ID}, by ${SHOPKEEPER_ID}, countersigned by ${OWNER_ID}`;
    claim(line === expected, `the MCP server printed "${line}"`);
    tell.fact('it prints', line);
    tell.fact('answer', answer);
  });
}

async function tellOfReuse(scene: Scene, { code }: Asked): Promise<void> {
  const { stage, narrator, delegated } = scene;
  await narrator.step('Fetched again, by another agent, with the same one-time code: refused', async tell => {
    const again = await outcomeOf(delegated.poll(code));
    claim(!again.isDone, 'it was given a token a second time');
    const second = takeAnswer(scene);
    claim(second?.error === 'invalid_grant', `a second poll was answered with ${second?.error}`);
    tell.exchange(second, 'was fetched already');

    const { id, secret } = stage.reporter;
    const other = await request(
      `${stage.server.issuer}/token`,
      {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${id}:${secret}`)}` },
        body: new URLSearchParams({ grant_type: DEFERRED_GRANT_TYPE, deferral_code: code }),
      },
      stage.via.agent,
    );
    claim(other.error === 'invalid_grant', `another agent was answered with ${other.status} ${other.error}`);
    tell.exchange(other, 'the Reporter asks by it');

    const { server, alice, via } = stage;
    const tried = await alice.tryUsedCode(server.issuer, via.browser);
    claim(tried?.status === 401, `the same one-time code was answered with ${tried?.status}`);
    const refusal = (await server.store.readNewest(20))
      .map(readEvent)
      .find(({ type, target }) => type === 'person.factor-refused' && target === OWNER_ID);
    claim(refusal?.reason === 'code-used', `it was refused for another cause: ${refusal?.reason}`);
    tell.exchange(tried, 'the same one-time code');
  });
}

async function tellOfItsEnd(scene: Scene, { token, elevation }: Granted): Promise<void> {
  const { stage, narrator, delegated } = scene;
  const { alice, clock } = stage;
  const title = clock.movable
    ? 'Its minute is over: the token is dead'
    : 'She takes it back: the token is dead';
  await narrator.step(title, async tell => {
    if (clock.movable) {
      const ms = Math.max(0, (elevation.approval?.expiresAt ?? 0) + 1_000 - clock.now());
      clock.movable.pass(ms);
      tell.fact('clock', `the demo moved its server's clock on ${inWholeSeconds(ms)}, past the end`);
    } else {
      tell.fact('clock', 'cannot be moved here, so it is not shown that its time ends it');
      sayWhenWaiting(stage, tell);
      await alice.takeBack(elevation.id);
      tellPages(stage, tell);
    }
    stage.takeIntrospections();
    const outcome = await outcomeOf(delegated.callTool(token, 'refund_order', { number: '1004' }));
    claim(!outcome.isDone, `the tool answered ${outcome.text}`);
    const refused = delegated.takeExchanges().find(({ url }) => url.pathname === '/mcp');
    claim(refused?.status === 401, `it was answered with ${refused?.status}`);
    const asked = stage.takeIntrospections().at(-1);
    claim(JSON.stringify(asked?.json) === '{"active":false}', 'the MCP server was told something else');
    tell.exchange(asked ?? refused, '{"active":false}');
    tell.exchange(refused, 'the same token');
  });
}

async function tellOfItsTrail(
  { stage, narrator }: Scene,
  { id }: Asked,
  startedAt: number,
): Promise<ReadonlySet<string>> {
  const { server, clock } = stage;
  return narrator.step('The audit trail tells ask, display, decision, redemption and end', async tell => {
    const read = async () =>
      [...(await server.store.readNewest(1_000))].reverse().filter(row => readEvent(row).at >= startedAt);
    const end = clock.movable ? 'elevation.ended' : 'elevation.revoked';
    const isEnd = ({ type, target }: AuditEvent) => type === end && target === id;
    // Whoever looks for what is over comes by now and then.
    await clock.movable?.until(async () => (await read()).map(readEvent).some(isEnd));
    const rows = await read();
    for (const row of rows) tell.line(describeRow(row, stage, narrator.colours));
    const events = rows.map(readEvent);
    let after = 0;
    for (const type of [
      'elevation.asked',
      'elevation.displayed',
      'elevation.approved',
      'elevation.redeemed',
      end,
    ]) {
      const found = events.findIndex(
        (event, index) => index >= after && event.type === type && event.target === id,
      );
      claim(found !== -1, `it has no ${type} where it belongs`);
      after = found + 1;
    }
    const redeemed = events.filter(({ type, target }) => type === 'elevation.redeemed' && target === id);
    claim(redeemed.length === 1, `it has ${redeemed.length} redemptions`);
    const refusals = ['elevation-redeemed', 'elevation-code-unknown', 'code-used'];
    for (const reason of refusals) {
      claim(
        events.some(event => event.reason === reason),
        `it has no refusal for ${reason}`,
      );
    }
    const report = await verifyTrail(storeTrail(server.store));
    claim(report.isIntact, 'the chain is broken');
    tell.fact('verified', `${report.rows} rows, each chained to the one before by SHA-256`);
    return new Set(rows.map(({ hash }) => hash));
  });
}

/** What the token endpoint answered last. */
function takeAnswer({ delegated }: Scene): Exchange | undefined {
  return delegated.takeExchanges().findLast(({ url }) => url.pathname === '/token');
}

async function getElevation({ stage }: Scene, id: string): Promise<Elevation> {
  const elevation = await stage.server.store.findElevation(id);
  claim(elevation !== undefined, 'the store does not have what was asked for');
  return elevation;
}

/** One that nobody decided in time is over before that is recorded. */
function statusOf({ status, decideBy }: Elevation, now: number): Elevation['status'] {
  return status === 'pending' && now >= decideBy ? 'expired' : status;
}
