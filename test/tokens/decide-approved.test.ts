/** The one decision with what somebody has countersigned, against what may come of it at the most. */
import test from 'ava';
import fc from 'fast-check';
import type { Agent } from '../../src/agents/index.ts';
import type { Resource } from '../../src/resources/index.ts';
import { type Approved, decideIssue, type IssueQuestion } from '../../src/tokens/index.ts';
import { anyQuestion, delegatedQuestion, NOW, SCOPES } from '../support/issue-questions.ts';

const RUNS = 20_000;

/** Mostly the good value: a question needs many of them at once before a token comes of it. */
const mostly = <T>(good: T, ...others: T[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(good) },
    ...others.map(other => ({ weight: 1, arbitrary: fc.constant(other) })),
  );

/** Somebody's countersignature for a question: mostly one that is for it. */
function approvalFor({ agent, delegation, resource, proofKey }: IssueQuestion): fc.Arbitrary<Approved> {
  return fc
    .record({
      by: mostly(delegation?.subject ?? agent.ownerId, 'usr_9', agent.id),
      subject: mostly(delegation?.subject ?? agent.id, 'usr_9'),
      resourceId: mostly(resource?.id ?? 'res_1', 'res_9'),
      scopes: fc.oneof(fc.constant([...SCOPES]), fc.subarray([...SCOPES])),
      expiresAt: fc.integer({ min: NOW - 2_000, max: NOW + 900_000 }),
      proofKey: mostly(proofKey, undefined, 'a third key'),
    })
    .map(fields => ({
      ...fields,
      id: 'elv_1',
      lineage: 'elv_1:0 crd_1:4',
      claim: {
        id: 'elv_1',
        by: fields.by,
        amr: ['pwd', 'otp', 'mfa'],
        acr: 'urn:countersign:acr:countersigned',
        auth_time: 1,
        digest: 'd',
      },
    }));
}

/** What an agent has without being countersigned, and what it could ever have, by the records alone. */
function reference({ agent, delegation, resource }: IssueQuestion) {
  const { identifier, scopes } = resource as Resource;
  const listed = (list: Agent['envelope']) => list.find(entry => entry.resource === identifier)?.scopes ?? [];
  const catalogue = scopes.map(({ name }) => name);
  const most = listed(agent.envelope).filter(scope => catalogue.includes(scope));
  const standing = delegation?.standing;
  const low = scopes.filter(({ risk }) => risk !== 'high').map(({ name }) => name);
  const source = standing
    ? standing.scopes.filter(scope => low.includes(scope))
    : delegation
      ? []
      : listed(agent.baseline);
  return { most, source: source.filter(scope => most.includes(scope)) };
}

const anyAsked = fc
  .oneof(anyQuestion, delegatedQuestion)
  .chain(question => fc.tuple(fc.constant(question), approvalFor(question), fc.boolean()))
  // As when it is fetched: what is asked is what was approved.
  .map(([question, approval, isFetched]): readonly [IssueQuestion, Approved] => [
    isFetched && approval.scopes.length > 0
      ? { ...question, requestedScope: approval.scopes.join(' ') }
      : question,
    approval,
  ]);

test('I2: beyond the source are only the scopes of one approved elevation, inside the envelope, by whoever may approve', t => {
  let issued = 0;
  let raised = 0;
  fc.assert(
    fc.property(anyAsked, ([question, approval]) => {
      const decision = decideIssue({ ...question, approval });
      if (decision.outcome !== 'issue') return;
      issued += 1;
      const { agent, delegation } = question;
      const resource = question.resource as Resource;
      const { most, source } = reference(question);
      for (const scope of decision.scopes) {
        t.true(most.includes(scope), 'inside the envelope');
        t.true(source.includes(scope) || approval.scopes.includes(scope), 'beyond it only what was approved');
      }
      if (decision.scopes.some(scope => !source.includes(scope))) raised += 1;
      // Whose, where, by whom, and with which key.
      t.is(approval.by, delegation ? 'usr_2' : agent.ownerId);
      t.deepEqual([delegation?.standing?.token, delegation?.standing?.actorToken], [undefined, undefined]);
      t.is(decision.subject, approval.subject);
      t.is(resource.id as string, approval.resourceId);
      t.is(question.proofKey, approval.proofKey);
      t.is(resource.tokenFormat.kind, 'opaque');
      t.is(decision.signingKeyId, undefined);
      // Until when: what was approved, and no cap besides.
      t.true(decision.expiresAt > decision.issuedAt);
      const ends = [approval.expiresAt, agent.expiresAt, delegation?.standing?.expiresAt];
      const end = Math.min(...ends.map(each => Math.floor((each ?? Number.POSITIVE_INFINITY) / 1_000)));
      t.is(decision.expiresAt, end);
      // What it dies with, and what it says.
      for (const handle of ['elv_1:0', 'crd_1:4', `agt_1:${agent.epoch}`, `usr_1:${question.owner?.epoch}`]) {
        t.true((decision.lineage as readonly string[]).includes(handle), handle);
      }
      t.deepEqual(decision.approval, approval.claim);
    }),
    { numRuns: RUNS },
  );
  t.true(issued > 50 && raised > 10, `only ${issued} tokens, ${raised} of them beyond the source`);
});

test('what could be countersigned is beyond the source and inside the envelope, and it is said by whom', t => {
  let met = 0;
  fc.assert(
    fc.property(fc.oneof(anyQuestion, delegatedQuestion), question => {
      const decision = decideIssue(question);
      if (decision.outcome !== 'needs-approval') return;
      met += 1;
      const { most, source } = reference(question);
      for (const scope of decision.scopes) t.true(most.includes(scope));
      t.deepEqual(
        decision.beyond,
        decision.scopes.filter(scope => !source.includes(scope)),
      );
      t.true(decision.beyond.length > 0);
      t.is(decision.approver, question.delegation ? 'usr_2' : question.agent.ownerId);
      // Once it is countersigned, by them and for all of it, it is issued where tokens are opaque.
      const resource = question.resource as Resource;
      const again = decideIssue({
        ...question,
        approval: {
          id: 'elv_1',
          by: decision.approver ?? '',
          subject: decision.subject,
          resourceId: resource.id,
          scopes: decision.scopes,
          expiresAt: NOW + 60_000,
          proofKey: question.proofKey,
          lineage: 'elv_1:0',
          claim: { id: 'elv_1', by: '', amr: [], acr: '', auth_time: 1, digest: '' },
        },
      });
      const isOpaque = resource.tokenFormat.kind === 'opaque';
      t.is(again.outcome, isOpaque ? 'issue' : 'refuse');
      if (again.outcome === 'issue') t.deepEqual(again.scopes, decision.scopes, 'all of it, as it was shown');
    }),
    { numRuns: RUNS },
  );
  t.true(met > 100, `only ${met}`);
});
