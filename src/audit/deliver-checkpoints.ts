import { hash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Clock, type Deadline, systemDeadline } from '../clock.ts';
import type { Egress } from '../egress/index.ts';

/** RFC 7515 section 4.1.9: the `typ` of a checkpoint is its media type without `application/`. */
const CHECKPOINT_MEDIA_TYPE = 'application/countersign-checkpoint+jwt';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** How often it is said again that deliveries fail. */
const REMINDER_MS = 600_000;
/** How long a process that ends goes on delivering. */
const FAREWELL_MS = 3_000;
const CHUNK_BYTES = 256 * 1024;

export interface DeliveryOptions {
  /** The checkpoint file, to which only whole lines are ever appended. What of it was acknowledged stands in a file beside it. */
  readonly file: string;
  /** Where checkpoints go. It may hold a secret, and is told to nobody else. */
  readonly url: string;
  readonly egress: Pick<Egress, 'post'>;
  readonly now: Clock;
  /** Told when deliveries begin to fail, when they fail for another reason, and every ten minutes. */
  readonly onProblem: (error: unknown) => void;
  /** Told when they go on. */
  readonly onRecovery: () => void;
  /** Ends the delivery by a process that ends; the system's where absent. */
  readonly deadline?: Deadline | undefined;
  /** The pauses after failures, in milliseconds: each is twice the one before, up to the longest. */
  readonly pauses?: { readonly firstMs: number; readonly longestMs: number };
}

/** What has become of deliveries since the start. */
export interface DeliveryFigures {
  /** Checkpoints that the receiver has acknowledged. */
  readonly delivered: number;
  /** Attempts that failed. */
  readonly failed: number;
  /** Milliseconds since the epoch: since when something has been waiting without a break; undefined when nothing is. */
  readonly waitingSince: number | undefined;
}

export interface CheckpointDelivery {
  /** To be told that the file is durable up to here, in bytes. */
  wake(durableSize: number): void;
  readonly figures: DeliveryFigures;
  /** Delivers what waits, for three seconds at most, then ends. */
  stop(): Promise<void>;
}

/**
 * Posts each line of a checkpoint file to a receiver, in order and at least once: the next one only when the one before was
 * acknowledged, by any status of success, and the first one when the file or the receiver is another than before. The file itself
 * is what waits, so nothing is lost by a crash, and a receiver that was away for a year gets a year of checkpoints.
 *
 * @param durableSize bytes of the file that no crash can take back: what could be signed differently another time must not leave
 * @throws {Error} when what was acknowledged before cannot be read
 */
export async function startDelivery(
  options: DeliveryOptions,
  durableSize: number,
): Promise<CheckpointDelivery> {
  const known = await readAcknowledgement(options.file);
  const isSameReceiver = known?.receiver === hash('sha256', options.url, 'hex');
  const delivery = new Delivery(options, isSameReceiver ? known : undefined);
  delivery.start(durableSize);
  return delivery;
}

/** What was acknowledged last. */
const acknowledgementSchema = z.strictObject({
  /** SHA-256 of the receiver's URL: another one begins at the beginning. */
  receiver: z.string(),
  /** Where the last acknowledged line begins and ends in the file, in bytes. */
  from: z.int().min(0),
  to: z.int().min(1),
  /** SHA-256 of that line: in another file, something else stands there. */
  line: z.string(),
});

type Acknowledgement = z.output<typeof acknowledgementSchema>;

