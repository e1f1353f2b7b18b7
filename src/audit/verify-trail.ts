import canonicalize from 'canonicalize';
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent, type AuditEventType } from './audit-event.ts';
import { type AuditRow, chainHash, emptyLane, type LaneHead } from './chain.ts';
import { digestOfCuts, type LaneCut, readCutsLine } from './cut.ts';
import type { Trail } from './trail.ts';

/**
 * - `altered`: it is not the row that was written here, or its hash is not
 * - `missing`: it is not there
 * - `inserted`: it is there twice, or belongs to another lane
 * - `reordered`: it is there, but in another place
 * - `malformed`: its hash is right, but we do not write such rows
 */
export type BadRowCause = 'altered' | 'missing' | 'inserted' | 'reordered' | 'malformed';

/** The first row of a lane that cannot be vouched for. */
export interface BadRow {
  readonly lane: string;
  /** Its place in the lane, from 1: the rows before it are right, whatever number stands in it. */
  readonly seq: number;
  /**
   * Where the chain itself is whole and only a checkpoint contradicts it, it is one of the rows from `seq` to here: somebody has
   * computed the chain again.
   */
  readonly upTo?: number;
  readonly why: BadRowCause;
}

export interface LaneReport {
  readonly lane: string;
  /** How many rows the lane has, those after the first bad one included. */
  readonly rows: number;
  /** The last row up to which everything is right. */
  readonly head: LaneHead;
  /** The last row that a checkpoint vouches for; 0 when there is none. Up to here nobody without its key has changed anything. */
  readonly checkpointedTo: number;
  /** The last row that was removed since the trail is not kept for ever, and when that was decided; milliseconds since the epoch. */
  readonly pruned?: { readonly upTo: number; readonly at: number };
  readonly firstBad?: BadRow;
}

export interface TrailReport {
  readonly isIntact: boolean;
  readonly rows: number;
  /** In the order in which they were met; those that are gone altogether come last. */
  readonly lanes: readonly LaneReport[];
  /** Rows of which not even the lane can be told: how many, and the place of the first in the whole trail, from 1. */
  readonly unreadable?: { readonly count: number; readonly first: number };
}

/** What checkpoints say that rows' hashes are: by lane, then by number. */
export type CheckpointedHeads = ReadonlyMap<string, ReadonlyMap<number, string>>;

/**
 * Verifies a trail: every lane from its first row, and that every checkpointed head is still where it was. Without checkpoints it
 * cannot notice a lane that ends too early, that is gone, or whose hashes were computed again.
 *
 * Rows may be missing at the beginning of a lane where a cut says so, the digest of all cuts is in an event of the trail, and that
 * event is right: with checkpoints, up to the last one of its lane, so that nobody without the key can make a cut.
 *
 * Rows are read once and forgotten; memory grows with the lanes and the checkpointed heads, not with the rows.
 *
 * @param heads from `verifyCheckpoints`; read before the trail is, or the trail may be older than they are
 */
export async function verifyTrail(trail: Trail, heads: CheckpointedHeads = new Map()): Promise<TrailReport> {
  const lanes = new Map<string, LaneCheck>();
  const laneOf = (name: string): LaneCheck => {
    const known = lanes.get(name);
    if (known) return known;
    const met = new LaneCheck(name, heads.get(name), prunings);
    lanes.set(name, met);
    return met;
  };
  const prunings: Pruning[] = [];
  let rows = 0;
  let unreadable: TrailReport['unreadable'];
  for await (const batch of trail.rows()) {
    for (const row of batch) {
      const cuts = readCutsLine(row);
      if (cuts) {
        const digest = digestOfCuts(cuts);
        for (const cut of cuts) laneOf(cut.lane).cutAt(cut, digest);
        continue;
      }
      rows += 1;
      if (isRow(row)) laneOf(row.lane).follow(row);
      else unreadable = { count: (unreadable?.count ?? 0) + 1, first: unreadable?.first ?? rows };
    }
  }
  for (const name of heads.keys()) laneOf(name);

  const isVouchedFor = ({ lane, seq }: Pruning): boolean =>
    heads.size === 0 || (lanes.get(lane)?.checkpointedTo ?? 0) >= seq;
  const pruningOf = (digest: string): Pruning | undefined =>
    prunings.find(pruning => pruning.digest === digest && isVouchedFor(pruning));
  const reports = [...lanes.values()].map(lane => lane.end(pruningOf));
  return {
    isIntact: !unreadable && reports.every(report => !report.firstBad),
    rows,
    lanes: reports,
    ...(unreadable && { unreadable }),
  };
}

/** An event that says that cuts were moved. */
interface Pruning {
  readonly lane: string;
  readonly seq: number;
  readonly digest: unknown;
  readonly at: number;
}

class LaneCheck {
  readonly #prunings: Pruning[];
  #cut: (LaneCut & { readonly digest: string }) | undefined;
  /** The cut that the lane goes on from, and the place of the first row that is not there. */
  #used: { readonly missing: number; readonly upTo: number; readonly digest: string } | undefined;
  readonly #heads: ReadonlyMap<number, string>;
  #head: LaneHead;
  #rows = 0;
  #checkpointedTo = 0;
  #firstBad: BadRow | undefined;

  constructor(lane: string, heads: ReadonlyMap<number, string> = new Map(), prunings: Pruning[] = []) {
    this.#prunings = prunings;
    this.#head = emptyLane(lane);
    this.#heads = heads;
  }

  get checkpointedTo(): number {
    return this.#checkpointedTo;
  }

