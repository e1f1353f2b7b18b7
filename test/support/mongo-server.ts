/**
 * A server that speaks MongoDB's protocol, for the tests of the production store. In this order, whatever can be had:
 *
 * 1. the deployment named by `COUNTERSIGN_TEST_MONGODB_URI` (it cannot be killed and has no fail points, so those tests are left out)
 * 2. `mongod` on the PATH, or the program named by `MONGOD`
 * 3. the `mongod` that mongodb-memory-server downloads
 * 4. SecantusDB from PyPI, pinned, in a virtual environment under `node_modules/.cache`
 *
 * 2 to 4 run as a replica set of one node, with a data directory and a port of their own. A run of several files starts one for
 * all of them, in which every test has a database of its own; who kills the server or makes it fail starts another. With
 * `COUNTERSIGN_TEST_MONGODB=off` the tests are meant to be left out; otherwise having none of the four is a failure.
 *
 * Run as a program it fetches what the tests will need, so that they do not wait for it: `node test/support/mongo-server.ts`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import mongoose from 'mongoose';
import { freePort } from './free-port.ts';
import { CACHE, installPythonPackages } from './python-package.ts';

const { MongoClient } = mongoose.mongo;

const REQUIREMENTS = join(import.meta.dirname, 'secantusdb-requirements.txt');
/** Only keeps a server that does not start from being waited for for ever. */
const START_TIMEOUT_MS = 15 * 60_000;
/** Whether a download is possible is asked once in a run of the tests, which takes less than this. */
const REMEMBER_FAILURE_MS = 30 * 60_000;
const MONGOD_VERSION = '8.2.6';

/** What `configureFailPoint` takes: `failCommand` with these data, this often. */
export interface FailPoint {
  readonly mode: { readonly times: number } | 'alwaysOn' | 'off';
  readonly data?: {
    readonly failCommands: readonly string[];
    /** Only connections of this application: the `appName` in a URI. */
    readonly appName?: string;
    readonly errorCode?: number;
    readonly errorLabels?: readonly string[];
    readonly closeConnection?: boolean;
    readonly blockConnection?: boolean;
    readonly blockTimeMS?: number;
    readonly writeConcernError?: { readonly code: number; readonly errmsg: string };
  };
}

export interface MongoServer {
  /** Which server this is, and its version. */
  readonly name: string;
  /** False for a deployment that is not ours: it is neither killed nor given fail points. */
  readonly isOurs: boolean;
  /** The URI of a database that does not exist yet; `appName` tells its connections apart from others. */
  freshUri(appName?: string): string;
  /** Ends the process as `kill -9` does, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and the same port. */
  restart(): Promise<void>;
  setFailPoint(failPoint: FailPoint): Promise<void>;
  stop(): Promise<void>;
}

/** How one of our own servers is started. */
interface Launch {
  readonly program: string;
  arguments(port: number, directory: string, isKilled: boolean): readonly string[];
  readonly replicaSet: string;
  readonly needsInitiate: boolean;
}

let databases = 0;

/** The server that a run of several files has in common: JSON of its port, its replica set and its name. */
const OFFERED = 'COUNTERSIGN_TEST_MONGODB_OFFERED';

interface OfferedServer {
  readonly port: number;
  readonly replicaSet: string;
  readonly name: string;
}

/**
 * A server with fresh databases: the one that the run offers, or one of its own. Says on stderr which.
 *
 * @param alone the test kills it or makes it fail, so nobody else may be on it
 * @returns undefined when the tests are meant to be left out
 * @throws with the list of what was tried when none can be had
 */
export async function startMongoServer({ alone = false } = {}): Promise<MongoServer | undefined> {
  if (process.env['COUNTERSIGN_TEST_MONGODB'] === 'off') return undefined;
  const uri = process.env['COUNTERSIGN_TEST_MONGODB_URI'];
  const offered = process.env[OFFERED];
  if (offered && !alone) return useOffered(JSON.parse(offered));
  const server = uri ? await useDeployment(uri) : await OwnServer.start(await findLaunch(), alone);
  process.stderr.write(`MongoDB tests run on ${server.name}\n`);
  return server;
}

/** Starts the server that all files of a run have in common, and offers it to them by the environment. */
export async function offerMongoServer(): Promise<{ stop(): Promise<void> } | undefined> {
  if (process.env['COUNTERSIGN_TEST_MONGODB_URI']) return undefined;
  const server = await startMongoServer();
  if (server instanceof OwnServer) process.env[OFFERED] = JSON.stringify(server.offer());
  return server;
}

