import { DEPLOYMENT, eraOf } from '../../deployment-epoch.ts';
import type { TrailReader } from '../trail-reader.ts';
import { nativeDatabase, openDatabase } from './database.ts';
import { describeUri } from './describe-uri.ts';
import { schemaVersion } from './migrations.ts';
import { readPatience } from './read.ts';
import { TrailReads } from './trail-reads.ts';

/** No request waits for what is read here. */
const PATIENCE = 60;

export async function openMongoTrail(uri: string): Promise<TrailReader | undefined> {
  const database = await openDatabase(uri);
  readPatience.factor = Math.max(readPatience.factor, PATIENCE);
  try {
    if ((await schemaVersion(nativeDatabase(database.connection))) === undefined) {
      await database.connection.close();
      return undefined;
    }
    const deployment = await database.deployment.findById(DEPLOYMENT).lean<{ readonly payload: string }>();
    const { epoch } = JSON.parse(deployment?.payload ?? '{"epoch":0}') as { readonly epoch: number };
    const reads = new TrailReads(database, () => eraOf(epoch));
    return {
      description: `MongoDB ${describeUri(uri)}`,
      listLanes: () => reads.listLanes(),
      readLane: (...asked) => reads.readLane(...asked),
      readCuts: () => reads.readCuts(),
      readNewest: limit => reads.readNewest(limit),
      close: () => database.connection.close(),
    };
  } catch (error) {
    await database.connection.close(true);
    throw error;
  }
}
