import type { ClientSession, Model } from 'mongoose';
import type { Conflict } from '../../audit/index.ts';
import type { EngineChange, StoredEngineRecord } from '../../provider/engine-store.ts';
import type { EngineRecordDocument } from './database.ts';
import { read, trustedFilter } from './read.ts';

/** Reads the engine's records. They are never kept in memory: another process may have used one up. */
export class EngineRecords {
  readonly #model: Model<EngineRecordDocument>;

  constructor(model: Model<EngineRecordDocument>) {
    this.#model = model;
  }

  find(model: string, key: string): Promise<StoredEngineRecord | undefined> {
    return this.#findOne({ _id: documentId(model, key) });
  }

  findByUid(model: string, uid: string): Promise<StoredEngineRecord | undefined> {
    return this.#findOne({ model: String(model), uid: String(uid) });
  }

  async #findOne(filter: Readonly<Record<string, string>>): Promise<StoredEngineRecord | undefined> {
    const document = await read(() =>
      this.#model.findOne(filter).read('primary').lean<EngineRecordDocument>(),
    );
    return document ? toRecord(document) : undefined;
  }
}

/** Applies a change to the engine's records within the session's open transaction. */
export async function applyEngineChange(
  model: Model<EngineRecordDocument>,
  session: ClientSession,
  change: EngineChange,
): Promise<Exclude<Conflict, 'authority-ended'> | undefined> {
  switch (change.kind) {
    case 'engine-put': {
      const { record } = change;
      const present = { model: String(record.model), payload: String(record.payload) };
      const named = {
        ...(record.grantId !== undefined && { grantId: String(record.grantId) }),
        ...(record.uid !== undefined && { uid: String(record.uid) }),
      };
      await model.updateOne(
        { _id: documentId(record.model, record.key) },
        { $set: { ...present, ...named, expiresAt: new Date(record.expiresAt) } },
        { session, upsert: true },
      );
      return undefined;
    }
    case 'engine-consume': {
      const consumed = await model.updateOne(
        trustedFilter({
          _id: documentId(change.model, change.key),
          consumedAt: null,
          expiresAt: { $gt: new Date(change.now) },
        }),
        { $set: { consumedAt: Number(change.now) } },
        { session },
      );
      return consumed.matchedCount === 0 ? 'already-used' : undefined;
    }
    case 'engine-destroy':
      await model.deleteOne({ _id: documentId(change.model, change.key) }, { session });
      return undefined;
    case 'engine-revoke-grant':
      await model.deleteMany({ model: String(change.model), grantId: String(change.grantId) }, { session });
      return undefined;
  }
}

function documentId(model: string, key: string): string {
  return `${model}:${key}`;
}

function toRecord(document: EngineRecordDocument): StoredEngineRecord {
  const { _id, model, payload, grantId, uid, expiresAt, consumedAt } = document;
  return {
    model,
    key: _id.slice(model.length + 1),
    payload,
    expiresAt: expiresAt.getTime(),
    ...(grantId !== undefined && { grantId }),
    ...(uid !== undefined && { uid }),
    ...(consumedAt !== undefined && { consumedAt }),
  };
}
