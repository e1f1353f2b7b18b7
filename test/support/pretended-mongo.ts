/** What answers like a server of MongoDB, as far as a driver asks before it does anything: for the kinds of server that nobody wants to start. */
import { createServer, type Socket } from 'node:net';
import mongoose from 'mongoose';

const { BSON } = mongoose.mongo;
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;

type Document = Readonly<Record<string, unknown>>;

/** What it says of itself: a standalone where it names no set. */
export interface Pretended {
  readonly setName?: string;
  /** The answer to everything that is not asked on connecting. */
  readonly answer?: Document;
}

/** @returns the port that it listens on */
export async function pretendMongo(
  t: { teardown(work: () => void): void },
  { setName, answer = { ok: 1 } }: Pretended,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    let waiting: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', chunk => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0));
        waiting = waiting.subarray(message.length);
        socket.write(
          answerTo(message, asked => ('hello' in asked || 'ismaster' in asked ? hello() : answer)),
        );
      }
    });
  });
  const hello = (): Document => {
    const me = `127.0.0.1:${portOf()}`;
    return {
      helloOk: true,
      isWritablePrimary: true,
      ...(setName && {
        setName,
        hosts: [me],
        me,
        primary: me,
        setVersion: 1,
        electionId: new BSON.ObjectId(),
      }),
      maxBsonObjectSize: 16_777_216,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      logicalSessionTimeoutMinutes: 30,
      minWireVersion: 0,
      maxWireVersion: 25,
      ok: 1,
    };
  };
  const portOf = (): number => (server.address() as { readonly port: number }).port;
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf();
}

/** By the wire protocol: an old query is answered by an old reply, a message by a message. */
function answerTo(message: Buffer, answer: (asked: Document) => Document): Buffer {
  const [requestId, opCode] = [message.readInt32LE(4), message.readInt32LE(12)];
  if (opCode === OP_MSG) {
    const body = BSON.serialize(answer(BSON.deserialize(message.subarray(21, 21 + message.readInt32LE(21)))));
    return frame(requestId, OP_MSG, Buffer.concat([Buffer.alloc(5), body]));
  }
  if (opCode !== OP_QUERY) throw new Error(`a message of kind ${opCode}`);
  // Flags, the name of a collection, two numbers, and what is asked.
  const start = message.indexOf(0, 20) + 1 + 8;
  const body = BSON.serialize(answer(BSON.deserialize(message.subarray(start))));
  const head = Buffer.alloc(20);
  head.writeInt32LE(1, 16);
  return frame(requestId, OP_REPLY, Buffer.concat([head, body]));
}

function frame(responseTo: number, opCode: number, body: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeInt32LE(16 + body.length, 0);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(opCode, 12);
  return Buffer.concat([head, body]);
}
