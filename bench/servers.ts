/**
 * The servers that are compared, as seen by the run: child processes that are started, asked for the CPU time they have used, and
 * stopped.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { MongoStore } from './mongo-store.ts';

/** How long a server may take to start or to answer a question about itself. */
export const PATIENCE_MS = 30_000;
/**
 * How often each thread is sampled, where CPU profiles are made: some thousand times in the rounds of a work. So often, the threads
 * of a server need no more CPU than their rounds scatter by; twice as often, several per cent more. It is no part of a millisecond,
 * since timers go by those, and a thread would be met again and again at the same step.
 */
const SAMPLING_MICROSECONDS = 907;
/** What of its log is shown when a server fails. */
const LOG_LINES = 10;

/** The two of a run without `--against`. */
export type ServerName = 'countersign' | 'base';

/** Lifetime of the tokens of both servers: none ends within a run. */
export const TOKEN_TTL_SECONDS = 3_600;
export const SCOPE = 'read';
/** The audiences: one resource server whose tokens are opaque, one whose tokens are JWTs signed with ES256. */
export const OPAQUE_RESOURCE = 'https://opaque.example/mcp';
export const JWT_RESOURCE = 'https://jwt.example/mcp';

/** Where the requests go, and as whom. */
export interface Target {
  readonly issuer: string;
  readonly port: number;
  readonly paths: {
    readonly token: string;
    readonly introspection: string;
    readonly revocation: string;
    readonly discovery: string;
    readonly jwks: string;
  };
  /** A client that authenticates with `client_secret_basic`. */
  readonly secretClient: BasicCredentials;
  /** The identifier of a client that authenticates with `private_key_jwt`. */
  readonly keyClientId: string;
  /** The resource server that is the audience of opaque tokens. */
  readonly resourceServer: BasicCredentials;
  /** As many clients as the order asked for, registered while the server runs; each authenticates with `client_secret_basic`. */
  readonly crowd: readonly BasicCredentials[];
  /** Absent where the server has no admin API. */
  readonly admin?: Admin;
}

/** What is done over the admin API while others are at work, and by whom. */
export interface Admin {
  readonly client: BasicCredentials;
  /** Behind new agents. */
  readonly ownerId: string;
  /** Agents that may be killed; whoever kills one takes it out. */
  readonly spares: string[];
}

export interface BasicCredentials {
  readonly id: string;
  readonly secret: string;
}

/** What a server is told when it starts. */
export interface StartOrder {
  /** An empty directory on a disk, for what the server keeps. */
  readonly directory: string;
  /** The public key of the client that authenticates with `private_key_jwt`; ES256. */
  readonly clientKey: JWK;
  /** How many clients `Target.crowd` is to have. */
  readonly crowd: number;
}

export type ServerOrder =
  | { readonly kind: 'start'; readonly order: StartOrder }
  | { readonly kind: 'report-use' }
  | { readonly kind: 'stop' };

export type ServerReport =
  | { readonly kind: 'started'; readonly target: Target }
  /** User and system time of the whole process, all its threads, since it began; and what it holds of the machine's memory. */
  | { readonly kind: 'use'; readonly cpuMicroseconds: number; readonly residentBytes: number };

export type Use = Extract<ServerReport, { kind: 'use' }> & {
  /** The same time of the database, where it is a process of its own that the run has started. */
  readonly databaseCpuMicroseconds?: number | undefined;
};

export interface ServerProcess {
  readonly pid: number;
  readonly target: Target;
  /** Whether it may answer 503 for a moment, as where it hears of what others have committed from a busy database. */
  readonly mayBeUnavailable?: boolean;
  use(): Promise<Use>;
  stop(): Promise<void>;
}

export interface ServerProcessOptions {
  /** What its directories are called. */
  readonly name: string;
  /** Where the server's files go; they are deleted with it. */
  readonly parentDirectory: string;
  readonly clientKey: JWK;
  readonly crowd?: number;
  /** How many agents can be killed, where the server knows a kill. */
  readonly spares?: number;
  /** What Countersign keeps its records in; a SQLite file in its directory where absent. */
  readonly store?: MongoStore | undefined;
  /** More of the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where its CPU profiles go, one for each thread; none are made without it. */
  readonly profileDirectory?: string | undefined;
}

