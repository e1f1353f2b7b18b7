import { SHOPKEEPER_ID } from '../../../seed/demo-world.ts';
import { rowsOf, storeTrail, type Trail, verifyTrail } from '../../audit/index.ts';
import { describeRow, readEvent } from './audit-line.ts';
import { administratorHeaders, callBare, outcomeOf, request } from './bare-calls.ts';
import type { Exchange } from './exchange.ts';
import { abbreviated, claim, type Narrator } from './narrator.ts';
import { ShopAgent } from './shop-agent.ts';
import type { Scenery } from './stage.ts';

/**
 * An agent that works by itself, from its first token to the kill.
 *
 * @returns the token that died with the kill
 * @throws {StepFailed} at the first step that did something else than it says
 */
export async function tellOfAgentByItself(stage: Scenery, narrator: Narrator): Promise<string> {
  const startedAt = Date.now();
  const { orders, server, shopkeeper } = stage;
  const agent = new ShopAgent(orders.url, shopkeeper, stage.via.agent);
  let token = '';
  try {
    await narrator.step('The agent finds its way and signs in with its own key', async tell => {
      await agent.connect();
      const exchanges = agent.takeExchanges();
      const remarks: Readonly<Record<string, string>> = {
        '/mcp 401': 'no token yet',
        '/.well-known/oauth-protected-resource/mcp 200': 'whom to ask (RFC 9728)',
        '/.well-known/oauth-authorization-server 200': 'how to ask (RFC 8414)',
        '/token 200': 'private_key_jwt, ES256',
        '/mcp 200': 'connected',
      };
      for (const exchange of exchanges) tell.exchange(exchange, remarks[keyOf(exchange)]);
      const request = exchanges.find(exchange => keyOf(exchange) === '/token 200');
      claim(request?.form?.has('client_assertion') === true, 'it was given a token without an assertion');
      claim(!request.form.has('client_secret'), 'it sent a secret');
    });

    await narrator.step('Its token is narrow: one audience, one scope, five minutes', async tell => {
      const { access_token: value = '', scope, expires_in: seconds } = agent.tokens ?? {};
      token = value;
      claim(/^cs_at_/.test(token), 'there is no token');
      claim(scope === 'orders:read', `its scope is ${scope}`);
      claim(seconds === 300, `it lives ${seconds} s`);
      tell.fact('token', `${abbreviated(token)} (never shown whole)`);
      tell.fact('audience', orders.url.href);
      tell.fact('scope', `${scope} (its baseline; its envelope has three)`);
      tell.fact('lives', `${seconds} s`);
    });

    await narrator.step('The MCP server verifies it by introspection (RFC 7662)', async tell => {
      const asked = stage.takeIntrospections().at(-1);
      const { active, sub, aud, scope, exp } = asked?.json ?? {};
      claim(asked?.form?.get('token') === token, 'it asked about another token, or about none');
      claim(active === true, 'the token is not active');
      claim(sub === SHOPKEEPER_ID, `its subject is ${sub}`);
      claim(aud === orders.url.href, `its audience is ${aud}`);
      claim(scope === 'orders:read', `its scope is ${scope}`);
      claim(typeof exp === 'number' && exp > Date.now() / 1000, 'it has no end, or has ended');
      tell.exchange(asked, 'asked by Orders');
      for (const [member, value] of Object.entries(asked.json ?? {})) {
        tell.fact(member, member === 'jti' ? abbreviated(String(value)) : String(value));
      }
    });

    await narrator.step('A tool call within its scope works', async tell => {
      const answer = await agent.callTool('find_order', { number: '1001' });
      claim(answer.includes('1001'), `the tool answered ${answer}`);
      for (const exchange of agent.takeExchanges()) tell.exchange(exchange, 'find_order');
      tell.fact('answer', answer);
    });

    await narrator.step('Without a token, or with a made-up one: 401', async tell => {
      for (const [value, remark] of [
        [undefined, 'no token'],
        [`cs_at_${'x'.repeat(48)}`, 'a made-up token'],
      ] as const) {
        const exchange = await callBare(orders.url, value);
        claim(exchange.status === 401, `${remark} was answered with ${exchange.status}`);
        claim(exchange.error === 'invalid_token', `${remark} was answered with ${exchange.error}`);
        tell.exchange(exchange, remark);
      }
    });

    await narrator.step('A tool beyond its scope: 403 insufficient_scope', async tell => {
      const outcome = await outcomeOf(agent.callTool('refund_order', { number: '1001' }));
      claim(!outcome.isDone, `the tool answered ${outcome.text}`);
      const exchanges = agent.takeExchanges().filter(exchange => exchange.status >= 400);
      for (const exchange of exchanges) tell.exchange(exchange);
      const [challenged, refused] = exchanges;
      claim(challenged?.status === 403, `it was answered with ${challenged?.status}`);
      claim(challenged.error === 'insufficient_scope', `the error is ${challenged.error}`);
      tell.fact('asks for', challenged.challengedScope ?? '');
      // The SDK asks for what it was challenged with; whether it gets it is for Countersign to say.
      claim(refused?.error === 'invalid_scope', `asking for more was answered with ${refused?.error}`);
      tell.fact('refused', refused.errorDescription?.split(';')[0] ?? '');
    });

    let killedAt = 0;
    await narrator.step('An administrator kills the agent: one call, one durable write', async tell => {
      const headers = await administratorHeaders(stage.administrator, 'kill');
      killedAt = performance.now();
      const exchange = await request(`${server.issuer}/api/v1/agents/${SHOPKEEPER_ID}/kill`, {
        method: 'POST',
        headers,
      });
      claim(exchange.status === 200, `the kill was answered with ${exchange.status}`);
      const status = exchange.json?.['status'];
      claim(status === 'suspended', `the agent is ${status}`);
      tell.exchange(exchange, `${(exchange.answeredAt - killedAt).toFixed(1)} ms`);
    });

    await narrator.step('Its very next call is refused', async tell => {
      const outcome = await outcomeOf(agent.callTool('find_order', { number: '1002' }));
      claim(!outcome.isDone, `the tool answered ${outcome.text}`);
      const [refused] = agent.takeExchanges();
      claim(refused?.status === 401, `it was answered with ${refused?.status}`);
      const asked = stage.takeIntrospections().at(-1);
      claim(JSON.stringify(asked?.json) === '{"active":false}', 'the MCP server was told something else');
      tell.exchange(asked ?? refused, '{"active":false}');
      tell.exchange(refused, 'the same token');
      const elapsed = `${(refused.answeredAt - killedAt).toFixed(1)} ms`;
      tell.fact('kill', `sent to call refused: ${narrator.colours.bold(elapsed)}`);
    });

    await narrator.step('It cannot come back with its key: 401 invalid_client', async tell => {
      const returning = new ShopAgent(orders.url, shopkeeper, stage.via.agent);
      const outcome = await outcomeOf(returning.connect());
      claim(!outcome.isDone && returning.tokens === undefined, 'it was let in again');
      const refused = returning.takeExchanges().find(({ url }) => url.pathname === '/token');
      claim(refused?.status === 401, `it was answered with ${refused?.status}`);
      claim(refused.error === 'invalid_client', `the error is ${refused.error}`);
      tell.exchange(refused);
      await returning.close();
    });

    await narrator.step('The audit trail has all of it, and its hash chain verifies', async tell => {
      const rows = [...(await server.store.readNewest(1_000))].reverse();
      const told = rows.filter(row => readEvent(row).at >= startedAt);
      for (const row of told) tell.line(describeRow(row, stage, narrator.colours));
      const types = told.map(row => `${readEvent(row).type} ${readEvent(row).reason ?? ''}`.trim());
      for (const expected of [
        'token.issued',
        'token.issue-refused needs-approval',
        'agent.killed',
        'client.authentication-refused client-not-enabled',
      ]) {
        claim(types.includes(expected), `it has no ${expected}`);
      }
      const trail = storeTrail(server.store);
      const report = await verifyTrail(trail);
      claim(report.isIntact, 'the chain is broken');
      tell.fact('verified', `${report.rows} rows, each chained to the one before by SHA-256`);
      const forged = await verifyTrail(withoutTheKill(trail));
      const firstBad = forged.lanes.find(lane => lane.firstBad)?.firstBad;
      claim(firstBad !== undefined, 'a changed row was not noticed');
      tell.fact('forged', `the kill rewritten as a restore: noticed at row ${firstBad.seq}, ${firstBad.why}`);
    });
    return token;
  } finally {
    await agent.close();
  }
}

function keyOf({ url, status }: Exchange): string {
  return `${url.pathname} ${status}`;
}

/** The trail as somebody would like it to be who had killed the agent and wants to hide it. The store is not touched. */
function withoutTheKill(trail: Trail): Trail {
  return {
    async *rows() {
      for await (const batch of trail.rows()) {
        yield rowsOf(batch).map(row => ({
          ...row,
          body: row.body.replace('"agent.killed"', '"agent.restored"'),
        }));
      }
    },
  };
}