  /** Rows up to here need not be there. */
  cutAt(cut: LaneCut, digest: string): void {
    if (cut.seq > (this.#cut?.seq ?? 0)) this.#cut = { ...cut, digest };
  }

  /** Verifies the next row of the lane. After the first bad one nothing can be said of the others. */
  follow(row: AuditRow): void {
    this.#rows += 1;
    if (this.#isBeingRemoved(row)) return;
    if (!this.#firstBad) {
      this.#firstBad = this.#findFault(row);
      if (!this.#firstBad) {
        this.#head = row;
        this.#notePruning(row);
      }
    } else if (this.#firstBad.why === 'missing' && readBody(row.body)?.seq === this.#firstBad.seq) {
      this.#firstBad = { ...this.#firstBad, why: 'reordered' };
    }
  }

  /** Whether a row is one of those that a cut gives up, after others that are gone already; after the last, the lane goes on. */
  #isBeingRemoved({ seq }: AuditRow): boolean {
    const cut = this.#cut;
    if (!cut || this.#firstBad || this.#head.seq >= cut.seq || seq <= this.#head.seq + 1) return false;
    if (seq <= cut.seq) return true;
    const checkpointed = this.#heads.get(cut.seq);
    if (seq > cut.seq + 1 || (checkpointed !== undefined && checkpointed !== cut.hash)) return false;
    this.#used = { missing: this.#head.seq + 1, upTo: cut.seq, digest: cut.digest };
    this.#head = { lane: cut.lane, seq: cut.seq, hash: cut.hash };
    return false;
  }

  #notePruning({ lane, seq, body }: AuditRow): void {
    if (!body.includes('"type":"audit.pruned"')) return;
    const { event } = JSON.parse(body) as { readonly event: AuditEvent };
    if (event.type === 'audit.pruned') {
      this.#prunings.push({ lane, seq, digest: event.detail?.['cuts'], at: event.at });
    }
  }

  #findFault(row: AuditRow): BadRow | undefined {
    const { lane } = this.#head;
    const seq = this.#head.seq + 1;
    const isLinked = chainHash(this.#head.hash, row.body) === row.hash;
    const body = readBody(row.body);
    if (!body) return { lane, seq, why: isLinked ? 'malformed' : 'altered' };
    if (body.lane !== lane) return { lane, seq, why: 'inserted' };
    if (body.seq > seq) return { lane, seq, why: 'missing' };
    if (body.seq < seq) return { lane, seq, why: row.seq === seq ? 'altered' : 'inserted' };
    if (row.seq !== seq || !isLinked) return { lane, seq, why: 'altered' };
    if (!isOurs(body, row.body)) return { lane, seq, why: 'malformed' };

    const checkpointed = this.#heads.get(seq);
    if (checkpointed === undefined) return undefined;
    if (checkpointed !== row.hash) {
      return { lane, seq: this.#checkpointedTo + 1, upTo: seq, why: 'altered' };
    }
    this.#checkpointedTo = seq;
    return undefined;
  }

  /** @param pruningOf the event that vouches for cuts with this digest */
  end(pruningOf: (digest: string) => Pruning | undefined): LaneReport {
    const { lane, seq, hash } = this.#head;
    let furthest = 0;
    for (const checkpointed of this.#heads.keys()) furthest = Math.max(furthest, checkpointed);
    const pruning = this.#used && pruningOf(this.#used.digest);
    const firstBad: BadRow | undefined =
      (this.#used && !pruning ? { lane, seq: this.#used.missing, why: 'missing' } : undefined) ??
      this.#firstBad ??
      (furthest > seq ? { lane, seq: seq + 1, why: 'missing' } : undefined);
    return {
      lane,
      rows: this.#rows,
      head: { lane, seq, hash },
      checkpointedTo: this.#checkpointedTo,
      ...(this.#used && pruning && { pruned: { upTo: this.#used.upTo, at: pruning.at } }),
      ...(firstBad && { firstBad }),
    };
  }
}

const eventSchema = z.strictObject({
  type: z.enum(Object.keys(AUDIT_EVENTS) as AuditEventType[]),
  outcome: z.enum(['done', 'refused']),
  reason: z.string().optional(),
  at: z.number(),
  requestId: z.string(),
  address: z.string().optional(),
  client: z.string().optional(),
  subject: z.string().optional(),
  actor: z.array(z.string()).optional(),
  resource: z.string().optional(),
  target: z.string().optional(),
  jti: z.string().optional(),
  scope: z.string().optional(),
  count: z.int().min(1).optional(),
  detail: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]))
    .optional(),
} satisfies Record<keyof AuditEvent, z.ZodType>);

const bodySchema = z.strictObject({ lane: z.string(), seq: z.int().min(1), event: eventSchema });

/** What a body says of its own place, and the rest, of which nothing is known yet. */
interface Body {
  readonly lane: unknown;
  readonly seq: number;
}

function readBody(text: string): Body | undefined {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null || !('lane' in body && 'seq' in body)) return undefined;
    return typeof body.seq === 'number' ? (body as Body) : undefined;
  } catch {
    return undefined;
  }
}

/** We write nothing but known events in canonical JSON (RFC 8785): one event has one text. */
function isOurs(body: Body, text: string): boolean {
  return bodySchema.safeParse(body).success && canonicalize(body) === text;
}

function isRow(row: unknown): row is AuditRow {
  if (typeof row !== 'object' || row === null) return false;
  const { lane, seq, body, hash } = row as Partial<Record<keyof AuditRow, unknown>>;
  return (
    typeof lane === 'string' &&
    typeof seq === 'number' &&
    typeof body === 'string' &&
    typeof hash === 'string'
  );
}
