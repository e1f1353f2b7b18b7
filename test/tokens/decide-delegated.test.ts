/** The one decision under a person's standing permission, by itself: what no request alone can bring about. */
import test from 'ava';
import fc from 'fast-check';
import type { Agent } from '../../src/agents/index.ts';
import { delegatedScopes } from '../../src/delegation/index.ts';
import type { Resource } from '../../src/resources/index.ts';
import { decideIssue } from '../../src/tokens/index.ts';
import { delegatedQuestion } from '../support/issue-questions.ts';

test('I2, I9: a delegated token is within everything that it rests on, and says so', t => {
  let issued = 0;
  fc.assert(
    fc.property(delegatedQuestion, ({ standing, ...question }) => {
      const decision = decideIssue(question);
      if (decision.outcome === 'refuse') return;
      if (decision.outcome === 'needs-approval') {
        // Beyond what the person has let it do they alone can countersign, and for nothing that would be dead before that.
        t.deepEqual(
          [decision.approver, standing.token, standing.actorToken],
          ['usr_2', undefined, undefined],
        );
        return;
      }
      issued += 1;
      const { agent, resource } = question as { agent: Agent; resource: Resource };
      const { token, actorToken } = standing;
      t.is(standing.status, 'active');
      t.is(decision.subject, 'usr_2');
      // Where.
      t.deepEqual([standing.resourceId, token?.resourceId ?? resource.id], [resource.id, resource.id]);
      t.is(resource.identifier, standing.resource);
      // For what.
      const envelope = agent.envelope.find(entry => entry.resource === resource.identifier)?.scopes ?? [];
      for (const scope of decision.scopes) {
        t.true(envelope.includes(scope) && standing.scopes.includes(scope));
        t.true(token === undefined || token.scopes.includes(scope));
        t.is(resource.scopes.find(({ name }) => name === scope)?.risk, 'low');
      }
      t.true(decision.scopes.length > 0);
      if (question.requestedScope === undefined && !token) {
        t.deepEqual(
          decision.scopes,
          delegatedScopes(standing, agent, resource),
          'as its own capability has it',
        );
      }
      // Until when.
      t.true(decision.expiresAt > decision.issuedAt);
      t.true(decision.expiresAt * 1_000 <= standing.expiresAt);
      t.true(decision.expiresAt <= (token?.expiresAt ?? Number.POSITIVE_INFINITY));
      t.true(decision.expiresAt <= (actorToken?.expiresAt ?? Number.POSITIVE_INFINITY));
      // By whom.
      const before = token?.actors ?? [];
      t.is(decision.actors[0], agent.id);
      t.deepEqual(decision.actors.slice(before[0] === agent.id ? 0 : 1), before);
      t.is(new Set(decision.actors).size, decision.actors.length);
      t.true(decision.actors.length <= 4);
      t.true(
        standing.agentId === agent.id || (token !== undefined && standing.mayActNext.includes(agent.id)),
      );
      // With which key.
      for (const each of [token, actorToken]) {
        t.true(each?.boundTo === undefined || each.boundTo === question.proofKey);
      }
      // What it dies with.
      const lineage = decision.lineage as readonly string[];
      for (const handle of ['usr_2:7', 'dlg_1:3', `agt_1:${agent.epoch}`, `res_1:${resource.epoch}`])
        t.true(lineage.includes(handle), handle);
      for (const each of [token, actorToken]) {
        for (const handle of each?.lineage.split(' ') ?? []) t.true(lineage.includes(handle), handle);
      }
      t.is(new Set(lineage).size, lineage.length);
    }),
    { numRuns: 20_000 },
  );
  t.true(issued > 200, `only ${issued} of the questions led to a token`);
});