/** Starts bare oidc-provider. */
export async function startBase(options: ServerProcessOptions): Promise<ServerProcess> {
  const { clientKey, crowd = 0 } = options;
  const started = await startChild(join(import.meta.dirname, 'base-server.js'), options);
  const { child, directory, remove } = started;
  const stop = async (): Promise<void> => {
    await end(child, () => child.send({ kind: 'stop' } satisfies ServerOrder));
    await remove();
  };
  try {
    const order = { directory, clientKey, crowd };
    const { target } = await ask(started, { kind: 'start', order }, 'started');
    return { pid: child.pid as number, target, use: () => ask(started, { kind: 'report-use' }, 'use'), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface Child {
  readonly child: ChildProcess;
  readonly name: string;
  /** The server's own. */
  readonly directory: string;
  readonly logFile: string;
  /** Deletes the directory. */
  remove(): Promise<void>;
}

const children = new Set<ChildProcess>();

/** Ends all of them without a word, and waits until they are gone. */
export async function killServers(): Promise<void> {
  await Promise.all([...children].map(child => end(child, () => child.kill('SIGKILL'))));
}

/** Starts a process of the same Node, with the same flags for every server, and with nothing of our environment but the path. */
export async function startChild(
  module: string,
  { name, parentDirectory, profileDirectory, env }: ServerProcessOptions,
  { preload, envIn }: { preload?: string; envIn?: (directory: string) => NodeJS.ProcessEnv } = {},
): Promise<Child> {
  const directory = await mkdtemp(join(parentDirectory, `${name}-`));
  // Logs go to a file: they are written as in real use, and nobody's terminal holds the server up.
  const logFile = join(directory, 'server.log');
  const log = openSync(logFile, 'a');
  const child = fork(module, {
    // So that it finds no file of settings that lies about.
    cwd: directory,
    stdio: ['ignore', log, log, 'ipc'],
    execArgv: [
      ...(preload === undefined ? [] : ['--import', preload]),
      ...(profileDirectory === undefined
        ? []
        : [
            '--cpu-prof',
            `--cpu-prof-interval=${SAMPLING_MICROSECONDS}`,
            `--cpu-prof-dir=${profileDirectory}`,
          ]),
    ],
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...envIn?.(directory), ...env },
  });
  closeSync(log);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return { child, name, directory, logFile, remove: () => rm(directory, { recursive: true, force: true }) };
}

export async function end(child: ChildProcess, order: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  order();
  await ended;
}

/** What a server said last. */
export async function lastWords({ logFile }: Child): Promise<string> {
  const lines = (await readFile(logFile, 'utf8')).trimEnd().split('\n');
  return lines.slice(-LOG_LINES).join('\n') || '(it said nothing)';
}

export function ask<Kind extends ServerReport['kind']>(
  asked: Child,
  order: ServerOrder,
  kind: Kind,
): Promise<Extract<ServerReport, { kind: Kind }>> {
  const { child, name } = asked;
  return new Promise((resolve, reject) => {
    const patience = setTimeout(
      () => settle(() => reject(new Error(`${name} does not answer`))),
      PATIENCE_MS,
    );
    const onMessage = (report: ServerReport): void => {
      if (report.kind === kind) settle(() => resolve(report as Extract<ServerReport, { kind: Kind }>));
    };
    const onExit = (): void =>
      settle(() => {
        lastWords(asked).then(said => reject(new Error(`${name} ended by itself: ${said}`)), reject);
      });
    const settle = (finish: () => void): void => {
      clearTimeout(patience);
      child.off('message', onMessage);
      child.off('exit', onExit);
      finish();
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    // One that has just ended is told of by its exit.
    child.send(order, error => {
      if (error && (child.exitCode !== null || child.signalCode !== null)) onExit();
    });
  });
}
