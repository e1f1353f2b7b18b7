import test from 'ava';
import fc from 'fast-check';
import type { Agent } from '../../src/agents/index.ts';
import { certainMoment } from '../../src/clock.ts';
import { ADMIN_API_RESOURCE_ID } from '../../src/resources/index.ts';
import { decideIssue, type IssueQuestion } from '../../src/tokens/index.ts';
import {
  anyAgent,
  anyOwner,
  anyQuestion,
  anyResource,
  NOW,
  RESOURCES,
  SCOPES,
} from '../support/issue-questions.ts';

/** What may be issued at all, said as directly as possible: a set for each limit, and what is asked must be in all of them. */
function mayIssue(question: IssueQuestion): boolean {
  const { agent, owner, resource } = question;
  if (agent.status !== 'active' || (agent.expiresAt ?? Number.POSITIVE_INFINITY) < NOW + 1_000) return false;
  if (owner?.status !== 'active' || resource?.status !== 'active') return false;
  if (agent.dpop === 'required' && question.proofKey === undefined) return false;
  if (question.requestedResource === undefined && agent.defaultResource === undefined) return false;
  const at = (grant: Agent['envelope']) =>
    grant.find(entry => entry.resource === resource.identifier)?.scopes ?? [];
  const limits = [at(agent.envelope), at(agent.baseline), resource.scopes.map(scope => scope.name)];
  const everywhere = SCOPES.filter(scope => limits.every(limit => limit.includes(scope)));
  const asked = question.requestedScope?.split(' ') ?? everywhere;
  if (question.deploymentEpoch % 2 === 1) return false;
  const isSigned = resource.tokenFormat.kind === 'opaque' || question.signingKey !== undefined;
  return isSigned && asked.length > 0 && asked.every(scope => (everywhere as string[]).includes(scope));
}

test('I2: a token is issued exactly when every limit permits what is asked, and never for more', t => {
  let issued = 0;
  fc.assert(
    fc.property(anyQuestion, question => {
      const decision = decideIssue(question);
      t.is(decision.outcome === 'issue', mayIssue(question));
      if (decision.outcome !== 'issue') return;
      issued += 1;
      const { agent, resource } = question;
      const seconds = decision.expiresAt - decision.issuedAt;
      t.true(
        seconds > 0 && seconds <= question.maxTtlSeconds && seconds <= (resource?.accessTokenTtlSeconds ?? 0),
      );
      t.true(seconds <= (agent.accessTokenTtlSeconds ?? seconds));
      t.true(decision.expiresAt * 1000 <= (agent.expiresAt ?? Number.POSITIVE_INFINITY));
      if (resource?.tokenFormat.kind === 'jwt') t.true(seconds <= 300);
      t.deepEqual(decision.scopes, question.requestedScope?.split(' ') ?? decision.scopes);
    }),
    { numRuns: 20_000 },
  );
  t.true(issued > 200, `only ${issued} of the questions led to a token`);
});

test('I2: nobody administers this server by an application, whatever its envelope has said', t => {
  fc.assert(
    fc.property(
      anyQuestion.filter(question => mayIssue(question) && question.delegation === undefined),
      question => {
        const { agent, owner, resource } = question;
        if (!resource) return t.fail();
        const adminApi = { ...resource, id: ADMIN_API_RESOURCE_ID };
        t.is(decideIssue({ ...question, resource: adminApi }).outcome, 'issue', `${agent.id} for itself`);
        const delegation = { subject: owner?.id ?? '', lineage: [] };
        t.is(decideIssue({ ...question, delegation }).outcome, 'issue', 'for a person, elsewhere');
        const decision = decideIssue({ ...question, resource: adminApi, delegation });
        t.like(decision, { outcome: 'refuse', reason: 'resource-not-permitted' });
      },
    ),
    { numRuns: 100 },
  );
});

