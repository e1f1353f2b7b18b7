import type { AuditRow, Cuts, LaneHead } from '../../audit/index.ts';
import type { AuditCutDocument, AuditDocument, Database } from './database.ts';
import { read, readTrail, trustedFilter } from './read.ts';

/** How the trail is read, by processes of the deployment and by others. */
export class TrailReads {
  readonly #database: Pick<Database, 'audit' | 'auditCut'>;
  readonly #era: () => number;

  /** @param era how often a machine's clock was accepted */
  constructor(database: Pick<Database, 'audit' | 'auditCut'>, era: () => number) {
    this.#database = database;
    this.#era = era;
  }

  async readLane(lane: string, fromSeq: number, limit: number): Promise<readonly AuditRow[]> {
    const documents = await readTrail(() =>
      this.#database.audit
        .find(trustedFilter({ lane: String(lane), seq: { $gte: Number(fromSeq) } }))
        .sort({ seq: 1 })
        .limit(Number(limit))
        .lean<AuditDocument[]>(),
    );
    return documents.map(toRow);
  }

  async listLanes(): Promise<readonly LaneHead[]> {
    const firstRows = await readTrail(() =>
      this.#database.audit.find({ seq: 1 }, { lane: 1, committedAt: 1 }).lean<AuditDocument[]>(),
    );
    // Lanes without their first row: there is a cut for each.
    const begun = new Set(firstRows.map(({ lane }) => lane));
    for (const { lane } of (await this.readCuts()).cuts) {
      if (begun.has(lane)) continue;
      const first = await readTrail(() =>
        this.#database.audit.findOne({ lane }).sort({ seq: 1 }).lean<AuditDocument>(),
      );
      if (first) firstRows.push(first);
    }
    const heads: LaneHead[] = [];
    for (const { lane } of firstRows.toSorted((a, b) => a.committedAt - b.committedAt)) {
      const last = await readTrail(() =>
        this.#database.audit.findOne({ lane }).sort({ seq: -1 }).lean<AuditDocument>(),
      );
      if (last) heads.push({ lane, seq: last.seq, hash: last.hash });
    }
    return heads;
  }

  async readCuts(): Promise<Cuts> {
    const found = await readTrail(() =>
      this.#database.auditCut.find().readConcern('majority').sort({ _id: 1 }).lean<AuditCutDocument[]>(),
    );
    return {
      version: found.find(({ _id }) => _id === '')?.seq ?? 0,
      cuts: found
        .filter(({ _id }) => _id !== '')
        .map(({ _id, seq, hash: rowHash }) => ({ lane: _id, seq, hash: rowHash })),
    };
  }

  async readNewest(limit: number): Promise<readonly AuditRow[]> {
    const documents = await this.newestOf(this.#era(), limit);
    const left = limit - documents.length;
    return [...documents, ...(left > 0 ? await this.newestOf('before', left) : [])].map(toRow);
  }

  /** Newest first. By a clock that was accepted, what was committed before it may be of a time that is still to come. */
  newestOf(era: number | 'before', limit: number): Promise<readonly AuditDocument[]> {
    const present = this.#era();
    if (era === 'before' && present === 0) return Promise.resolve([]);
    const filter = era === 'before' ? { clockEra: { $ne: present } } : era > 0 ? { clockEra: era } : {};
    return read(() =>
      this.#database.audit
        .find(trustedFilter(filter))
        // What a failover could take back must not be shown, nor marked as reached.
        .readConcern('majority')
        .sort({ committedAt: -1, _id: -1 })
        .limit(Number(limit))
        .lean<AuditDocument[]>(),
    );
  }
}

export function toRow({ lane, seq, body, hash }: AuditDocument): AuditRow {
  return { lane, seq, body, hash };
}
