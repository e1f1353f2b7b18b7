/**
 * The server as operators run it: `src/main.ts` in processes of its own, several on one store. They share one issuer, as behind
 * a load balancer, so requests name the issuer's host whichever process they go to.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { CHILD_ENV } from './child-env.ts';
import type { Answer, FormParameters, PostOptions } from './start-app.ts';

/** Sends requests to one port, as to the issuer's host. */
export interface HttpCaller {
  post(path: string, form: FormParameters, options?: PostOptions): Promise<Answer>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  close(): void;
}

export interface ServerProcess extends Omit<HttpCaller, 'close'> {
  readonly pid: number;
  readonly port: number;
  readonly issuer: string;
  /** Milliseconds from the start of the process to its being ready. */
  readonly bootMs: number;
  /** What it has logged. */
  readonly logs: readonly string[];
  /** Sends a signal and resolves when the process is gone, with its exit code; null after a signal it could not handle. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
  /** Stops the process where it is, and resolves when it stands still; `SIGCONT` lets it go on. */
  freeze(): Promise<void>;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ServerProcessOptions {
  readonly env: Readonly<Record<string, string>>;
  /** The issuer that all processes of one deployment share. */
  readonly issuer: string;
  readonly port: number;
}

/** Starts one process and resolves when it takes requests. */
export async function startServerProcess({
  env,
  issuer,
  port,
}: ServerProcessOptions): Promise<ServerProcess> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { ...CHILD_ENV, ...env, COUNTERSIGN_ISSUER: issuer, COUNTERSIGN_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const logs: string[] = [];
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const ready = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      logs.push(line);
      if (line.includes('"msg":"ready"')) ready.resolve();
    });
  }
  ended.then(code => ready.reject(new Error(`the server ended with ${code}:\n${logs.join('\n')}`)));
  await ready.promise;
  return asServerProcess(child, ended, logs, { issuer, port, bootMs: performance.now() - startedAt });
}

function asServerProcess(
  child: ChildProcess,
  ended: Promise<number | null>,
  logs: readonly string[],
  { issuer, port, bootMs }: { issuer: string; port: number; bootMs: number },
): ServerProcess {
  const { call, post, close } = openCaller(port, issuer);
  return {
    pid: child.pid ?? 0,
    port,
    issuer,
    bootMs,
    logs,
    call,
    post,
    signal: signal => void child.kill(signal),
    freeze: async () => {
      child.kill('SIGSTOP');
      // The third field of /proc/PID/stat, after a name in brackets.
      while (!/\) T /.test(await readFile(`/proc/${child.pid}/stat`, 'utf8'))) await delay(5);
    },
    end: async signal => {
      child.kill(signal);
      const code = await ended;
      close();
      return code;
    },
  };
}

/** A caller with connections of its own, which it keeps. */
export function openCaller(port: number, issuer: string): HttpCaller {
  // Only with a timeout of its own does node:http heed how long the server keeps a connection, and leaves one that is about to close.
  const agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: 15 * 60_000 });
  const call = (method: string, path: string, options: CallOptions = {}) =>
    send(agent, port, new URL(issuer).host, method, path, options);
  return {
    call,
    post: (path, form, { basic, headers } = {}) =>
      call('POST', path, {
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          ...(basic && { Authorization: `Basic ${Buffer.from(basic.join(':')).toString('base64')}` }),
          ...headers,
        },
        body: typeof form === 'string' ? form : encodeForm(form),
      }),
    close: () => agent.destroy(),
  };
}

/**
 * Asks again where a process says 503 because it cannot tell: starved of its processor it may not know for a moment what others cut
 * off. Clients do the same, and what the answer then is, is what a test wants to know.
 *
 * @param onRepeat called for each time
 */
export function patient(
  server: Pick<ServerProcess, 'post' | 'call'>,
  onRepeat: () => void = () => undefined,
): Pick<ServerProcess, 'post' | 'call'> {
  const untilItCanTell = async (ask: () => Promise<Answer>): Promise<Answer> => {
    for (;;) {
      const answer = await ask();
      if (answer.status !== 503) return answer;
      onRepeat();
      await delay(50);
    }
  };
  return {
    post: (path, form, options) => untilItCanTell(() => server.post(path, form, options)),
    call: (method, path, options) => untilItCanTell(() => server.call(method, path, options)),
  };
}

/** Whether a request failed because the process it went to is no more. */
export function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code !== undefined && !(error instanceof assert.AssertionError);
}

function encodeForm(parameters: Exclude<FormParameters, string>): string {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of value === undefined ? [] : [value].flat()) form.append(name, each as string);
  }
  return form.toString();
}

/** node:http, since `fetch` does not let the Host header differ from where the request goes. */
function send(
  agent: Agent,
  port: number,
  host: string,
  method: string,
  path: string,
  { headers, body }: CallOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { agent, host: '127.0.0.1', port, method, path, headers: { Host: host, ...headers } },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json: unknown;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          const received = new Headers();
          for (const [name, value] of Object.entries(response.headers)) {
            for (const each of [value ?? []].flat()) received.append(name, each);
          }
          resolve({ status: response.statusCode ?? 0, headers: received, text, json });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