class Delivery implements CheckpointDelivery {
  readonly figures: { delivered: number; failed: number; waitingSince: number | undefined } = {
    delivered: 0,
    failed: 0,
    waitingSince: undefined,
  };
  readonly #options: DeliveryOptions;
  readonly #ended = new AbortController();
  #acknowledged: Acknowledgement | undefined;
  #durableSize = 0;
  #failuresInTurn = 0;
  #lastReason = '';
  #reportedAt = 0;
  #isStopping = false;
  #isWoken = false;
  #onWoken: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: DeliveryOptions, acknowledged: Acknowledgement | undefined) {
    this.#options = options;
    this.#acknowledged = acknowledged;
  }

  start(durableSize: number): void {
    this.wake(durableSize);
    this.#running = this.#run();
  }

  wake(durableSize: number): void {
    this.#durableSize = durableSize;
    if (durableSize !== (this.#acknowledged?.to ?? 0)) this.figures.waitingSince ??= this.#options.now();
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    // A pause after a failure is not waited for; a delivery under way is, for a little while.
    this.#wake();
    const { deadline = systemDeadline } = this.#options;
    const end = () => this.#ended.abort();
    const farewell = deadline(FAREWELL_MS);
    farewell.addEventListener('abort', end, { once: true });
    await this.#running;
    farewell.removeEventListener('abort', end);
  }

  #wake(): void {
    this.#isWoken = true;
    this.#onWoken?.();
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      this.#isWoken = false;
      try {
        await this.#deliverAll();
        if (this.#isStopping && !this.#isWoken) return;
        await this.#sleep(undefined);
      } catch (error) {
        this.#failed(error);
        if (this.#isStopping) return;
        await this.#sleep(this.#pauseMs());
      }
    }
  }

  /** Delivers what there is. */
  async #deliverAll(): Promise<void> {
    for (;;) {
      const { from, lines } = await this.#readWaiting();
      if (lines.length === 0) {
        this.figures.waitingSince = undefined;
        return;
      }
      let at = from;
      for (const line of lines) {
        const signal = this.#ended.signal;
        await this.#options.egress.post(this.#options.url, {
          mediaType: CHECKPOINT_MEDIA_TYPE,
          body: line,
          signal,
        });
        await this.#acknowledge(line, at);
        at += line.length + 1;
      }
    }
  }

  /** The lines after the last acknowledged one: some of them, if there are many; all, where that one is no longer there. */
  async #readWaiting(): Promise<{ readonly from: number; readonly lines: readonly string[] }> {
    const known = this.#acknowledged;
    const file = await open(this.#options.file, 'r');
    try {
      if (known && !(await stands(known, file))) {
        this.#acknowledged = undefined;
        this.#options.onProblem(
          new Error(
            `${this.#options.file} no longer has the checkpoint that was acknowledged last: all of it is delivered again`,
          ),
        );
      }
      const from = this.#acknowledged?.to ?? 0;
      return { from, lines: await readLinesFrom(file, from, this.#durableSize) };
    } finally {
      await file.close();
    }
  }

  async #acknowledge(line: string, from: number): Promise<void> {
    const acknowledgement = {
      receiver: hash('sha256', this.#options.url, 'hex'),
      from,
      to: from + line.length + 1,
      line: hash('sha256', line, 'hex'),
    };
    await writeAcknowledgement(this.#options.file, acknowledgement);
    this.#acknowledged = acknowledgement;
    this.figures.delivered += 1;
    if (this.#failuresInTurn === 0) return;
    this.#failuresInTurn = 0;
    this.#lastReason = '';
    this.#options.onRecovery();
  }

  #failed(error: unknown): void {
    this.figures.failed += 1;
    this.#failuresInTurn += 1;
    const reason = error instanceof Error ? error.message : String(error);
    const now = performance.now();
    if (reason === this.#lastReason && now - this.#reportedAt < REMINDER_MS) return;
    this.#lastReason = reason;
    this.#reportedAt = now;
    this.#options.onProblem(error);
  }

  #pauseMs(): number {
    const { firstMs, longestMs } = this.#options.pauses ?? {
      firstMs: FIRST_PAUSE_MS,
      longestMs: LONGEST_PAUSE_MS,
    };
    return Math.min(longestMs, firstMs * 2 ** Math.min(this.#failuresInTurn - 1, 30));
  }

  /** Until it is woken, or for a pause, which only the end of the process cuts short: a refusing receiver is left in peace. */
  async #sleep(pauseMs: number | undefined): Promise<void> {
    if (pauseMs === undefined && this.#isWoken) return;
    const woken = new AbortController();
    const wait =
      pauseMs === undefined
        ? new Promise<void>(resolve => woken.signal.addEventListener('abort', () => resolve()))
        : delay(pauseMs, undefined, { signal: woken.signal, ref: false }).catch(() => undefined);
    this.#onWoken = () => {
      if (pauseMs === undefined || this.#isStopping) woken.abort();
    };
    await wait;
    this.#onWoken = undefined;
  }
}

/** Whether the line that was acknowledged is where it was. */
async function stands({ from, to, line }: Acknowledgement, file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size < to) return false;
  const found = Buffer.alloc(to - from);
  await file.read(found, 0, found.length, from);
  return found.at(-1) === 0x0a && hash('sha256', found.subarray(0, -1), 'hex') === line;
}

/** The whole lines between two bytes: some of them, if there are many. A line that is still being written is none yet. */
async function readLinesFrom(file: FileHandle, from: number, to: number): Promise<readonly string[]> {
  for (let length = CHUNK_BYTES; to > from; length *= 4) {
    const buffer = Buffer.alloc(Math.min(length, to - from));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    const text = buffer.toString('latin1', 0, bytesRead);
    const end = text.lastIndexOf('\n');
    if (end >= 0) return text.slice(0, end).split('\n');
    if (bytesRead < length) return [];
  }
  return [];
}

/** Where acknowledged checkpoints are remembered. */
function acknowledgementFile(checkpointFile: string): string {
  return `${checkpointFile}.acknowledged`;
}

async function readAcknowledgement(file: string): Promise<Acknowledgement | undefined> {
  let text: string;
  try {
    text = await readFile(acknowledgementFile(file), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return acknowledgementSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // A damaged one is worth as much as none: what was acknowledged goes out again.
    return undefined;
  }
}

/** The file is there whole or not at all. */
async function writeAcknowledgement(file: string, acknowledgement: Acknowledgement): Promise<void> {
  const target = acknowledgementFile(file);
  const draft = `${target}.new`;
  try {
    const handle = await open(draft, 'w', 0o600);
    try {
      await handle.writeFile(JSON.stringify(acknowledgement));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
