import { killAgent } from '../agents/index.ts';
import {
  type AuditEvent,
  type CheckpointedHeads,
  type LaneHead,
  type Origin,
  REMOVALS,
  type Removal,
  readCutsLine,
  rowsOf,
  type Trail,
  verifyTrail,
} from '../audit/index.ts';
import { Refused } from '../errors.ts';
import { voidCredential } from '../people/index.ts';
import type { AdoptedRow } from './deployment.ts';
import { endQuarantine, getQuarantined } from './quarantine.ts';
import { closeForGood, kindOf, RECORD_KINDS, type RecoveryDeps, withoutRoles } from './record-kinds.ts';
import type { RecoveryRefusal } from './recovery-refusal.ts';

/** The trail as it was exported after the backup, and what vouches for its end. */
export interface ExportedTrail {
  readonly trail: Trail;
  /** From `verifyCheckpoints`. Without them a trail that ends too early could not be told from a whole one. */
  readonly heads: CheckpointedHeads;
}

/** What a replay did, for the operator. */
export interface ReplayReport {
  /** Rows of the trail that the backup did not have: they are in the store again. */
  readonly adopted: number;
  /** The latest of them, in milliseconds since the epoch; undefined when there was none. */
  readonly reachesTo: number | undefined;
  readonly closed: readonly ReplayedRemoval[];
}

export interface ReplayedRemoval {
  readonly id: string;
  readonly removal: Removal;
  /** What was done, in words. */
  readonly done: string;
  /** When it was taken away first, in milliseconds since the epoch. */
  readonly at: number;
}

interface Step {
  readonly done: string;
  /** Whether the event took something away at all; always where absent. */
  applies?(event: AuditEvent): boolean;
  apply(deps: RecoveryDeps, id: string, origin: Origin): Promise<unknown>;
}

const cutsOff = ({ detail }: AuditEvent): boolean => detail?.['cutsOff'] === true;
const { agent, person, resource, key, delegation } = RECORD_KINDS;

/**
 * How each removal is made once more. Where the trail does not say what was left, more is taken away than had been: an
 * administrator gives it back, and nothing lives that should not.
 */
const STEPS: Readonly<Record<Exclude<Removal, 'none' | 'by-restore'>, Step>> = {
  'agent-killed': { done: 'suspended', apply: agent.close },
  'agent-retired': { done: 'retired', apply: closeForGood },
  'agent-narrowed': {
    done: 'suspended, as less was permitted: set what is permitted, then restore it',
    applies: cutsOff,
    apply: agent.close,
  },
  'agent-credential': {
    done: 'its secrets no longer work, as they had been replaced: issue a new one; with keys it is suspended: see to its keys, then restore it',
    apply: withoutCredential,
  },
  'person-killed': { done: 'disabled', apply: person.close },
  'person-changed': {
    done: 'without roles, as they had been changed: set them again',
    applies: ({ detail }) => isList(detail?.['fields']) && detail['fields'].includes('roles'),
    apply: withoutRoles,
  },
  'person-credential': {
    done: 'can no longer sign in, as how they do had been changed: invite them anew',
    apply: voidCredential,
  },
  'resource-killed': { done: 'disabled', apply: resource.close },
  'resource-narrowed': {
    done: 'disabled, as it had less: set what it has, then restore it',
    applies: cutsOff,
    apply: resource.close,
  },
  'resource-credential': {
    done: 'its secrets no longer work, as they had been replaced: issue a new one',
    apply: (deps, id, origin) => resource.renewSecret?.(deps, id, origin) ?? Promise.resolve(),
  },
  'delegation-ended': { done: 'ended', apply: delegation.close },
  'delegation-narrowed': {
    done: 'ended, as less was permitted: its person gives it anew',
    applies: cutsOff,
    apply: delegation.close,
  },
  'key-killed': { done: 'withdrawn', apply: key.close },
  // All that it signed is dead anyway, so ending it at once takes nothing from anybody.
  'key-retired': { done: 'withdrawn, as it had ceased to sign', apply: key.close },
};

const ROWS_PER_UNIT = 500;

/**
 * Takes away once more whatever was taken away after the backup, puts the rows that the backup lacks back into the trail, and opens
 * the deployment. Only removals are replayed: what was granted after the backup has to be granted again.
 *
 * Nothing is changed before the whole export is verified: by its chain, by the checkpoints, and against every row that the store
 * has itself. Doing it again does no harm, so an interrupted replay is simply repeated.
 *
 * @throws {Refused<RecoveryRefusal>} `not-quarantined`, `trail-without-checkpoint`, `trail-altered`, `trail-of-another-store`
 */
export async function replayTrail(
  deps: RecoveryDeps,
  { trail, heads }: ExportedTrail,
  origin: Origin,
): Promise<ReplayReport> {
  const { epoch, quarantine } = await getQuarantined(deps);
  if (heads.size === 0) throw new Refused<RecoveryRefusal>('trail-without-checkpoint');
  if (!(await verifyTrail(trail, heads)).isIntact) throw new Refused<RecoveryRefusal>('trail-altered');
  const known = new Map((await deps.trail.listLanes()).map(head => [head.lane, head]));
  const { removals, reachesTo } = await compare(deps, trail, known, quarantine.since);

  const closed: ReplayedRemoval[] = [];
  for (const removal of removals) {
    if (await takeAway(deps, removal, origin)) closed.push(removal);
  }
  const adopted = await adoptRows(deps, trail, known);
  await endQuarantine(deps, epoch, { by: 'replay', removals: closed.length, rows: adopted }, origin);
  return { adopted, reachesTo, closed };
}

