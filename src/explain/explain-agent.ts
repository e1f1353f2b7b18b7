import { type Agent, agentStatus, getAgent } from '../agents/index.ts';
import type { Moment } from '../clock.ts';
import type { Person } from '../people/index.ts';
import { decideRequest } from '../tokens/index.ts';
import { type ExplainDeps, type ExplainedDecision, explainDecision } from './explain-request.ts';

/** What an agent may get of one scope. */
export interface ExplainedScope {
  readonly scope: string;
  readonly meaning?: string;
  readonly risk?: string;
  readonly outcome: ExplainedDecision['outcome'];
  readonly why: string;
}

export interface ExplainedResource {
  readonly resource: string;
  readonly name?: string;
  /** What a request comes to that names no scope. */
  readonly withoutScope: ExplainedDecision;
  /** Every scope of the resource server, and what else the envelope has. */
  readonly scopes: readonly ExplainedScope[];
}

/** What an agent may get, from where, until when and why. */
export interface AgentExplanation {
  readonly agent: Pick<Agent, 'id' | 'name'>;
  readonly status: ReturnType<typeof agentStatus>;
  readonly owner: Pick<Person, 'id' | 'name' | 'status'> | undefined;
  /** Milliseconds since the epoch. */
  readonly endsAt: number | undefined;
  /** In words, the most important first. */
  readonly because: readonly string[];
  readonly resources: readonly ExplainedResource[];
}

/** Stands for a key where an agent has to prove one: what it proves is not part of the question. */
const ANY_PROOF = 'any key';

/**
 * Explains what an agent may get: by asking the decision for every scope there is, one by one.
 *
 * @throws {Refused<AgentRefusal>} `agent-unknown`
 * @throws {StoreUnavailable}
 */
export async function explainAgent(deps: ExplainDeps, id: string, moment: Moment): Promise<AgentExplanation> {
  await deps.tokens.fresh();
  const agent = await getAgent(deps.agents, id);
  const owner = await deps.people.findPerson(agent.ownerId);
  const resources = await Promise.all(
    agent.envelope.map(({ resource }) => explainResource(deps, agent, resource, moment)),
  );
  return {
    agent: { id: agent.id, name: agent.name },
    status: agentStatus(agent, moment.latest),
    owner: owner && { id: owner.id, name: owner.name, status: owner.status },
    endsAt: agent.expiresAt,
    because: summary(agent, owner, resources, moment.latest),
    resources,
  };
}

async function explainResource(
  deps: ExplainDeps,
  agent: Agent,
  identifier: string,
  moment: Moment,
): Promise<ExplainedResource> {
  const decide = async (scope: string | undefined): Promise<ExplainedDecision> => {
    const asked = { resources: [identifier], scope, proofKey: ANY_PROOF };
    return explainDecision(deps, agent, (await decideRequest(deps, agent, asked, moment)).decision);
  };
  const record = await deps.resources.findResourceByIdentifier(identifier);
  const catalogue = new Map((record?.scopes ?? []).map(scope => [scope.name, scope]));
  const inEnvelope = agent.envelope.find(entry => entry.resource === identifier)?.scopes ?? [];
  const scopes = await Promise.all(
    [...new Set([...catalogue.keys(), ...inEnvelope])].map(async (scope): Promise<ExplainedScope> => {
      const { outcome, why } = await decide(scope);
      const known = catalogue.get(scope);
      return { scope, ...(known && { meaning: known.sentence, risk: known.risk }), outcome, why };
    }),
  );
  return {
    resource: identifier,
    ...(record && { name: record.name }),
    withoutScope: await decide(undefined),
    scopes,
  };
}

function summary(
  agent: Agent,
  owner: Person | undefined,
  resources: readonly ExplainedResource[],
  now: number,
): readonly string[] {
  const status = agentStatus(agent, now);
  const lines: string[] = [];
  if (status !== 'active') lines.push(`It is ${status}: it cannot sign in, and everything it held is dead.`);
  if (!owner) lines.push(`Its owner ${agent.ownerId} is not registered: it gets nothing.`);
  else if (owner.status !== 'active') lines.push(`Its owner ${owner.name} is disabled: it gets nothing.`);
  else lines.push(`${owner.name} answers for it.`);
  if (agent.expiresAt !== undefined) {
    const verb = agent.expiresAt <= now ? 'ended' : 'ends';
    lines.push(`It ${verb} by itself ${new Date(agent.expiresAt).toISOString()}.`);
  }
  if (agent.dpop === 'required') lines.push('Each request has to prove a key (DPoP).');
  if (resources.length === 0) lines.push('Its envelope is empty: no resource server takes anything from it.');
  for (const { resource, scopes } of resources) {
    const of = (outcome: ExplainedDecision['outcome']): string =>
      scopes
        .filter(scope => scope.outcome === outcome)
        .map(({ scope }) => scope)
        .join(' ');
    const parts = [
      [of('issue'), 'gets by itself'],
      [of('needs-approval'), 'needs somebody to countersign for'],
      [of('refuse'), 'never gets'],
    ].filter(([names]) => names !== '');
    lines.push(`At ${resource} it ${parts.map(([names, verb]) => `${verb} ${names}`).join('; ')}.`);
  }
  return lines;
}
