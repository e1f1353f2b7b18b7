/**
 * The two servers that are compared, as seen by the run: child processes that are told to start, asked for the CPU time they have
 * used, and stopped.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { JWK } from 'jose';

/** How long a server may take to start or to answer a question about itself. */
const PATIENCE_MS = 30_000;

export const SERVER_NAMES = ['countersign', 'base'] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

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
  /** Agents that can be killed while others are at work, and who may; absent where the server knows no kill. */
  readonly spares?: { readonly token: string; readonly killUrls: readonly string[] };
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
  /** How many agents `Target.spares` is to have. */
  readonly spares: number;
}

export type ServerOrder =
  | { readonly kind: 'start'; readonly order: StartOrder }
  | { readonly kind: 'report-use' }
  | { readonly kind: 'stop' };

export type ServerReport =
  | { readonly kind: 'started'; readonly target: Target }
  /** User and system time of the whole process, all its threads, since it began; and what it holds of the machine's memory. */
  | { readonly kind: 'use'; readonly cpuMicroseconds: number; readonly residentBytes: number };

export interface ServerProcess {
  readonly name: ServerName;
  readonly target: Target;
  use(): Promise<Extract<ServerReport, { kind: 'use' }>>;
  stop(): Promise<void>;
}

export interface ServerProcessOptions {
  /** Where the server's files go; they are deleted with it. */
  readonly parentDirectory: string;
  readonly clientKey: JWK;
  readonly crowd?: number;
  readonly spares?: number;
  /** More of the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where CPU profiles go, one for each thread, in a directory for each server; none are made without it. */
  readonly profileDirectory?: string | undefined;
}

/** Starts a server, with the same Node and the same flags for either of the two. */
export async function startServerProcess(
  name: ServerName,
  options: ServerProcessOptions,
): Promise<ServerProcess> {
  const directory = await mkdtemp(join(options.parentDirectory, `${name}-`));
  // Logs go to a file: they are written as in real use, and nobody's terminal holds the server up.
  const logFile = openSync(join(directory, 'server.log'), 'a');
  const child = fork(new URL(`./${name}-server.js`, import.meta.url), {
    stdio: ['ignore', logFile, 'inherit', 'ipc'],
    execArgv: options.profileDirectory
      ? ['--cpu-prof', `--cpu-prof-dir=${join(options.profileDirectory, name)}`]
      : [],
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...options.env },
  });
  closeSync(logFile);
  const { clientKey, crowd = 0, spares = 0 } = options;
  const order = { directory, clientKey, crowd, spares };
  const started = await ask(child, name, { kind: 'start', order }, 'started');
  return {
    name,
    target: started.target,
    use: () => ask(child, name, { kind: 'report-use' }, 'use'),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.send({ kind: 'stop' } satisfies ServerOrder);
        await ended;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function ask<Kind extends ServerReport['kind']>(
  child: ChildProcess,
  name: ServerName,
  order: ServerOrder,
  kind: Kind,
): Promise<Extract<ServerReport, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(
      () => settle(() => reject(new Error(`${name} does not answer`))),
      PATIENCE_MS,
    );
    const onMessage = (report: ServerReport): void => {
      if (report.kind === kind) settle(() => resolve(report as Extract<ServerReport, { kind: Kind }>));
    };
    const onExit = (): void => settle(() => reject(new Error(`${name} ended by itself`)));
    const settle = (finish: () => void): void => {
      clearTimeout(patience);
      child.off('message', onMessage);
      child.off('exit', onExit);
      finish();
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send(order);
  });
}
