import { type Agent, type AgentStore, getAgent } from '../agents/index.ts';
import type { AuditStore } from '../audit/index.ts';
import { type Moment, toSeconds } from '../clock.ts';
import { type Delegation, type DelegationStore, getDelegation, standOn } from '../delegation/index.ts';
import type { PersonStore } from '../people/index.ts';
import type { ErrorReason, ReasonText } from '../refusals/index.ts';
import type { ResourceStore } from '../resources/index.ts';
import {
  type AccessTokenSigner,
  type AskedToken,
  decideRequest,
  type IssueGranted,
  MAX_JWT_TTL_SECONDS,
  type RequestDecision,
  type TokenStore,
} from '../tokens/index.ts';

export interface ExplainDeps {
  readonly tokens: Pick<TokenStore, 'epochs' | 'findToken' | 'fresh'>;
  readonly agents: Pick<AgentStore, 'findAgent'>;
  readonly people: Pick<PersonStore, 'findPerson'>;
  readonly resources: Pick<ResourceStore, 'findResource' | 'findResourceByIdentifier'>;
  readonly delegations: Pick<DelegationStore, 'findDelegation'>;
  readonly signer: AccessTokenSigner;
  readonly audit: Pick<AuditStore, 'listRows'>;
  /** The words for each reason: the ones that the caller of a refused request is told. */
  readonly catalogue: ReadonlyMap<ErrorReason, ReasonText>;
  readonly maxTtlSeconds: number;
}

/** What ends a token first. */
export type LifetimeCap = 'deployment' | 'resource' | 'agent' | 'jwt' | 'agent-end' | 'delegation';

/** What a request would come to, and why. */
export type ExplainedDecision =
  | {
      readonly outcome: 'issue';
      readonly why: string;
      readonly resource: string;
      readonly scopes: readonly string[];
      readonly expiresIn: number;
      readonly limitedBy: LifetimeCap;
      readonly tokenFormat: 'opaque' | 'jwt';
    }
  | {
      readonly outcome: 'needs-approval' | 'refuse';
      readonly why: string;
      readonly reason: string;
      /** What somebody would have to countersign, and who. */
      readonly beyond?: readonly string[];
      readonly approver?: string;
      readonly fix?: string;
      readonly parameter?: string;
      readonly sent?: string;
      readonly permitted?: readonly string[];
    };

/**
 * Decides on a token request without making it: nothing is issued, counted or recorded.
 *
 * @param delegationId the delegation that it would exchange; where absent the agent asks for itself
 * @throws {Refused<AgentRefusal | DelegationRefusal>} `agent-unknown`, `delegation-unknown`
 * @throws {StoreUnavailable}
 */
export async function explainRequest(
  deps: ExplainDeps,
  agentId: string,
  asked: AskedToken,
  moment: Moment,
  delegationId?: string,
): Promise<ExplainedDecision> {
  await deps.tokens.fresh();
  const agent = await getAgent(deps.agents, agentId);
  const delegation =
    delegationId === undefined ? undefined : await getDelegation(deps.delegations, delegationId);
  const basis = delegation && (await standOn(deps, delegation, {}, moment.latest));
  const { decision } = await decideRequest(deps, agent, asked, moment, basis);
  return explainDecision(deps, agent, decision, delegation);
}

/** A decision in words. */
export function explainDecision(
  deps: Pick<ExplainDeps, 'catalogue' | 'maxTtlSeconds'>,
  agent: Agent,
  decision: RequestDecision,
  delegation?: Delegation,
): ExplainedDecision {
  if (decision.outcome === 'issue') {
    const { resource, scopes, issuedAt, expiresAt } = decision;
    const limitedBy = capOf(deps, agent, decision, delegation);
    const within = delegation ? `what ${delegation.personId} lets it do` : 'its baseline';
    const expiresIn = expiresAt - issuedAt;
    return {
      outcome: 'issue',
      why: `within ${within} at ${resource.identifier}: a token for ${scopes.join(' ')}, for ${expiresIn} s, ${CAPS[limitedBy]}`,
      resource: resource.identifier,
      scopes,
      expiresIn,
      limitedBy,
      tokenFormat: resource.tokenFormat.kind,
    };
  }
  const { reason } = decision;
  const text = deps.catalogue.get(`oauth/${reason}`);
  const { parameter, sent, permitted } = decision.detail;
  return {
    outcome: decision.outcome,
    why: sentence(text?.exactly ?? text?.meaning ?? reason, sent),
    reason,
    ...(decision.outcome === 'needs-approval' && {
      beyond: decision.beyond,
      ...(decision.approver !== undefined && { approver: decision.approver }),
    }),
    ...(text?.fix !== undefined && { fix: text.fix }),
    ...(parameter !== undefined && { parameter }),
    ...(sent !== undefined && { sent }),
    ...(permitted !== undefined && { permitted }),
  };
}

const CAPS: Readonly<Record<LifetimeCap, string>> = {
  deployment: 'the most that this deployment allows (COUNTERSIGN_ACCESS_TOKEN_TTL_SECONDS)',
  resource: 'the most that the resource server allows',
  agent: 'the most that this agent is allowed',
  jwt: 'the most for a token that is verified without asking',
  'agent-end': 'until the agent itself ends',
  delegation: 'until the delegation ends',
};

/** Which of the caps is the one that the token ends by. */
function capOf(
  { maxTtlSeconds }: Pick<ExplainDeps, 'maxTtlSeconds'>,
  agent: Agent,
  { resource, issuedAt, expiresAt }: IssueGranted,
  delegation: Delegation | undefined,
): LifetimeCap {
  const expiresIn = expiresAt - issuedAt;
  if (delegation && toSeconds(delegation.expiresAt) === expiresAt) return 'delegation';
  if (agent.expiresAt !== undefined && toSeconds(agent.expiresAt) === expiresAt) return 'agent-end';
  if (agent.accessTokenTtlSeconds === expiresIn) return 'agent';
  if (resource.accessTokenTtlSeconds === expiresIn) return 'resource';
  if (resource.tokenFormat.kind === 'jwt' && expiresIn === MAX_JWT_TTL_SECONDS && maxTtlSeconds > expiresIn) {
    return 'jwt';
  }
  return 'deployment';
}

function sentence(meaning: string, sent: string | undefined): string {
  return sent === undefined ? meaning : `${meaning.replace(/\.$/, '')}: ${sent}`;
}
