/**
 * Tests of the whole server that are run on every store there is: written once, declared twice. What a store must do by itself is
 * in `test/contract/`. `COUNTERSIGN_TEST_MONGODB` says how much of it is run on MongoDB: `off` nothing, `all` everything.
 */
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { type MongoServer, startMongoServer } from './mongo-server.ts';

/** The settings of a store that nobody else has: what `startApp` takes as `env`. */
export type StoreEnv = Readonly<Record<string, string>>;

let mongo: MongoServer | undefined;
let isMongoWanted = false;
/** Ends what the tests of a file have shared, the last first. */
const endings: (() => unknown)[] = [];

/**
 * Declares a test twice: on SQLite under its title, and on MongoDB under its title with `(mongodb)`. For what hangs on the store:
 * races, what others have committed, what a query finds, what outlives a process.
 *
 * @param body gets the settings of an empty store; a server that is given them again finds what the first one left
 */
export function onEachStore(
  title: string,
  body: (t: ExecutionContext, store: StoreEnv) => Promise<void>,
): void {
  // SQLite is what `startApp` uses by itself, in a directory of the test's own.
  test(title, t => body(t, {}));
  onMongo(title, body);
}

function onMongo(title: string, body: (t: ExecutionContext, store: StoreEnv) => Promise<void>): void {
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

/**
 * Declares a test on SQLite, and on MongoDB where everything is run there, as the proof `every-store` does: for what is decided
 * above the store, out of what any store that keeps the contract finds.
 *
 * @param body as in `onEachStore`
 */
export function whateverTheStore(
  title: string,
  body: (t: ExecutionContext, store: StoreEnv) => Promise<void>,
): void {
  if (process.env['COUNTERSIGN_TEST_MONGODB'] === 'all') onEachStore(title, body);
  else test(title, t => body(t, {}));
}

/**
 * Declares tests as `onEachStore` does, one after the other, that have something in common on each store, such as two servers: it is
 * started for the first of them. Each makes agents and people of its own.
 */
export function sharingOnEachStore<Shared>(
  start: (host: { teardown(work: () => unknown): void }, store: StoreEnv) => Promise<Shared>,
): (title: string, body: (t: ExecutionContext, shared: Shared) => Promise<void>) => void {
  const started = new Map<string, Promise<Shared>>();
  const host = { teardown: (work: () => unknown) => void endings.unshift(work) };
  const startOnce = (kind: string, store: StoreEnv): Promise<Shared> => {
    const known = started.get(kind) ?? start(host, store);
    started.set(kind, known);
    return known;
  };
  test.after.always('end what was shared', endShared);
  return (title, body) => {
    test.serial(title, async t => body(t, await startOnce('sqlite', {})));
    onMongo(title, async (t, store) => body(t, await startOnce('mongo', store)));
  };
}

async function endShared(): Promise<void> {
  for (const end of endings.splice(0)) await end();
}

/** One MongoDB server for all tests of a file, started for the first that asks. */
function wantMongo(): void {
  if (isMongoWanted) return;
  isMongoWanted = true;
  test.before('start a MongoDB server', async () => {
    mongo = await startMongoServer();
  });
  test.after.always('stop the MongoDB server', async () => {
    await endShared();
    await mongo?.stop();
  });
}
