import { type AuthorisedOrigin, assertAuthorityHeld, eventOrigin } from '../audit/index.ts';
import { makeCredential } from '../clients/index.ts';
import { Refused } from '../errors.ts';
import { newId } from '../ids.ts';
import { parseInput } from '../input/index.ts';
import type { Agent, ResourceScopes } from './agent.ts';
import { agentInput } from './agent-input.ts';
import { type AgentDeps, type AgentRefusal, checkAgent } from './check-agent.ts';

/**
 * Registers an agent.
 *
 * @param input an `AgentInput`, from wherever it comes
 * @param newSecret what its secret is, where the caller has to know it before it is made
 * @returns its record, and the secret where it authenticates with one, to be shown once
 * @throws {Refused<InputRefusal | AgentRefusal>}
 */
export async function createAgent(
  deps: AgentDeps,
  input: unknown,
  origin: AuthorisedOrigin,
  newSecret?: string,
): Promise<{ readonly agent: Agent; readonly secret?: string }> {
  const parsed = parseInput(agentInput, input);
  const { credential, secret } = makeCredential(parsed.credential, origin.now, newSecret);
  await deps.freshness.fresh();
  const agent = await checkAgent(
    deps,
    undefined,
    {
      id: parsed.id ?? newId('agt', origin.now),
      version: 1,
      epoch: 0,
      createdAt: origin.now,
      updatedAt: origin.now,
      name: parsed.name,
      ...(parsed.purpose !== undefined && { purpose: parsed.purpose }),
      ownerId: parsed.ownerId,
      status: 'active',
      ...(parsed.expiresAt !== undefined && { expiresAt: parsed.expiresAt }),
      envelope: parsed.envelope,
      baseline: parsed.baseline,
      ...(parsed.defaultResource !== undefined && { defaultResource: parsed.defaultResource }),
      ...(parsed.accessTokenTtlSeconds !== undefined && {
        accessTokenTtlSeconds: parsed.accessTokenTtlSeconds,
      }),
      ...(parsed.dpop !== undefined && { dpop: parsed.dpop }),
      ...(parsed.application !== undefined && { application: parsed.application }),
      credential,
    },
    origin,
  );
  const about = { ...eventOrigin(origin), outcome: 'done', target: agent.id } as const;
  const outcome = await deps.agents.commit({
    changes: [{ kind: 'insert', collection: 'agent', record: agent }],
    events: [
      {
        type: 'agent.created',
        ...about,
        detail: {
          name: agent.name,
          owner: agent.ownerId,
          envelope: describeScopes(agent.envelope),
          baseline: describeScopes(agent.baseline),
          expiresAt: agent.expiresAt ?? null,
          authMethod: credential.method,
          ...describeApplication(agent),
        },
      },
      ...(secret === undefined ? [] : [{ type: 'agent.secret-issued', ...about } as const]),
    ],
    authority: origin.authority,
  });
  assertAuthorityHeld(outcome);
  if (!outcome.committed) {
    throw new Refused<AgentRefusal>('agent-exists', { parameter: 'id', sent: agent.id });
  }
  return { agent, ...(secret !== undefined && { secret }) };
}

/** How an application is reached, for the trail. */
function describeApplication({ application }: Agent) {
  if (!application) return {};
  const { redirectUris, metadataHosts, selfRegistration } = application;
  return {
    ...(redirectUris.length > 0 && { redirectUris }),
    ...(metadataHosts && { metadataHosts }),
    ...(selfRegistration && { selfRegistration }),
  };
}

/** An envelope or a baseline in words for the trail: one line for each resource server. */
export function describeScopes(list: readonly ResourceScopes[]): readonly string[] {
  return list.map(({ resource, scopes }) => `${resource}: ${scopes.join(' ')}`);
}
