/**
 * The shipped state machine and the shipped units, in a model of everything around them: two sessions of the approver in two processes,
 * each with one thing under way, which reads first and commits later, or crashes in between; a stranger; an agent that is renamed or
 * killed; time that passes; a code that may be used elsewhere. Every state that can be reached is looked at.
 */
import type { HeldAuthority } from '../../src/audit/index.ts';
import type { Elevation } from '../../src/elevation/index.ts';
import {
  approvingUnit,
  elevationStatus,
  endOfElevation,
  GUARD_NAMES,
  type GuardName,
  moveElevation,
  redeemingAuthority,
  type Step,
  writeOf,
} from '../../src/elevation/move-elevation.ts';
import { findDeadHandle } from '../../src/liveness.ts';
import { elevationRecord } from '../contract/records.ts';

/** What is taken out, to see that it is needed: a guard of the state machine, or something of a unit that the store checks. */
export type TakenOut =
  | GuardName
  /** The version of the elevation that a step is written to. */
  | 'if-version'
  /** The versions of what was shown. */
  | 'expect-version'
  /** The use of the code, in the unit of the approval. */
  | 'burned-code'
  /** What an approval, or a redemption, rests on while it is committed. */
  | 'authority-lineage'
  | 'authority-end'
  /** That what is taken back raises the epoch. */
  | 'raised-epoch';

export const TAKEN_OUT: readonly TakenOut[] = [
  ...GUARD_NAMES,
  'if-version',
  'expect-version',
  'burned-code',
  'authority-lineage',
  'authority-end',
  'raised-epoch',
];

const APPROVER = 'usr_1';
const STRANGER = 'usr_2';
const ASKED_AT = 1_000;
const DECIDE_BY = ASKED_AT + 600_000;
/** Instants that matter: of the ask, of the end of an approval, of the end of decisions, of the end of the code. */
const INSTANTS = [ASKED_AT, ASKED_AT + 30_000, DECIDE_BY, ASKED_AT + 660_000];
const SECONDS = 30;

type Op = 'approve' | 'deny' | 'cancel' | 'expire' | 'revoke' | 'redeem' | 'end';

/** Something under way in a process: what it is, what it has read, and what it has made of that. */
interface UnderWay {
  readonly op: Op;
  /** Elevations, interned: what was read, and what is to take its place. */
  readonly read: number;
  readonly made: number;
  readonly facts: number;
  readonly credential: number;
}

/** Everything that is committed, and everything that processes and people hold. Small, since there are many. */
interface World {
  readonly elevation: number;
  /** Which name the agent has: the version of its record, and what is shown of it. */
  readonly facts: number;
  readonly agentEpoch: number;
  readonly time: number;
  /** The version of what the approver signs in with. The one code of the model is used up once it is above 1. */
  readonly credential: number;
  readonly codeUses: number;
  /** The tokens: how many were issued. */
  readonly tokens: number;
  /** Which facts each session was shown; 0 before. */
  readonly shown: readonly [number, number];
  readonly underWay: readonly [UnderWay | null, UnderWay | null];
  /** How much has happened around it. */
  readonly events: number;
}

export interface Explored {
  readonly states: number;
  readonly steps: number;
  readonly statuses: ReadonlySet<string>;
  /** The first state that breaks an invariant, by the way that leads to it. */
  readonly broken?: { readonly invariant: string; readonly path: readonly string[] };
}

/**
 * Looks at every state that can be reached.
 *
 * @param options `events` is how many things may happen around it on one way: renaming, a kill, time, the code used elsewhere
 */
export function explore(options: { readonly events: number; readonly without?: TakenOut }): Explored {
  const model = new Model(options.without);
  const start = model.start();
  const seen = new Map<string, { readonly from: string | undefined; readonly by: string }>();
  const key = (world: World) => JSON.stringify(world);
  const queue: World[] = [start];
  seen.set(key(start), { from: undefined, by: 'asked' });
  const statuses = new Set<string>();
  let steps = 0;
  const pathTo = (last: string): string[] => {
    const path: string[] = [];
    for (let at: string | undefined = last; at !== undefined; at = seen.get(at)?.from) {
      path.unshift(seen.get(at)?.by ?? '');
    }
    return path;
  };
  for (let next = 0; next < queue.length; next += 1) {
    const world = queue[next] as World;
    const from = key(world);
    statuses.add(model.elevation(world).status);
    for (const { by, to, broken } of model.steps(world, options.events)) {
      steps += 1;
      const invariant = broken ?? model.brokenBy(world, to);
      if (invariant) {
        return { states: seen.size, steps, statuses, broken: { invariant, path: [...pathTo(from), by] } };
      }
      const reached = key(to);
      if (seen.has(reached)) continue;
      seen.set(reached, { from, by });
      queue.push(to);
    }
  }
  return { states: seen.size, steps, statuses };
}

interface Stepped {
  readonly by: string;
  readonly to: World;
  /** An invariant that the step itself breaks. */
  readonly broken?: string | undefined;
}

