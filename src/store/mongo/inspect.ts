import { eraOf } from '../../deployment-epoch.ts';
import { eventAt } from '../sqlite/inspect.ts';
import type { StoreInspection } from '../store-inspection.ts';
import { nativeDatabase, openDatabase, type RecordDocument } from './database.ts';
import { SCHEMA_VERSION, schemaVersion } from './migrations.ts';
import { askPrimary } from './primary-clock.ts';

export async function inspectMongo(uri: string): Promise<StoreInspection | undefined> {
  const { connection } = await openDatabase(uri);
  try {
    const db = nativeDatabase(connection);
    const version = await schemaVersion(db);
    if (version === undefined) return undefined;
    const payloads = async <T>(name: string): Promise<T[]> => {
      const documents = await db.collection<RecordDocument>(name).find().toArray();
      return documents.map(({ payload }) => JSON.parse(payload) as T);
    };
    const [deployment] = await payloads<NonNullable<StoreInspection['deployment']>>('deployment');
    const clockAt = await askPrimary(db)();
    const era = eraOf(deployment?.epoch ?? 0);
    const [newest] = await db
      .collection('audit')
      .find(era > 0 ? { clockEra: era } : {})
      .sort({ committedAt: -1, _id: -1 })
      .limit(1)
      .toArray();
    return {
      description: `MongoDB ${db.databaseName}`,
      schemaVersion: version,
      knownVersion: SCHEMA_VERSION,
      signingKeys: await payloads('signing_key'),
      deployment,
      newestEventAt: newest && eventAt(String(newest['body'])),
      lastCommittedAt: newest && Number(newest['committedAt']),
      clockAt,
    };
  } finally {
    await connection.close();
  }
}