test('I7: the lineage carries the epoch, as read, of everything the token descends from', t => {
  fc.assert(
    fc.property(anyQuestion.filter(mayIssue), question => {
      const decision = decideIssue(question);
      if (decision.outcome !== 'issue') return t.fail();
      const { agent, owner, resource, deploymentEpoch } = question;
      const expected = [
        `agt_1:${agent.epoch}`,
        `usr_1:${owner?.epoch}`,
        `res_1:${resource?.epoch}`,
        `deployment:${deploymentEpoch}`,
      ];
      if (resource?.tokenFormat.kind === 'jwt') expected.push('key_1:0');
      t.deepEqual([...decision.lineage].sort(), expected.sort());
    }),
    { numRuns: 300 },
  );
});

test('what is beyond the baseline and within the envelope is told apart: a human could approve it', t => {
  const [agent] = fc.sample(anyAgent, { numRuns: 1, seed: 1 });
  const [resource] = fc.sample(anyResource, { numRuns: 1, seed: 1 });
  const [owner] = fc.sample(anyOwner, { numRuns: 1, seed: 1 });
  if (!agent || !resource || !owner) return t.fail();
  const { expiresAt: _end, dpop: _policy, ...unbounded } = agent;
  const question: IssueQuestion = {
    agent: {
      ...unbounded,
      status: 'active',
      envelope: [{ resource: RESOURCES[0], scopes: ['read', 'write'] }],
      baseline: [{ resource: RESOURCES[0], scopes: ['read'] }],
    },
    owner: { ...owner, status: 'active' },
    requestedResource: RESOURCES[0],
    resource: {
      ...resource,
      identifier: RESOURCES[0],
      status: 'active',
      tokenFormat: { kind: 'opaque' },
      scopes: SCOPES.map(name => ({ name, sentence: name, risk: 'low' })),
    },
    requestedScope: 'read write',
    maxTtlSeconds: 300,
    deploymentEpoch: 0,
    signingKey: undefined,
    proofKey: undefined,
    moment: certainMoment(NOW),
  };
  const decision = decideIssue(question);
  t.like(decision, {
    outcome: 'needs-approval',
    beyond: ['write'],
    detail: { sent: 'write', permitted: ['read'] },
  });
  t.like(decideIssue({ ...question, requestedScope: 'read delete' }), {
    outcome: 'refuse',
    reason: 'scope-beyond-envelope',
  });
  t.like(decideIssue({ ...question, requestedScope: 'unheard-of' }), {
    outcome: 'refuse',
    reason: 'scope-unknown',
  });
});

test('I18: ahead of the machine’s clock a JWT ends by that clock, and too far ahead nothing is issued', t => {
  let issued = 0;
  fc.assert(
    fc.property(anyQuestion.filter(mayIssue), fc.integer({ min: 1, max: 60_000 }), (question, leadMs) => {
      const decision = decideIssue({ ...question, moment: { ...question.moment, leadMs } });
      if (leadMs > 30_000) {
        t.like(decision, { outcome: 'refuse', reason: 'clock-ahead', detail: { retryAfterSeconds: 30 } });
        return;
      }
      if (decision.outcome !== 'issue') return t.fail(JSON.stringify(decision));
      issued += 1;
      const isJwt = question.resource?.tokenFormat.kind === 'jwt';
      t.is(decision.issuedAt, Math.floor((NOW - (isJwt ? leadMs : 0)) / 1_000));
    }),
    { numRuns: 200 },
  );
  t.true(issued > 20, `only ${issued}`);
});

test('I18: in doubt an agent has ended by the later time, and a token is dated by the earlier', t => {
  fc.assert(
    fc.property(anyQuestion.filter(mayIssue), fc.nat({ max: 7_200_000 }), (question, doubtMs) => {
      const latest = NOW + doubtMs;
      const decision = decideIssue({ ...question, moment: { ...question.moment, latest } });
      const hasEnded = (question.agent.expiresAt ?? Number.POSITIVE_INFINITY) <= latest;
      if (decision.outcome === 'issue') t.is(decision.issuedAt, NOW / 1_000);
      t.is(decision.outcome === 'refuse' && decision.reason === 'agent-expired', hasEnded);
    }),
    { numRuns: 500 },
  );
});