function useOffered({ port, replicaSet, name }: OfferedServer): MongoServer {
  const shared = (): Promise<never> =>
    Promise.reject(new Error('other tests are on this server too: start one with { alone: true }'));
  return {
    name,
    isOurs: false,
    freshUri: appName => freshUri(port, replicaSet, appName),
    kill: shared,
    restart: shared,
    setFailPoint: shared,
    stop: async () => undefined,
  };
}

function freshUri(port: number, replicaSet: string, appName = 'countersign-tests'): string {
  databases += 1;
  const database = `countersign_${process.pid}_${databases}`;
  return `mongodb://127.0.0.1:${port}/${database}?replicaSet=${replicaSet}&appName=${appName}`;
}

async function findLaunch(): Promise<Launch> {
  const tried: string[] = ['COUNTERSIGN_TEST_MONGODB_URI is not set'];
  for (const find of [findMongod, downloadMongod, installSecantus]) {
    try {
      return await find();
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(
    [
      'No server for the MongoDB tests. COUNTERSIGN_TEST_MONGODB=off leaves them out. Tried:',
      ...tried.map(line => `- ${line}`),
    ].join('\n'),
  );
}

async function findMongod(): Promise<Launch> {
  const named = process.env['MONGOD'];
  const candidates = named
    ? [named]
    : (process.env['PATH'] ?? '').split(delimiter).map(directory => join(directory, 'mongod'));
  for (const program of candidates) {
    const usable = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return mongodLaunch(program);
  }
  throw new Error(named ? `MONGOD: ${named} cannot be run` : 'mongod is not on the PATH');
}

/** The download is tried only where its address answers, so that a machine without it does not wait. */
async function downloadMongod(): Promise<Launch> {
  const remembered = join(CACHE, 'mongod-download-failed');
  const failedAt = await stat(remembered).then(
    found => found.mtimeMs,
    () => 0,
  );
  if (Date.now() - failedAt < REMEMBER_FAILURE_MS) throw new Error(await readFile(remembered, 'utf8'));
  const { MongoBinary } = await import('mongodb-memory-server-core');
  const { MongoBinaryDownloadUrl } = await import(
    'mongodb-memory-server-core/lib/util/MongoBinaryDownloadUrl.js'
  );
  try {
    const options = { version: MONGOD_VERSION, platform: process.platform, arch: process.arch };
    const url = await new MongoBinaryDownloadUrl(options).getDownloadUrl();
    const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(8_000) });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    return mongodLaunch(
      await MongoBinary.getPath({ version: MONGOD_VERSION, downloadDir: join(CACHE, 'mongod') }),
    );
  } catch (error) {
    const reason =
      error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : error;
    const message = `mongod ${MONGOD_VERSION} cannot be downloaded: ${String(reason)}`;
    await mkdir(CACHE, { recursive: true });
    await writeFile(remembered, message);
    throw new Error(message);
  }
}

function mongodLaunch(program: string): Launch {
  return {
    program,
    arguments: (port, directory) => [
      ...['--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', directory],
      ...['--replSet', 'countersign', '--setParameter', 'enableTestCommands=1'],
    ],
    replicaSet: 'countersign',
    needsInitiate: true,
  };
}

async function installSecantus(): Promise<Launch> {
  const directory = await installPythonPackages('secantusdb', REQUIREMENTS);
  const program = join(directory, 'bin/secantusd-py');
  return {
    program,
    arguments: (port, data, isKilled) => [
      ...['--host', '127.0.0.1', '--port', String(port), '--storage-path', data],
      // Without it acknowledged writes are lost when it is killed; with it every write waits for the disk.
      ...(isKilled ? ['--sync-on-commit'] : []),
      // Without it there are no fail points.
      '--enable-test-commands',
      // Where its cache is full it may stand still for good: it holds a lock while it waits for an old transaction, which needs that lock to end.
      ...['--cache-size', '4G'],
    ],
    replicaSet: 'secantus',
    needsInitiate: false,
  };
}

class OwnServer implements MongoServer {
  readonly isOurs = true;
  readonly #launch: Launch;
  /** It may be killed, and has to keep then what it has acknowledged. */
  readonly #isKilled: boolean;
  readonly #directory: string;
  readonly #port: number;
  #process: ChildProcess | undefined;
  #name = '';
  readonly #killAtExit = (): void => void this.#process?.kill('SIGKILL');

