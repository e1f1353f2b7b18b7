import test from 'ava';
import fc from 'fast-check';
import { certainMoment } from '../../src/clock.ts';
import { type AgentExplanation, type ExplainDeps, explainAgent } from '../../src/explain/index.ts';
import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.ts';
import { SCOPE_TOKEN } from '../../src/oauth.ts';
import { type AskedToken, decideRequest, type IssueQuestion } from '../../src/tokens/index.ts';
import { anyQuestion, NOW } from '../support/issue-questions.ts';

/** Enough to find what is wrong today; a hundred times as many find what is rare. */
const RUNS = Number(process.env['COUNTERSIGN_TEST_REQUESTS'] ?? 10_000);
const SEED = Number(process.env['COUNTERSIGN_TEST_SEED'] ?? Date.now() % 1_000_000);

/** The world of a question, as the decision and the explanation read it. */
function depsOf({ agent, owner, resource, deploymentEpoch, signingKey, maxTtlSeconds }: IssueQuestion) {
  return {
    tokens: { epochs: { raisedTo: () => deploymentEpoch }, fresh: async () => undefined },
    agents: { findAgent: async () => agent },
    people: { findPerson: async () => owner },
    resources: {
      findResourceByIdentifier: async (identifier: string) =>
        resource?.identifier === identifier ? resource : undefined,
    },
    signer: { activeKey: async () => signingKey },
    catalogue: ERROR_CATALOGUE,
    maxTtlSeconds,
  } as unknown as ExplainDeps;
}

/** What a reader of the explanation would say that the request comes to. */
function expected({ agent }: IssueQuestion, asked: AskedToken, { resources }: AgentExplanation): string {
  if (agent.dpop === 'required' && asked.proofKey === undefined) return 'refuse';
  const identifier = asked.resources[0] ?? agent.defaultResource;
  const at = resources.find(({ resource }) => resource === identifier);
  if (!at) return 'refuse';
  if (asked.scope === undefined) return at.withoutScope.outcome;
  const names = asked.scope.split(' ');
  if (!names.every(name => SCOPE_TOKEN.test(name))) return 'refuse';
  const outcomes = names.map(name => at.scopes.find(({ scope }) => scope === name)?.outcome ?? 'refuse');
  return (['refuse', 'needs-approval'] as const).find(each => outcomes.includes(each)) ?? 'issue';
}

test('of no random request does an explanation say anything else than what is decided', async t => {
  t.log(`seed ${SEED}`);
  const met = { issue: 0, 'needs-approval': 0, refuse: 0 };
  await fc.assert(
    fc.asyncProperty(anyQuestion, async question => {
      const deps = depsOf(question);
      const asked = {
        resources: question.requestedResource === undefined ? [] : [question.requestedResource],
        scope: question.requestedScope,
        proofKey: question.proofKey,
      };
      const { decision } = await decideRequest(deps, question.agent, asked, certainMoment(NOW));
      const explanation = await explainAgent(deps, question.agent.id, certainMoment(NOW));
      met[decision.outcome] += 1;
      if (expected(question, asked, explanation) !== decision.outcome) {
        throw new Error(`${decision.outcome}: ${JSON.stringify({ question, explanation })}`);
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
  t.log(met);
  // The rarest is about one in 150.
  t.true(Math.min(...Object.values(met)) > 10, JSON.stringify(met));
});