class Model {
  readonly #without: TakenOut | undefined;
  readonly #guards: readonly GuardName[];
  readonly #elevations: Elevation[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(without: TakenOut | undefined) {
    this.#without = without;
    this.#guards = GUARD_NAMES.filter(name => name !== without);
  }

  start(): World {
    const elevation = elevationRecord({
      id: 'elv_1',
      createdAt: ASKED_AT,
      updatedAt: ASKED_AT,
      askDigest: 'asked',
      agentId: 'agt_1',
      approverId: APPROVER,
      seconds: SECONDS,
      decideBy: DECIDE_BY,
      lineage: 'elv_1:0 agt_1:0',
    });
    return {
      elevation: this.#intern(elevation),
      facts: 1,
      agentEpoch: 0,
      time: 0,
      credential: 1,
      codeUses: 0,
      tokens: 0,
      shown: [0, 0],
      underWay: [null, null],
      events: 0,
    };
  }

  elevation({ elevation }: World): Elevation {
    return this.#elevations[elevation] as Elevation;
  }

  #intern(elevation: Elevation): number {
    const text = JSON.stringify(elevation);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#elevations.push(elevation) - 1;
    this.#numbers.set(text, number);
    return number;
  }

  *steps(world: World, most: number): Generator<Stepped> {
    if (world.events < most) {
      const around = { ...world, events: world.events + 1 };
      if (world.time < INSTANTS.length - 1)
        yield { by: 'time passes', to: { ...around, time: world.time + 1 } };
      if (world.facts === 1) yield { by: 'the agent is renamed', to: { ...around, facts: 2 } };
      if (world.agentEpoch === 0) yield { by: 'the agent is killed', to: { ...around, agentEpoch: 1 } };
      if (world.credential === 1) {
        const to = { ...around, credential: 2, codeUses: world.codeUses + 1 };
        yield { by: 'the code is used to sign in', to };
      }
    }
    for (const process of [0, 1] as const) {
      const underWay = world.underWay[process];
      if (underWay) {
        yield { by: `${process}: crashes`, to: put(world, process, null) };
        yield this.#commit(world, process, underWay);
        continue;
      }
      if (world.shown[process] !== world.facts) {
        const shown = [...world.shown] as [number, number];
        shown[process] = world.facts;
        yield { by: `${process}: is shown it`, to: { ...world, shown } };
      }
      for (const [op, by] of [
        ['approve', APPROVER],
        ['approve', STRANGER],
        ['deny', APPROVER],
        ['deny', STRANGER],
        ['revoke', 'admin'],
        ['cancel', 'agent'],
        ['expire', 'sweep'],
        ['end', 'sweep'],
        ['redeem', 'agent'],
      ] as const) {
        if (op === 'approve' && (world.shown[process] === 0 || world.credential > 1)) continue;
        const begun = this.#begin(world, op, by, world.shown[process]);
        // Refused: nothing is under way.
        if (!begun) continue;
        const broken = this.#brokenByBeginning(world, op, by, world.shown[process]);
        yield { by: `${process}: ${by} begins to ${op}`, to: put(world, process, begun), broken };
      }
    }
  }

  /** Makes the shipped step of what is there now, to be committed later; undefined where it is refused. */
  #begin(world: World, op: Op, by: string, shown: number): UnderWay | undefined {
    const before = this.elevation(world);
    const now = nowIn(world);
    const made = moveElevation(
      before,
      stepOf(op, by, { shown, facts: world.facts, now }),
      { now, latest: now, epochs: this.#epochs(world) },
      this.#guards,
    );
    if (typeof made === 'string') return undefined;
    const isKept = this.#without === 'raised-epoch';
    return {
      op,
      read: world.elevation,
      made: this.#intern(isKept ? { ...made, epoch: before.epoch } : made),
      facts: world.facts,
      credential: world.credential,
    };
  }

  #epochs(world: World) {
    const raised: Record<string, number> = { agt_1: world.agentEpoch, elv_1: this.elevation(world).epoch };
    return { raisedTo: (id: string) => raised[id] ?? 0 };
  }

  /** What the store does with the shipped unit: all of it, or nothing. */
  #commit(world: World, process: 0 | 1, underWay: UnderWay): Stepped {
    const { op } = underWay;
    const by = `${process}: commits to ${op}`;
    const [before, made] = [this.#elevations[underWay.read], this.#elevations[underWay.made]];
    if (!before || !made) throw new Error('it is interned');
    const gone = { by: `${by}, in vain`, to: put(world, process, null) };
    const authority = this.#authorityOf(op, before);
    if (authority) {
      const isDead = findDeadHandle(authority.lineage, this.#epochs(world)) !== undefined;
      if (isDead && this.#without !== 'authority-lineage') return gone;
      if (nowIn(world) >= authority.expiresAt && this.#without !== 'authority-end') return gone;
    }
    const { ifVersion } = writeOf(before, made);
    const isChanged = this.elevation(world).version !== ifVersion && this.#without !== 'if-version';
    const isOther = op === 'approve' && underWay.facts !== world.facts && this.#without !== 'expect-version';
    const burns = op === 'approve' && this.#without !== 'burned-code';
    if (isChanged && op !== 'approve' && op !== 'redeem') {
      // What takes something back is tried again, on what is there then; what gives something never is.
      const again = this.#begin(world, op, op === 'deny' ? APPROVER : 'whoever', 0) ?? null;
      return { by: `${by}, and looks again`, to: put(world, process, again) };
    }
    if (isChanged || isOther || (burns && underWay.credential !== world.credential)) return gone;
    const to: World = {
      ...put(world, process, null),
      elevation: underWay.made,
      credential: world.credential + (burns ? 1 : 0),
      codeUses: world.codeUses + (op === 'approve' ? 1 : 0),
      tokens: world.tokens + (op === 'redeem' ? 1 : 0),
    };
    return { by, to, broken: this.#brokenByCommit(world, op, made) };
  }

  #authorityOf(op: Op, before: Elevation): Pick<HeldAuthority, 'lineage' | 'expiresAt'> | undefined {
    if (op === 'approve') return approvingUnit(before, before, []).restsOn;
    return op === 'redeem' ? redeemingAuthority(before) : undefined;
  }

  /** Nothing is begun, and no code is looked at, for what is somebody else's, is over, or is not what was shown. */
  #brokenByBeginning(world: World, op: Op, by: string, shown: number): string | undefined {
    const elevation = this.elevation(world);
    const { facts } = world;
    const now = nowIn(world);
    const status = elevationStatus(elevation, { latest: now, epochs: this.#epochs(world) });
    if ((op === 'approve' || op === 'deny') && by !== APPROVER) return 'I3: somebody else decides';
    if (op === 'approve') {
      if (status !== 'pending') return `I6: a code is looked at for what is ${status}`;
      if (shown !== facts) return 'I4: what is countersigned is not what is there';
    }
    if (op === 'redeem') {
      if (status !== 'approved') return `I6: what is ${status} is fetched`;
      if (elevation.approval?.digest !== digestOf(facts)) return 'I4: what is fetched is not what was shown';
    }
    if ((op === 'expire' || op === 'end') && now < endOfElevation(elevation))
      return 'I6: it ends before its time';
    if (FINAL.has(elevation.status)) return `I6: what is ${elevation.status} is begun to ${op}`;
    return undefined;
  }

  #brokenByCommit(world: World, op: Op, made: Elevation): string | undefined {
    const now = nowIn(world);
    if (op === 'approve') {
      if (made.approval?.digest !== digestOf(world.facts))
        return 'I4: what is approved has changed since it was shown';
      if (world.agentEpoch > 0) return 'I6: it is approved after a kill';
      if (now >= made.decideBy) return 'I6: it is approved after its time';
    }
    if (op === 'redeem') {
      if (world.agentEpoch > 0) return 'I6: it is issued after a kill';
      if (now >= (made.approval?.expiresAt ?? 0)) return 'I6: it is issued after its end';
    }
    return undefined;
  }

  /** What must be true of every state, and of every step to it. */
  brokenBy(world: World, to: World): string | undefined {
    const [before, after] = [this.elevation(world), this.elevation(to)];
    if (to.tokens > 1) return 'I1: two tokens for one approval';
    if (to.codeUses > 1) return 'I1: one code is used twice';
    if (FINAL.has(before.status) && before.status !== after.status) {
      return `I6: what was ${before.status} is ${after.status}`;
    }
    if (before.status === 'redeemed' && after.status !== 'redeemed' && after.status !== 'revoked') {
      return `I6: what was redeemed is ${after.status}`;
    }
    // What a token carries is what the elevation rested on from the beginning.
    const isDead = findDeadHandle(after.lineage, this.#epochs(to)) !== undefined;
    if (to.tokens > 0 && FINAL.has(after.status) && !isDead)
      return `I6: the token of what is ${after.status} lives`;
    if (to.tokens > 0 && !FINAL.has(after.status) && after.status !== 'redeemed') {
      return `I1: a token was issued for what is ${after.status}`;
    }
    return undefined;
  }
}

const FINAL: ReadonlySet<string> = new Set(['denied', 'cancelled', 'expired', 'revoked']);

function digestOf(facts: number): string {
  return `digest of ${facts}`;
}

function nowIn({ time }: World): number {
  return INSTANTS[time] ?? 0;
}

function put(world: World, process: 0 | 1, underWay: UnderWay | null): World {
  const [first, second] = world.underWay;
  return { ...world, underWay: process === 0 ? [underWay, second] : [first, underWay] };
}

function stepOf(
  op: Op,
  by: string,
  { shown, facts, now }: { readonly shown: number; readonly facts: number; readonly now: number },
): Step {
  const person = by as `usr_${string}`;
  switch (op) {
    case 'approve':
      return {
        kind: 'approve',
        by: person,
        digest: digestOf(shown),
        shownNow: digestOf(facts),
        expiresAt: now + SECONDS * 1_000,
      };
    case 'deny':
      return { kind: 'deny', by: person, reason: 'too-much' };
    case 'cancel':
      return { kind: 'cancel', reason: 'by-agent' };
    case 'redeem':
      return { kind: 'redeem', shownNow: digestOf(facts), jti: 'tok_1' };
    default:
      return { kind: op };
  }
}