  private constructor(launch: Launch, isKilled: boolean, directory: string, port: number) {
    this.#launch = launch;
    this.#isKilled = isKilled;
    this.#directory = directory;
    this.#port = port;
  }

  static async start(launch: Launch, isKilled: boolean): Promise<OwnServer> {
    const server = new OwnServer(
      launch,
      isKilled,
      await mkdtemp(join(tmpdir(), 'countersign-mongo-')),
      await freePort(),
    );
    process.once('exit', server.#killAtExit);
    await server.restart();
    if (launch.needsInitiate) await server.#initiate();
    server.#name = await server.#admin(async db => {
      const info = await db.command({ buildInfo: 1 });
      const isSecantus = launch.replicaSet === 'secantus';
      return isSecantus
        ? `SecantusDB 0.7.0b3 (says it is MongoDB ${info['version']})`
        : `MongoDB ${info['version']}`;
    });
    return server;
  }

  get name(): string {
    return this.#name;
  }

  freshUri(appName?: string): string {
    return freshUri(this.#port, this.#launch.replicaSet, appName);
  }

  offer(): OfferedServer {
    return { port: this.#port, replicaSet: this.#launch.replicaSet, name: this.#name };
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.#process = undefined;
  }

  async restart(): Promise<void> {
    await this.kill();
    let output = '';
    const child = spawn(
      this.#launch.program,
      this.#launch.arguments(this.#port, this.#directory, this.#isKilled),
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        // It would also read configuration from here and from the home directory.
        cwd: this.#directory,
        env: { ...process.env, HOME: this.#directory },
      },
    );
    const note = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    this.#process = child;
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await isListening(this.#port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`${this.#launch.program} did not start:\n${output}`);
      }
      await delay(20);
    }
  }

  async setFailPoint({ mode, data }: FailPoint): Promise<void> {
    await this.#admin(db => db.command({ configureFailPoint: 'failCommand', mode, ...(data && { data }) }));
  }

  async stop(): Promise<void> {
    process.removeListener('exit', this.#killAtExit);
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #initiate(): Promise<void> {
    const members = [{ _id: 0, host: `127.0.0.1:${this.#port}` }];
    await this.#admin(async db => {
      await db.command({ replSetInitiate: { _id: this.#launch.replicaSet, members } });
      const deadline = performance.now() + START_TIMEOUT_MS;
      while (!(await db.command({ hello: 1 }))['isWritablePrimary']) {
        if (performance.now() > deadline) throw new Error('the replica set has no primary');
        await delay(50);
      }
    });
  }

  async #admin<T>(work: (db: mongoose.mongo.Db) => Promise<T>): Promise<T> {
    const client = new MongoClient(`mongodb://127.0.0.1:${this.#port}/?directConnection=true`, {
      appName: 'countersign-test-support',
      serverSelectionTimeoutMS: START_TIMEOUT_MS,
    });
    try {
      return await work(client.db('admin'));
    } finally {
      await client.close();
    }
  }
}

/** A deployment of somebody's own. Each test gets a database of its own there, which is dropped at the end. */
async function useDeployment(uri: string): Promise<MongoServer> {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(uri);
  if (!parts) throw new Error('COUNTERSIGN_TEST_MONGODB_URI is not a MongoDB URI');
  const [, hosts, database, query = ''] = parts;
  const parameters = new URLSearchParams(query);
  // Credentials belong to the database that the URI names, unless it says otherwise.
  if (hosts?.includes('@') && !parameters.has('authSource'))
    parameters.set('authSource', database || 'admin');
  const client = await new MongoClient(uri).connect();
  const { version } = await client.db('admin').command({ buildInfo: 1 });
  const used: string[] = [];
  const notOurs = (): Promise<never> =>
    Promise.reject(new Error('the deployment under COUNTERSIGN_TEST_MONGODB_URI is not ours to break'));
  return {
    name: `MongoDB ${version} (COUNTERSIGN_TEST_MONGODB_URI)`,
    isOurs: false,
    freshUri(appName = 'countersign-tests') {
      const name = `countersign_test_${process.pid}_${Date.now().toString(36)}_${used.length}`;
      used.push(name);
      parameters.set('appName', appName);
      return `${hosts}/${name}?${parameters}`;
    },
    kill: notOurs,
    restart: notOurs,
    setFailPoint: notOurs,
    async stop() {
      for (const name of used) await client.db(name).dropDatabase();
      await client.close();
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

if (import.meta.main) {
  const server = await startMongoServer();
  await server?.stop();
}
