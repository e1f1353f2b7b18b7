import { type Agent, type AgentStore, agentStatus } from '../agents/index.ts';
import type { Origin } from '../audit/index.ts';
import { Refused } from '../errors.ts';
import {
  type GrantRefusal,
  type IssuedForPerson,
  isGrantAlive,
  issueForPerson,
  type TokenForPerson,
} from './issue-for-person.ts';
import type { IssueTokenDeps } from './issue-token.ts';

export interface GrantsOfPeopleDeps
  extends Pick<
    IssueTokenDeps,
    'tokens' | 'people' | 'resources' | 'signer' | 'refusals' | 'issuer' | 'maxTtlSeconds'
  > {
  readonly agents: Pick<AgentStore, 'noteUse'>;
  /** Through whom a person uses an application: what says what it may, and the agent of their own. */
  findParties(
    clientId: string,
    personId: string,
    now: number,
  ): Promise<{ readonly application: Agent; readonly agent: Agent } | undefined>;
  readonly now: () => number;
}

/** A grant, by who gave it to whom. */
export interface GivenGrant {
  readonly grantId: string;
  readonly clientId: string;
  readonly personId: string;
}

export interface GrantsOfPeople {
  /** Whether nothing that a grant rests on was cut off since the person gave it, and it may be used now. */
  isAlive(grant: GivenGrant): Promise<boolean>;
  /**
   * Issues a token under a grant.
   *
   * @throws {Refused<IssueTokenRefusal | GrantRefusal>} `grant-ended` where nobody is left to act
   */
  issue(
    request: Omit<TokenForPerson, 'application' | 'agent'> & GivenGrant,
    origin: Origin,
  ): Promise<IssuedForPerson>;
}

/** The grants that people have given, as whoever keeps them asks about them: by names alone, and of what every process knows. */
export function grantsOfPeople(deps: GrantsOfPeopleDeps): GrantsOfPeople {
  return {
    async isAlive({ grantId, clientId, personId }) {
      await deps.tokens.fresh();
      const parties = await deps.findParties(clientId, personId, deps.now());
      return (
        parties !== undefined &&
        agentStatus(parties.agent, deps.now()) === 'active' &&
        isGrantAlive(deps, { ...parties, grantId })
      );
    },
    async issue({ clientId, personId, ...request }, origin) {
      await deps.tokens.fresh();
      const parties = await deps.findParties(clientId, personId, origin.latest);
      if (!parties) throw new Refused<GrantRefusal>('grant-ended');
      return issueForPerson(deps, { ...request, ...parties, clientId }, origin);
    },
  };
}
