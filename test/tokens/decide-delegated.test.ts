/** The one decision under a person's standing permission, by itself: what no request alone can bring about. */
import test from 'ava';
import fc from 'fast-check';
import type { Agent } from '../../src/agents/index.ts';
import { delegatedScopes } from '../../src/delegation/index.ts';
import { lineageOf } from '../../src/liveness.ts';
import type { Resource } from '../../src/resources/index.ts';
import { decideIssue, type IssueQuestion, type Standing } from '../../src/tokens/index.ts';
import { anyOwner, anyQuestion, anyResource, NOW, RESOURCES, SCOPES } from '../support/issue-questions.ts';

/** Mostly the good value: a question needs many of them at once before a token comes of it. */
const mostly = <T>(good: T, ...others: T[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(good) },
    ...others.map(other => ({ weight: 1, arbitrary: fc.constant(other) })),
  );
const someScopes = fc.oneof(fc.constant<string[]>([...SCOPES]), fc.subarray<string>([...SCOPES]));

const anyStanding: fc.Arbitrary<Standing> = fc.record({
  id: fc.constant('dlg_1'),
  status: mostly<Standing['status']>('active', 'suspended', 'expired', 'ended'),
  agentId: mostly('agt_1', 'agt_2'),
  mayActNext: mostly(['agt_1'], ['agt_3'], []),
  resourceId: mostly('res_1', 'res_2'),
  resource: mostly<string>(...RESOURCES),
  scopes: someScopes,
  expiresAt: fc.integer({ min: NOW - 2_000, max: NOW + 400_000 }),
  token: fc.option(
    fc.record({
      actors: mostly(
        ['agt_1'],
        ['agt_1', 'agt_2'],
        ['agt_2'],
        ['agt_2', 'agt_1'],
        ['agt_2', 'agt_3', 'agt_4'],
        ['agt_2', 'agt_3', 'agt_4', 'agt_5'],
      ),
      resourceId: mostly('res_1', 'res_2'),
      scopes: someScopes,
      expiresAt: fc.integer({ min: NOW / 1_000 + 1, max: NOW / 1_000 + 400 }),
      lineage: fc.constant(lineageOf(['tok_1:0', 'agt_2:4', 'agt_1:1'])),
      boundTo: mostly<string | undefined>(undefined, 'a thumbprint', 'another one'),
    }),
    { nil: undefined },
  ),
  actorToken: fc.option(
    fc.record({
      expiresAt: fc.integer({ min: NOW / 1_000 + 1, max: NOW / 1_000 + 400 }),
      lineage: fc.constant(lineageOf(['tok_2:0', 'agt_1:1'])),
      boundTo: mostly<string | undefined>(undefined, 'a thumbprint', 'another one'),
    }),
    { nil: undefined },
  ),
});

const risky: fc.Arbitrary<Resource> = fc
  .tuple(anyResource, mostly<string[]>([], ['read'], ['write', 'delete']))
  .map(([resource, high]) => ({
    ...resource,
    scopes: resource.scopes.map(scope => ({
      ...scope,
      risk: high.includes(scope.name) ? 'high' : 'low',
    })),
  }));

const delegated: fc.Arbitrary<IssueQuestion & { readonly standing: Standing }> = fc
  .tuple(anyQuestion, anyStanding, risky, anyOwner)
  .map(([question, standing, resource, owner]) => ({
    ...question,
    resource,
    owner: { ...owner, status: 'active' },
    standing,
    delegation: { subject: 'usr_2', lineage: ['usr_2:7', 'dlg_1:3'], standing },
  }));

test('I2, I9: a delegated token is within everything that it rests on, and says so', t => {
  let issued = 0;
  fc.assert(
    fc.property(delegated, ({ standing, ...question }) => {
      const decision = decideIssue(question);
      if (decision.outcome === 'refuse') return;
      if (decision.outcome !== 'issue') return t.fail('nobody countersigns for what a person has let it do');
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
