/**
 * Tests whose answer hangs on what the store does are run on every store there is: written once, declared twice. What a store
 * must do by itself is in `test/contract/`; this is for what is asked of the whole server.
 */
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { type MongoServer, startMongoServer } from './mongo-server.ts';

/** The settings of a store that nobody else has: what `startApp` takes as `env`. */
export type StoreEnv = Readonly<Record<string, string>>;

let mongo: MongoServer | undefined;
let isMongoWanted = false;

/**
 * Declares a test twice: on SQLite under its title, and on MongoDB under its title with `(mongodb)`.
 *
 * @param body gets the settings of an empty store; a server that is given them again finds what the first one left
 */
export function onEachStore(
  title: string,
  body: (t: ExecutionContext, store: StoreEnv) => Promise<void>,
): void {
  // SQLite is what `startApp` uses by itself, in a directory of the test's own.
  test(title, t => body(t, {}));
  if (process.env['COUNTERSIGN_TEST_MONGODB'] === 'off') {
    test.skip(`${title} (mongodb)`, () => undefined);
    return;
  }
  wantMongo();
  // One at a time: each opens a database, and a server under test refuses when its database keeps it waiting.
  test.serial(`${title} (mongodb)`, t =>
    body(t, {
      COUNTERSIGN_STORE: mongo?.freshUri() ?? '',
      COUNTERSIGN_KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    }),
  );
}

/** One MongoDB server for all tests of a file, started for the first that asks. */
function wantMongo(): void {
  if (isMongoWanted) return;
  isMongoWanted = true;
  test.before('start a MongoDB server', async () => {
    mongo = await startMongoServer();
  });
  test.after.always('stop the MongoDB server', () => mongo?.stop());
}
