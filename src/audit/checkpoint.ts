import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { calculateJwkThumbprint, exportJWK, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { recur } from '../background.ts';
import { CannotUse } from '../cannot-use.ts';
import { type Clock, toSeconds } from '../clock.ts';
import type { AuditStore } from './audit-store.ts';
import type { LaneHead } from './chain.ts';
import { readLines } from './read-lines.ts';
import type { CheckpointedHeads } from './verify-trail.ts';

/** Keeps a checkpoint from being taken for another JWT of this server, and the other way round (RFC 8725 section 3.11). */
const CHECKPOINT_TYP = 'countersign-checkpoint+jwt';
const CHECKPOINT_ALG = 'ES256';
const NO_PREVIOUS = '0'.repeat(64);
/** How every JWS in compact form begins: base64url of `{"`. */
const JWS_START = 'eyJ';

/**
 * A signed statement of where every lane of the trail stood. Each is one line of the checkpoint file, a JWS in compact form
 * (RFC 7515 section 3.1), and holds the SHA-256 of the line before it.
 */
export interface Checkpoint {
  /** The issuer identifier of the server. */
  readonly iss: string;
  /** Seconds since the epoch; never less than in the checkpoint before. */
  readonly iat: number;
  /** The number of the checkpoint in its file, from 1. */
  readonly seq: number;
  /** Hexadecimal SHA-256 of the line before, without its line end; 64 zeros in the first one. */
  readonly previous: string;
  readonly lanes: readonly LaneHead[];
}

export interface CheckpointOptions {
  readonly auditStore: Pick<AuditStore, 'listLanes'>;
  /** A private key on P-256. It is never stored: whoever can write to the store must not have it. */
  readonly key: KeyObject;
  /** Belongs to one process and one key. Copies of it, shipped elsewhere, are what protects against a holder of the key. */
  readonly file: string;
  readonly issuer: string;
  readonly now: Clock;
  /**
   * Whether nothing is signed at the moment: a store that came out of a backup lacks rows, and may be given them back before
   * anything is said of it.
   */
  readonly isPaused?: () => boolean;
  /** The pause between checkpoints, in milliseconds. */
  readonly everyMs?: number;
  /** Told of each checkpoint once it is durable: the size of the file up to its end, in bytes. */
  readonly onWritten?: (durableSize: number) => void;
  /** Told when a checkpoint could not be written, and when the trail or the file has lost something it had. */
  readonly onProblem: (error: unknown) => void;
}

export interface Checkpoints {
  /**
   * Signs where the trail stands now.
   *
   * @returns the checkpoint, once it is durable; undefined when nothing has changed since the last one
   * @throws {Error} when the store cannot be read or the file cannot be written
   */
  checkpointNow(): Promise<Checkpoint | undefined>;
  readonly figures: CheckpointFigures;
  /** Bytes of the file, which end in a whole line and which no crash can take back. */
  readonly durableSize: number;
  /** Ends with a last checkpoint. */
  stop(): Promise<void>;
}

/** What has become of checkpoints since the start. */
export interface CheckpointFigures {
  readonly written: number;
  readonly failed: number;
  /** Milliseconds since the epoch: everything that was recorded before is in a checkpoint that was written. */
  readonly coveredUntil: number;
}

/** The last checkpoint of a file, as it stands there and as it reads. */
interface LastLine {
  readonly line: string;
  readonly checkpoint: Checkpoint;
}

/**
 * Begins to write checkpoints, with one at once and one a minute, whenever the trail has grown.
 *
 * @throws {Error} when the file cannot be used, or its last line was not signed with this key
 */
export async function startCheckpoints(options: CheckpointOptions): Promise<Checkpoints> {
  const { everyMs = 60_000, onProblem } = options;
  const writer = await CheckpointWriter.open(options);
  await writer.write();
  const background = recur(() => writer.write(), everyMs, onProblem);
  return {
    checkpointNow: () => writer.write(),
    figures: writer.figures,
    get durableSize() {
      return writer.durableSize;
    },
    stop: async () => {
      await background.stop();
      await writer.write();
    },
  };
}

class CheckpointWriter {
  readonly figures = { written: 0, failed: 0, coveredUntil: 0 };
  readonly #options: CheckpointOptions;
  readonly #kid: string;
  #last: LastLine | undefined;
  #fileSize: number;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: CheckpointOptions, kid: string, last: LastLine | undefined, fileSize: number) {
    this.#options = options;
    this.#kid = kid;
    this.#last = last;
    this.#fileSize = fileSize;
  }

  static async open(options: CheckpointOptions): Promise<CheckpointWriter> {
    const publicKey = createPublicKey(options.key);
    const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
    const file = await open(options.file, 'a+');
    try {
      const { line, wholeSize, rest } = await readEnd(file);
      const checkpoint = line === undefined ? undefined : await verifyLine(line, publicKey);
      // Nothing is touched before it is certain that the file is ours.
      if ((line !== undefined && !checkpoint) || !isTornLine(rest)) {
        throw new CannotUse(
          `${options.file} (COUNTERSIGN_AUDIT_CHECKPOINT_FILE)`,
          'it does not end in a checkpoint signed with this key',
          'name another file',
        );
      }
      // A crash has left half a line. It was never announced, and would spoil the next one.
      if (rest !== '') await file.truncate(wholeSize);
      // A process that ended before it could has left this undone.
      await file.sync();
      return new CheckpointWriter(
        options,
        kid,
        line && checkpoint ? { line, checkpoint } : undefined,
        wholeSize,
      );
    } finally {
      await file.close();
    }
  }

  get durableSize(): number {
    return this.#fileSize;
  }

  /** One after the other: each holds the hash of the one before. */
  write(): Promise<Checkpoint | undefined> {
    const written = this.#queue.then(() => this.#write());
    this.#queue = written.catch(() => {
      this.figures.failed += 1;
    });
    return written;
  }

  async #write(): Promise<Checkpoint | undefined> {
    const { auditStore, issuer, now, onProblem } = this.#options;
    if (this.#options.isPaused?.()) return undefined;
    const readAt = now();
    const lanes = (await auditStore.listLanes()).map(({ lane, seq, hash }) => ({ lane, seq, hash }));
    const last = this.#last;
    if (JSON.stringify(lanes) === JSON.stringify(last?.checkpoint.lanes ?? [])) {
      this.figures.coveredUntil = readAt;
      return undefined;
    }
    // What is seen is signed nevertheless: the contradiction is then on record.
    const shrunk = findLostHead(last?.checkpoint.lanes ?? [], lanes);
    if (shrunk)
      onProblem(new Error(`the audit trail no longer has row ${shrunk.seq} of lane ${shrunk.lane}`));

    const checkpoint: Checkpoint = {
      iss: issuer,
      iat: Math.max(toSeconds(now()), last?.checkpoint.iat ?? 0),
      seq: (last?.checkpoint.seq ?? 0) + 1,
      previous: last ? hash('sha256', last.line, 'hex') : NO_PREVIOUS,
      lanes,
    };
    const line = await new SignJWT({ ...checkpoint })
      .setProtectedHeader({ alg: CHECKPOINT_ALG, typ: CHECKPOINT_TYP, kid: this.#kid })
      .sign(this.#options.key);
    await this.#append(line);
    this.#last = { line, checkpoint };
    this.#options.onWritten?.(this.#fileSize);
    this.figures.written += 1;
    this.figures.coveredUntil = readAt;
    return checkpoint;
  }

  async #append(line: string): Promise<void> {
    const file = await open(this.#options.file, 'a');
    try {
      const { size } = await file.stat();
      if (size !== this.#fileSize) {
        this.#options.onProblem(new Error(`${this.#options.file} was changed by somebody else`));
      }
      try {
        await file.appendFile(`${line}\n`);
        await file.sync();
      } catch (error) {
        // Half a line would spoil the next one.
        await file.truncate(size);
        throw error;
      }
      this.#fileSize = size + line.length + 1;
    } finally {
      await file.close();
    }
  }
}

/** What a crash leaves of a line: its beginning, or nothing; after a power cut, zeros where the rest of it should be. */
function isTornLine(rest: string): boolean {
  const written = rest.replace(/\0+$/, '');
  return written.startsWith(JWS_START.slice(0, written.length));
}

interface FileEnd {
  /** The last whole line, without its line end. */
  readonly line: string | undefined;
  /** Bytes, up to the end of that line. */
  readonly wholeSize: number;
  /** What comes after it. */
  readonly rest: string;
}

/** Reads no more of the file than its end: it may hold years. */
async function readEnd(file: FileHandle): Promise<FileEnd> {
  const { size } = await file.stat();
  for (let length = 64 * 1024; ; length *= 4) {
    const from = Math.max(0, size - length);
    const buffer = Buffer.alloc(size - from);
    await file.read(buffer, 0, buffer.length, from);
    const text = buffer.toString('latin1');
    const end = text.lastIndexOf('\n');
    const start = end > 0 ? text.lastIndexOf('\n', end - 1) : -1;
    if (start < 0 && from > 0) continue;
    return {
      line: end < 0 ? undefined : text.slice(start + 1, end),
      wholeSize: from + end + 1,
      rest: text.slice(end + 1),
    };
  }
}

/**
 * - `malformed`: the line is no checkpoint, or not signed with the key
 * - `missing`: checkpoints before it are not there
 * - `inserted`: it stands where a later one belongs
 * - `altered`: the line before is not the one that was there when this one was signed
 * - `rolled-back`: it is sound, and says that the trail had lost rows of `lane` since the one before
 */
export type BadCheckpointCause = 'malformed' | 'missing' | 'inserted' | 'altered' | 'rolled-back';

export interface CheckpointReport {
  readonly isIntact: boolean;
  /** How many of the lines are signed with the key. */
  readonly checkpoints: number;
  /** The last of them. */
  readonly last?: Checkpoint;
  /** The first line that is wrong, from 1. */
  readonly firstBad?: { readonly line: number; readonly why: BadCheckpointCause; readonly lane?: string };
  /**
   * What all signed lines say, for `verifyTrail`: also those after a bad one, as each has its own signature. Two that contradict
   * each other are no longer met by any row.
   */
  readonly heads: CheckpointedHeads;
}

/**
 * Verifies a checkpoint file: every signature, that no line is missing or has been put in, and that no lane ever went back. It cannot
 * notice that lines are missing at its end: compare with a copy that was shipped.
 *
 * @param key   the public key; of a private one only the public part is used
 * @param known heads from other checkpoint files of the same trail, to be added to
 * @throws {Error} when the file cannot be read
 */
export async function verifyCheckpoints(
  file: string,
  key: KeyObject,
  known: CheckpointedHeads = new Map(),
): Promise<CheckpointReport> {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const heads = new Map([...known].map(([lane, hashes]) => [lane, new Map(hashes)]));
  let firstBad: CheckpointReport['firstBad'];
  let number = 0;
  let checkpoints = 0;
  let last: Checkpoint | undefined;
  let previous = NO_PREVIOUS;
  let expected = 1;
  for await (const { lines, isCut } of readLines(file)) {
    // A line without its end is still being written, or was when the process was killed.
    if (isCut) break;
    const verified = await Promise.all(lines.map(line => verifyLine(line, publicKey)));
    for (const [index, checkpoint] of verified.entries()) {
      number += 1;
      firstBad ??= findFault(number, checkpoint, expected, previous, last);
      previous = hash('sha256', lines[index] ?? '', 'hex');
      expected = (checkpoint?.seq ?? expected) + 1;
      if (!checkpoint) continue;
      checkpoints += 1;
      last = checkpoint;
      addHeads(heads, checkpoint.lanes);
    }
  }
  return { isIntact: !firstBad, checkpoints, ...(last && { last }), ...(firstBad && { firstBad }), heads };
}

function findFault(
  line: number,
  checkpoint: Checkpoint | undefined,
  expectedSeq: number,
  previous: string,
  last: Checkpoint | undefined,
): CheckpointReport['firstBad'] {
  if (!checkpoint) return { line, why: 'malformed' };
  if (checkpoint.seq > expectedSeq) return { line, why: 'missing' };
  if (checkpoint.seq < expectedSeq) return { line, why: 'inserted' };
  if (checkpoint.previous !== previous || checkpoint.iat < (last?.iat ?? 0)) return { line, why: 'altered' };
  const lost = findLostHead(last?.lanes ?? [], checkpoint.lanes);
  return lost && { line, why: 'rolled-back', lane: lost.lane };
}

/** The first lane that has gone, has become shorter, or ends in another row of the same number. */
function findLostHead(before: readonly LaneHead[], after: readonly LaneHead[]): LaneHead | undefined {
  const now = new Map(after.map(head => [head.lane, head]));
  return before.find(({ lane, seq, hash }) => {
    const head = now.get(lane);
    return !head || head.seq < seq || (head.seq === seq && head.hash !== hash);
  });
}

function addHeads(heads: Map<string, Map<number, string>>, lanes: readonly LaneHead[]): void {
  for (const { lane, seq, hash } of lanes) {
    const hashes = heads.get(lane) ?? new Map<number, string>();
    heads.set(lane, hashes);
    const known = hashes.get(seq);
    hashes.set(seq, known === undefined || known === hash ? hash : 'contradictory');
  }
}

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

const checkpointSchema: z.ZodType<Checkpoint> = z.strictObject({
  iss: z.string(),
  iat: z.int(),
  seq: z.int().min(1),
  previous: sha256Hex,
  lanes: z.array(z.strictObject({ lane: z.string(), seq: z.int().min(1), hash: sha256Hex })),
});

async function verifyLine(line: string, publicKey: KeyObject): Promise<Checkpoint | undefined> {
  try {
    const { payload } = await jwtVerify(line, publicKey, {
      algorithms: [CHECKPOINT_ALG],
      typ: CHECKPOINT_TYP,
    });
    return checkpointSchema.safeParse(payload).data;
  } catch {
    return undefined;
  }
}
