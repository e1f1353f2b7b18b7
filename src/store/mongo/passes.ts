import type { ClientSession, Model } from 'mongoose';
import type { Conflict } from '../../audit/index.ts';
import type { Pass, PassChange, PassKind, PassOf } from '../../people/index.ts';
import type { PassDocument } from './database.ts';
import { read, trustedFilter } from './read.ts';

/** Reads passes. They are never kept in memory: another process may have ended one. */
export class Passes {
  readonly #model: Model<PassDocument>;

  constructor(model: Model<PassDocument>) {
    this.#model = model;
  }

  async find<K extends PassKind>(kind: K, key: string): Promise<PassOf<K> | undefined> {
    const document = await read(() =>
      this.#model
        .findById(documentId(kind, key))
        .read('primary')
        // What a failover could take back was not done.
        .readConcern('majority')
        .lean<PassDocument>(),
    );
    return document ? (JSON.parse(document.payload) as PassOf<K>) : undefined;
  }

  async list<K extends PassKind>(kind: K, personId: string): Promise<readonly PassOf<K>[]> {
    const documents = await read(() =>
      this.#model
        .find({ personId: String(personId), kind: String(kind) })
        .sort({ createdAt: -1, _id: 1 })
        .lean<PassDocument[]>(),
    );
    return documents.map(({ payload }) => JSON.parse(payload) as PassOf<K>);
  }
}

/** Applies a change to passes within the session's open transaction. */
export async function applyPassChange(
  model: Model<PassDocument>,
  session: ClientSession,
  change: PassChange,
): Promise<Exclude<Conflict, 'authority-ended'> | undefined> {
  switch (change.kind) {
    case 'issue-pass': {
      // An upsert that changes nothing: a failed insert would end the transaction.
      const { kind, personId, createdAt } = change.pass;
      const added = await model.updateOne(
        { _id: documentId(kind, change.pass.key) },
        {
          $setOnInsert: {
            kind: String(kind),
            personId: String(personId),
            createdAt: Number(createdAt),
            ...changing(change.pass),
          },
        },
        { session, upsert: true },
      );
      return added.upsertedCount === 0 ? 'already-exists' : undefined;
    }
    case 'renew-pass': {
      const { kind, key } = change.pass;
      const renewed = await model.updateOne(
        { _id: documentId(kind, key), version: Number(change.ifVersion) },
        { $set: changing(change.pass) },
        { session },
      );
      return renewed.matchedCount === 0 ? 'version-changed' : undefined;
    }
    case 'take-pass': {
      const taken = await model.deleteOne(
        trustedFilter({
          _id: documentId(change.passKind, change.key),
          expiresAt: { $gt: new Date(change.now) },
        }),
        { session },
      );
      return taken.deletedCount === 0 ? 'already-used' : undefined;
    }
    case 'end-passes': {
      const { passKind, personId, except } = change;
      const others = except === undefined ? {} : { _id: { $ne: documentId(passKind, except) } };
      await model.deleteMany(
        trustedFilter({ personId: String(personId), kind: String(passKind), ...others }),
        { session },
      );
      return undefined;
    }
  }
}

function changing(pass: Pass): Pick<PassDocument, 'version' | 'expiresAt' | 'payload'> {
  return {
    version: Number(pass.version),
    expiresAt: new Date(pass.expiresAt),
    payload: JSON.stringify(pass),
  };
}

function documentId(kind: PassKind, key: string): string {
  return `${kind}:${key}`;
}
