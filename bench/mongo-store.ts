/**
 * The MongoDB that Countersign is measured on with `--store`: somebody's own, or one that is started as the tests start theirs, by a
 * program of theirs, since nothing here is compiled together with tests. Each server gets a database of its own, which is dropped
 * when that server has ended.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { CannotUse } from '../src/cannot-use.ts';
import { Secret } from '../src/config/secret.ts';
import { cannotUseStore } from '../src/store/cannot-use-store.ts';
import { inDatabase, OWN_MONGODB } from './store-uri.ts';

const { MongoClient } = mongoose.mongo;

const SERVE = join(import.meta.dirname, '../../test/support/serve-mongo.ts');
const SELECTION_TIMEOUT_MS = 5_000;
/** What Linux counts the time of other processes in, on every machine that Node.js runs on. */
const MICROSECONDS_PER_TICK = 10_000;
const NOT_PERMITTED = 13;

export interface MongoStore {
  /** Which server it is, and its version. */
  readonly name: string;
  /** Whether `cpuMicroseconds` is known. */
  readonly isCounted: boolean;
  /** Starts another in place of one that was started here and has been used, so that no work pays for what another has left behind. */
  renew(): Promise<void>;
  /** A database that is not there yet. */
  fresh(): MongoDatabase;
  /** User and system time of the database's process since it began; undefined where the process is not ours. */
  cpuMicroseconds(): Promise<number | undefined>;
  /** Drops the databases that are left, and ends what was started. */
  close(): Promise<void>;
}

export interface MongoDatabase {
  readonly uri: string;
  drop(): Promise<void>;
}

/**
 * Opens it, and makes sure that databases can be made and dropped there.
 *
 * @param given as it was read
 * @param directory for the files of one that is started
 * @throws {Error} when it cannot be used, in a sentence that says what to do
 */
export async function openMongoStore(given: string, directory: string): Promise<MongoStore> {
  const open = async (): Promise<Server> =>
    connect(given === OWN_MONGODB ? await start(directory) : { uri: given });
  return new OpenStore(open, await open());
}

class OpenStore implements MongoStore {
  readonly #open: () => Promise<Server>;
  #server: Server;
  readonly #run = `countersign_bench_${randomBytes(6).toString('hex')}`;
  #made = 0;
  readonly #left = new Set<string>();

  constructor(open: () => Promise<Server>, server: Server) {
    this.#open = open;
    this.#server = server;
  }

  get name(): string {
    return this.#server.name;
  }

  get isCounted(): boolean {
    return this.#server.pid !== undefined;
  }

  async renew(): Promise<void> {
    if (this.#server.pid === undefined || this.#left.size === 0) return;
    await this.close();
    this.#left.clear();
    this.#server = await this.#open();
  }

  fresh(): MongoDatabase {
    this.#made += 1;
    const database = `${this.#run}_${this.#made}`;
    this.#left.add(database);
    return {
      uri: inDatabase(this.#server.uri, database),
      // What fails here is tried again at the end: whoever stops a server after a failure has that to tell.
      drop: () => this.#drop(database).catch(() => undefined),
    };
  }

  async cpuMicroseconds(): Promise<number | undefined> {
    const { pid } = this.#server;
    return pid === undefined ? undefined : await cpuOf(pid);
  }

  async close(): Promise<void> {
    const { client, end } = this.#server;
    try {
      for (const database of this.#left) await this.#drop(database);
    } catch (error) {
      throw new Error(`these databases are left: ${[...this.#left].join(', ')}`, { cause: error });
    } finally {
      await client.close();
      await end?.();
    }
  }

  async #drop(database: string): Promise<void> {
    const { client, pid } = this.#server;
    // One that ends with the run takes all with it.
    if (pid !== undefined) return;
    await client.db(database).dropDatabase();
    this.#left.delete(database);
  }
}

interface Address {
  readonly uri: string;
  readonly name?: string;
  /** Its process, where that is ours and ends with `end`. */
  readonly pid?: number;
  readonly end?: () => Promise<void>;
}

interface Server extends Address {
  readonly name: string;
  readonly client: mongoose.mongo.MongoClient;
}

async function connect(address: Address): Promise<Server> {
  const tried = inDatabase(address.uri, `countersign_bench_${randomBytes(6).toString('hex')}`);
  let client: mongoose.mongo.MongoClient | undefined;
  try {
    client = new MongoClient(tried, { serverSelectionTimeoutMS: SELECTION_TIMEOUT_MS });
    const version = await tryOut(client.db());
    return { name: `MongoDB ${version}`, ...address, client };
  } catch (error) {
    await client?.close();
    await address.end?.();
    throw inOurWords(error, tried);
  }
}

/** @returns its version */
async function tryOut(database: mongoose.mongo.Db): Promise<string> {
  const { setName, msg } = await database.command({ hello: 1 });
  if (setName === undefined && msg !== 'isdbgrid') {
    throw new CannotUse('--store', 'it is a standalone', 'make it a replica set (rs.initiate())');
  }
  await database.createCollection('tried');
  await database.dropDatabase();
  return String((await database.command({ buildInfo: 1 }))['version']);
}

function inOurWords(error: unknown, uri: string): unknown {
  if (error instanceof mongoose.mongo.MongoServerError && error.code === NOT_PERMITTED) {
    const mend = 'give it the roles readWriteAnyDatabase and dbAdminAnyDatabase';
    return new CannotUse('--store', 'its user may not make and drop databases there', mend, { cause: error });
  }
  const known = cannotUseStore(error, { kind: 'mongodb', uri: new Secret(uri) });
  return known instanceof CannotUse
    ? new CannotUse('--store', known.what, known.mend, { cause: error })
    : known;
}

/** Linux only (proc_pid_stat(5)); elsewhere it is not known. */
async function cpuOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name of the program is in parentheses and may be anything; user and system time are the 12th and 13th after it.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) * MICROSECONDS_PER_TICK;
}

/** Starts one with files in `directory`: that for temporary files is in memory on some systems, where an fsync costs nothing. */
async function start(directory: string): Promise<Address> {
  const child = fork(SERVE, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
    env: { ...process.env, TMPDIR: directory },
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const failed = once(child, 'close').then(() => undefined);
  const first = await Promise.race([once(child, 'message'), failed]);
  if (first === undefined) throw new Error(`--store: no MongoDB can be started:\n${said.trimEnd()}`);
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await ended;
  };
  return { ...(first[0] as Address), end };
}
