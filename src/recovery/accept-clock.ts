import { type Agent, agentStatus, eachAgentWithEnd, killAgent } from '../agents/index.ts';
import { eventOrigin, type Origin } from '../audit/index.ts';
import { acceptedEpoch } from '../deployment-epoch.ts';
import { reviseDeployment } from './quarantine.ts';
import type { RecoveryDeps } from './record-kinds.ts';

export interface AcceptedClock {
  /** The agents that would have lived again, and were suspended instead. */
  readonly suspended: readonly Agent[];
}

/** A server may have judged by a later time than it has committed, since it keeps its time once a minute where nothing is done. */
const UNKEPT_MS = 60_000;

/**
 * Goes by the machine's clock from now on, though later times were committed: of a clock that was ahead. Nothing lives again by
 * that. Every token, session and code dies, proofs dated before now count as used, and agents whose end had come are suspended.
 * Servers that run hear of it and go by their machine's clock too.
 *
 * @param lastCommittedAt the highest time that was committed, in milliseconds since the epoch; undefined where none was kept
 * @param origin its `now` is what the machine's clock says
 * @throws {RangeError} when that cannot be the present
 */
export async function acceptClock(
  deps: RecoveryDeps,
  lastCommittedAt: number | undefined,
  origin: Origin,
): Promise<AcceptedClock> {
  const wasUntil = (lastCommittedAt ?? origin.now) + UNKEPT_MS;
  // First, so that none is alive for a moment.
  const suspended: Agent[] = [];
  for (const agent of await endedMeanwhile(deps, origin.now, wasUntil)) {
    suspended.push(await killAgent(deps, agent.id, origin));
  }
  await reviseDeployment(deps, origin, current => {
    const epoch = acceptedEpoch(current.epoch, origin.now);
    return {
      record: { ...current, epoch },
      more: [{ kind: 'void-pending' }],
      event: {
        type: 'deployment.clock-accepted',
        outcome: 'done',
        ...eventOrigin(origin),
        target: current.storeId,
        detail: {
          clock: origin.now,
          epoch,
          ...(lastCommittedAt !== undefined && { lastCommittedAt }),
          agentsSuspended: suspended.length,
        },
      },
    };
  });
  return { suspended };
}

/** The agents that are active by the machine's clock and had come to their end by the time that went before. */
async function endedMeanwhile(
  { agents }: Pick<RecoveryDeps, 'agents'>,
  wallMs: number,
  wasUntilMs: number,
): Promise<readonly Agent[]> {
  const found: Agent[] = [];
  for await (const agent of eachAgentWithEnd(agents)) {
    const isActive = agentStatus(agent, wallMs) === 'active';
    if (isActive && agentStatus(agent, wasUntilMs) === 'expired') found.push(agent);
  }
  return found;
}
