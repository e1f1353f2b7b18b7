/**
 * The server of the MongoDB tests for another program, `npm run bench -- --store mongodb`: started as the tests start theirs, it says
 * where it is, and ends with whoever started it. What it has acknowledged is on the disk.
 */
import mongoose from 'mongoose';
import { startMongoServer } from './mongo-server.ts';

const starting = startMongoServer({ alone: true });
process.once('disconnect', async () => {
  await (await starting)?.stop();
  process.exit();
});
const server = await starting;
if (!server) throw new Error('COUNTERSIGN_TEST_MONGODB=off leaves MongoDB out');
const uri = server.freshUri('countersign-bench');
process.send?.({ name: server.name, uri, ...(server.isOurs && { pid: await pidOf(uri) }) });

/** As the server says it itself. */
async function pidOf(uri: string): Promise<number> {
  const client = new mongoose.mongo.MongoClient(uri);
  try {
    const { pid } = await client.db('admin').command({ serverStatus: 1 });
    return Number(pid);
  } finally {
    await client.close();
  }
}
