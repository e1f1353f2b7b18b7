/**
 * Sends requests over keep-alive connections and checks every answer.
 *
 * Each connection has one request under way and sends the next when the answer is there. It speaks HTTP/1.1 on bare sockets: that
 * takes 10 µs a request, where autocannon takes 21 and node:http 25, and the faster of the two servers takes about as long, on
 * the other core. It reads only what both servers send, answers with a Content-Length, and fails on anything else.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Requests of one kind: they differ in their bodies alone. */
export interface Requests {
  readonly port: number;
  /** The Host header. */
  readonly host: string;
  readonly path: string;
  readonly authorization?: string | undefined;
  /** The Authorization header of each request, where they differ. */
  readonly authorizations?: readonly string[] | undefined;
  /** Each is sent once. An empty one is a GET. */
  readonly bodies: readonly string[];
  /** What they are; form-encoded where absent. */
  readonly contentType?: string;
  /** The status that each request must get; 200 where absent. */
  readonly status?: number;
  /** Whether the body of an answer with that status is the one that the request must get. */
  readonly isExpected: (body: string) => boolean;
  /** Takes each answer, and the place of its request in `bodies`, where somebody needs it. */
  readonly onAnswer?: ((body: string, index: number) => void) | undefined;
}

export interface Drive {
  readonly seconds: number;
  /** From sending a request to having the whole answer, in milliseconds, ascending. */
  readonly latenciesMs: Float64Array;
  /** How often a request was sent again, because the server could not answer it at the moment (503). */
  readonly repeated: number;
}

/** So often a request is sent again; then 503 is its answer. */
export const MOST_REPEATS = 20;

/** When to ask a server again that cannot answer at the moment: as it says (RFC 9110 section 10.2.3), else in a second. */
export function askAgainAfterMs(retryAfter: string | null | undefined): number {
  return Number(retryAfter ?? 1) * 1_000;
}

/** Longer than any answer takes on a loaded machine; a server that hangs must not hang the run. */
const SILENCE_MS = 20_000;
const UNAVAILABLE = 503;

/**
 * Sends all requests, `connections` at a time, and resolves when all are answered.
 *
 * @throws at the first answer that has not the expected status and body, and when a connection breaks or falls silent
 */
export async function drive(requests: Requests, connections: number): Promise<Drive> {
  if (requests.bodies.length === 0) return { seconds: 0, latenciesMs: new Float64Array(), repeated: 0 };
  const sockets = await Promise.all(
    Array.from({ length: Math.min(connections, requests.bodies.length) }, () => open(requests.port)),
  );
  try {
    return await exchange(requests, sockets);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function exchange(requests: Requests, sockets: readonly Socket[]): Promise<Drive> {
  const { bodies, status = 200, isExpected, onAnswer } = requests;
  const head = headOf(requests, requests.authorization);
  const get = `GET ${requests.path} HTTP/1.1\r\nHost: ${requests.host}\r\n\r\n`;
  const latenciesMs = new Float64Array(bodies.length);
  let sent = 0;
  let answered = 0;
  let repeated = 0;

  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    for (const socket of sockets) {
      let received = '';
      let sentAt = 0;
      let index = 0;
      let repeats = 0;
      const sendNext = (): void => {
        if (sent >= bodies.length) return void socket.setTimeout(0);
        index = sent;
        sent += 1;
        repeats = 0;
        sentAt = performance.now();
        send();
      };
      const send = (): void => {
        const body = bodies[index] as string;
        const own = requests.authorizations?.[index];
        if (body === '') return void socket.write(get, 'latin1');
        const ownHead = own === undefined ? head : headOf(requests, own);
        socket.write(`${ownHead}${body.length}\r\n\r\n${body}`, 'latin1');
      };
      socket.on('data', (chunk: string) => {
        received = received === '' ? chunk : received + chunk;
        let answer: Answer | undefined;
        try {
          answer = readAnswer(received);
        } catch (error) {
          return reject(error);
        }
        if (!answer) return;
        received = '';
        if (answer.status === UNAVAILABLE && repeats < MOST_REPEATS) {
          repeats += 1;
          repeated += 1;
          return void delay(askAgainAfterMs(answer.retryAfter)).then(send);
        }
        latenciesMs[answered] = performance.now() - sentAt;
        if (answer.status !== status || !isExpected(answer.body)) {
          return reject(
            new Error(
              `${requests.path} answered ${answer.status} ${answer.body.slice(0, 500) || '(nothing)'}`,
            ),
          );
        }
        onAnswer?.(answer.body, index);
        answered += 1;
        if (answered < bodies.length) return sendNext();
        const seconds = (performance.now() - startedAt) / 1000;
        resolve({ seconds, latenciesMs: latenciesMs.sort(), repeated });
      });
      socket.setTimeout(SILENCE_MS, () => reject(new Error(`${requests.path} gave no answer`)));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`the server closed a connection to ${requests.path}`)));
      sendNext();
    }
  });
}

/** Everything of a request's head but the length of its body. */
function headOf({ path, host, contentType }: Requests, authorization: string | undefined): string {
  return [
    `POST ${path} HTTP/1.1`,
    `Host: ${host}`,
    `Content-Type: ${contentType ?? 'application/x-www-form-urlencoded'}`,
    ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    'Content-Length: ',
  ].join('\r\n');
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Of 503 alone. */
  readonly retryAfter?: string | undefined;
}

const RETRY_AFTER = /\r\nretry-after: (\d+)\r\n/i;
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;

/**
 * @param received everything since the request was sent
 * @returns undefined while the answer is incomplete
 * @throws when it is framed in another way than by a Content-Length, or something follows it
 */
function readAnswer(received: string): Answer | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = received.slice(0, headEnd + 2);
  const length = CONTENT_LENGTH.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${head}`);
  const missing = headEnd + 4 + Number(length) - received.length;
  if (missing < 0) throw new Error('more was answered than was asked for');
  if (missing > 0) return undefined;
  const answer = { status: Number(head.slice(9, 12)), body: received.slice(headEnd + 4) };
  return answer.status === UNAVAILABLE ? { ...answer, retryAfter: RETRY_AFTER.exec(head)?.[1] } : answer;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setEncoding('latin1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