/** What the export has beyond the store, after making sure that it has all that the store had when it was quarantined. */
async function compare(
  deps: RecoveryDeps,
  trail: Trail,
  known: ReadonlyMap<string, LaneHead>,
  since: number,
): Promise<{ readonly removals: readonly ReplayedRemoval[]; readonly reachesTo: number | undefined }> {
  const shared = new Map<string, LaneHead>();
  const removals = new Map<string, ReplayedRemoval>();
  let reachesTo: number | undefined;
  for await (const batch of trail.rows()) {
    for (const cut of batch.flatMap(line => readCutsLine(line) ?? [])) {
      // What was removed from the trail cannot be replayed, and removals may have been among it.
      if (cut.seq > (known.get(cut.lane)?.seq ?? 0)) {
        throw new Refused<RecoveryRefusal>('trail-pruned', { sent: cut.lane });
      }
      shared.set(cut.lane, cut);
    }
    for (const row of rowsOf(batch)) {
      const head = known.get(row.lane);
      if (head && row.seq <= head.seq) {
        shared.set(row.lane, row);
        continue;
      }
      const { event } = JSON.parse(row.body) as { readonly event: AuditEvent };
      reachesTo = Math.max(reachesTo ?? 0, event.at);
      const removal = removalOf(event);
      if (removal) removals.set(`${removal.removal} ${removal.id}`, removal);
    }
  }
  for (const head of known.values()) {
    if (await isOfThisStore(deps, head, shared.get(head.lane), since)) continue;
    throw new Refused<RecoveryRefusal>('trail-of-another-store', { sent: head.lane });
  }
  return { removals: [...removals.values()], reachesTo };
}

/**
 * Whether a lane of the store goes on from where the export leaves it, with nothing but what was written since the quarantine: by
 * whoever closed the store, and has looked at it since.
 *
 * @param exported the last row of the lane that the export has too, or should have
 */
async function isOfThisStore(
  { trail }: RecoveryDeps,
  { lane, seq, hash }: LaneHead,
  exported: LaneHead | undefined,
  since: number,
): Promise<boolean> {
  if (exported?.seq === seq) return exported.hash === hash;
  const from = exported?.seq ?? 0;
  for (let next = from; next < seq; next += ROWS_PER_UNIT) {
    for (const row of await trail.readLane(lane, next, ROWS_PER_UNIT)) {
      const { event } = JSON.parse(row.body) as { readonly event: AuditEvent };
      if (row.seq === exported?.seq ? row.hash !== exported.hash : event.at < since) return false;
    }
  }
  return true;
}

function removalOf(event: AuditEvent): ReplayedRemoval | undefined {
  const removal = REMOVALS[event.type];
  if (event.outcome !== 'done' || removal === 'none' || removal === 'by-restore') return undefined;
  const step = STEPS[removal];
  const id = event.target;
  if (id === undefined || step.applies?.(event) === false) return undefined;
  return { id, removal, done: step.done, at: event.at };
}

/** @returns whether there was anything to take it from: a record made after the backup is gone altogether */
async function takeAway(
  deps: RecoveryDeps,
  { id, removal }: ReplayedRemoval,
  origin: Origin,
): Promise<boolean> {
  if (removal === 'none' || removal === 'by-restore') return false;
  if (!(await kindOf(id)?.find(deps, id))) return false;
  try {
    await STEPS[removal].apply(deps, id, origin);
    return true;
  } catch (error) {
    // Our own API: what it has follows from configuration, which the next start brings to bear. Nor is the built-in person stopped.
    if (error instanceof Refused && error.reason === 'record-protected') return false;
    throw error;
  }
}

/** A secret is replaced by one that nobody is told. Registered keys cannot be, so there the agent is suspended. */
async function withoutCredential(deps: RecoveryDeps, id: string, origin: Origin): Promise<unknown> {
  const record = await agent.find(deps, id);
  return record?.hasSecret ? agent.renewSecret?.(deps, id, origin) : killAgent(deps, id, origin);
}

async function adoptRows(
  deps: RecoveryDeps,
  trail: Trail,
  known: ReadonlyMap<string, LaneHead>,
): Promise<number> {
  let adopted = 0;
  let waiting: AdoptedRow[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    await deps.deployment.commit({ changes: [{ kind: 'adopt-audit', rows: waiting }], events: [] });
    adopted += waiting.length;
    waiting = [];
  };
  for await (const rows of trail.rows()) {
    for (const { lane, seq, body, hash } of rowsOf(rows)) {
      if (seq <= (known.get(lane)?.seq ?? 0)) continue;
      const { event } = JSON.parse(body) as { readonly event: AuditEvent };
      waiting.push({ lane, seq, body, hash, at: event.at });
      if (waiting.length === ROWS_PER_UNIT) await flush();
    }
  }
  await flush();
  return adopted;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
