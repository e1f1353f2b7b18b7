import { setTimeout as delay } from 'node:timers/promises';
import type mongoose from 'mongoose';
import { StoreUnavailable } from '../../errors.ts';
import type { EpochRegistry } from '../epoch-registry.ts';
import {
  type Database,
  DURABLE,
  type FeedDocument,
  type FeedHeadDocument,
  type HeartbeatDocument,
  nativeDatabase,
} from './database.ts';
import { read, trustedFilter } from './read.ts';

const BEAT_EVERY_MS = 200;
/** With so many heartbeats the primary is asked what else it tells. */
const BEATS_AN_ASK = 5;
/** A heartbeat seen may be this old for an answer at once … */
const FRESH_FOR_MS = 700;
/** … and an answer waits this long for a newer one, and for announcements under way: a second in all, then it is a refusal (I7). */
const PATIENCE_MS = 300;
/** Heartbeats that are written but not seen for this long: the stream hangs, and a new one is opened. */
const STREAM_HANGS_AFTER_MS = 5_000;
const REOPEN_PAUSE_MS = 100;

type FeedEvent = mongoose.mongo.ChangeStreamDocument<FeedDocument | HeartbeatDocument>;

/**
 * Hears what any process has committed: raised epochs and changed records, by a change stream.
 *
 * A change stream lags, and cannot say by how much. Two things make up for it:
 *
 * - Each lane counts its announcements, in the transaction that makes them. Before an answer, the counts are read and compared
 *   with what the stream has shown; where it is behind, the answer waits. One read serves all who wait at the time.
 * - Each process writes a heartbeat and must see it come out of its own stream within a second. A node that has been deposed
 *   and does not know it yet still answers reads, but acknowledges no majority write.
 *
 * The driver resumes a stream that breaks where it broke. Where that fails, a new one is opened, and everything is loaded again.
 */
export class Feed {
  readonly #database: Database;
  readonly #lane: string;
  readonly #epochs: EpochRegistry;
  readonly #now: () => number;
  readonly #onChange: (id: string) => void;
  readonly #onGap: () => void;
  readonly #askPrimary: () => Promise<void>;
  readonly #patience: number;
  readonly #closing = new AbortController();
  readonly #loops: Promise<unknown>[] = [];

  /** The number of the last announcement seen, by lane. */
  readonly #seen = new Map<string, number>();
  /** When each heartbeat was about to be written, on the monotonic clock. */
  readonly #beatWrittenAt = new Map<number, number>();
  /** When the newest heartbeat seen was about to be written: all that was committed by then is known. */
  #knownUntil = Number.NEGATIVE_INFINITY;
  /** Whether what was committed before this stream began has been loaded. */
  #isLoaded = false;
  #stream: mongoose.mongo.ChangeStream | undefined;
  #progress = Promise.withResolvers<void>();
  #headsUnderWay: Promise<readonly FeedHeadDocument[]> | undefined;
  #headsNext: Promise<readonly FeedHeadDocument[]> | undefined;

  /**
   * @param onChange called with the identifier of each changed record or raised handle
   * @param onGap called when announcements may have been missed
   * @param askPrimary called now and then, while the primary is being talked to
   * @param patience how many times longer than usual everything may take
   */
  constructor(
    database: Database,
    lane: string,
    epochs: EpochRegistry,
    now: () => number,
    onChange: (id: string) => void,
    onGap: () => void,
    askPrimary: () => Promise<void>,
    patience = 1,
  ) {
    this.#database = database;
    this.#lane = lane;
    this.#epochs = epochs;
    this.#now = now;
    this.#onChange = onChange;
    this.#onGap = onGap;
    this.#askPrimary = askPrimary;
    this.#patience = patience;
  }

  /**
   * Begins to listen; resolves once everything that was committed before is known.
   *
   * @param timeoutMs how long that may take
   * @throws {StoreUnavailable}
   */
  async open(timeoutMs = 10_000): Promise<void> {
    this.#loops.push(this.#follow(), this.#beat());
    await this.#until(() => this.#isFresh(), timeoutMs * this.#patience, 'the change stream does not start');
  }

  /**
   * Resolves when everything that was committed before this call is known.
   *
   * @throws {StoreUnavailable} when that cannot be told within a second
   */
  async fresh(): Promise<void> {
    if (this.#closing.signal.aborted) throw new StoreUnavailable('the store is closed');
    if (!this.#isFresh()) await this.#untilFresh(() => true);
    const heads = await this.#readHeads();
    const isCaughtUp = (): boolean => heads.every(head => (this.#seen.get(head._id) ?? 0) >= head.seq);
    if (!this.#isFresh() || !isCaughtUp()) await this.#untilFresh(isCaughtUp);
  }

  /** Takes in what this process has committed itself, before it is acknowledged. */
  hear(announcement: FeedDocument): void {
    this.#epochs.raise(announcement.id, announcement.epoch, announcement.forgetAt.getTime());
    this.#onChange(announcement.id);
    const seen = this.#seen.get(announcement.lane) ?? 0;
    this.#seen.set(announcement.lane, Math.max(seen, announcement.seq));
  }

  /** Milliseconds since the moment up to which everything is known; infinite before the stream runs. */
  ageMs(): number {
    return performance.now() - this.#knownUntil;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#stream?.close().catch(() => undefined);
    await Promise.all(this.#loops);
  }

  #isFresh(): boolean {
    return this.#isLoaded && performance.now() - this.#knownUntil <= FRESH_FOR_MS * this.#patience;
  }

  #untilFresh(isCaughtUp: () => boolean): Promise<void> {
    return this.#until(
      () => this.#isFresh() && isCaughtUp(),
      PATIENCE_MS * this.#patience,
      'what other processes have committed is not known',
    );
  }

  async #until(isReached: () => boolean, timeoutMs: number, complaint: string): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isReached()) {
      const left = deadline - performance.now();
      if (left <= 0 || this.#closing.signal.aborted) throw new StoreUnavailable(complaint);
      const timer = Promise.withResolvers<void>();
      const timeout = setTimeout(timer.resolve, left);
      await Promise.race([this.#progress.promise, timer.promise]);
      clearTimeout(timeout);
    }
  }

  #noteProgress(): void {
    this.#progress.resolve();
    this.#progress = Promise.withResolvers();
  }

  /** One read is under way at a time, and all who come meanwhile share the next: a read must begin after the call it serves. */
  #readHeads(): Promise<readonly FeedHeadDocument[]> {
    if (!this.#headsUnderWay) return this.#startHeads();
    this.#headsNext ??= this.#headsUnderWay
      .catch(() => undefined)
      .then(() => {
        this.#headsNext = undefined;
        return this.#startHeads();
      });
    return this.#headsNext;
  }

  #startHeads(): Promise<readonly FeedHeadDocument[]> {
    const heads = read(() =>
      // What a majority has is what the stream will show.
      this.#database.feedHead.find().read('primary').readConcern('majority').lean<FeedHeadDocument[]>(),
    ).finally(() => {
      if (this.#headsUnderWay === heads) this.#headsUnderWay = undefined;
    });
    this.#headsUnderWay = heads;
    return heads;
  }

  async #follow(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#isLoaded = false;
      this.#knownUntil = Number.NEGATIVE_INFINITY;
      const stream = nativeDatabase(this.#database.connection).watch([
        {
          $match: {
            $or: [
              { 'ns.coll': 'feed', operationType: 'insert' },
              { 'ns.coll': 'heartbeat', 'documentKey._id': this.#lane },
            ],
          },
        },
      ]);
      this.#stream = stream;
      let load: Promise<void> | undefined;
      try {
        for await (const event of stream as AsyncIterable<FeedEvent>) {
          if (event.operationType !== 'insert' && event.operationType !== 'replace') continue;
          const document = event.fullDocument;
          if ('beat' in document) {
            this.#see(document);
            // The first sign that this stream runs: whatever came before it must be loaded, whatever comes after is shown.
            load ??= this.#load(stream);
          } else {
            this.hear(document);
          }
          this.#noteProgress();
        }
      } catch {
        // Closed, or past what the driver could resume. Either way nothing is fresh until a new stream runs.
      }
      await stream.close().catch(() => undefined);
      await load;
      await delay(REOPEN_PAUSE_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  #see({ beat }: HeartbeatDocument): void {
    for (const [written, at] of this.#beatWrittenAt) {
      if (written > beat) break;
      if (written === beat) this.#knownUntil = at;
      this.#beatWrittenAt.delete(written);
    }
  }

  /** Loads what was committed before the stream began, and forgets the records read meanwhile. */
  async #load(stream: mongoose.mongo.ChangeStream): Promise<void> {
    try {
      // First the counts: whatever they count is among what is read after them.
      const heads = await this.#database.feedHead.find().lean<FeedHeadDocument[]>();
      const announcements = await this.#database.feed
        .find(trustedFilter({ epoch: { $gt: 0 }, forgetAt: { $gte: new Date(this.#now()) } }))
        .lean<FeedDocument[]>();
      for (const { id, epoch, forgetAt } of announcements) this.#epochs.raise(id, epoch, forgetAt.getTime());
      for (const { _id, seq } of heads) this.#seen.set(_id, Math.max(seq, this.#seen.get(_id) ?? 0));
      this.#onGap();
      this.#isLoaded = true;
      this.#noteProgress();
    } catch {
      // The loop starts over.
      await stream.close().catch(() => undefined);
    }
  }

  async #beat(): Promise<void> {
    for (let beat = 1; !this.#closing.signal.aborted; beat += 1) {
      this.#beatWrittenAt.set(beat, performance.now());
      try {
        // What it does not answer, it does not: the heartbeat says so.
        if (beat % BEATS_AN_ASK === 0) await this.#askPrimary().catch(() => undefined);
        await this.#database.heartbeat.replaceOne(
          { _id: this.#lane },
          { beat, writtenAt: new Date() },
          { upsert: true, writeConcern: DURABLE },
        );
        if (this.#isLoaded && performance.now() - this.#knownUntil > STREAM_HANGS_AFTER_MS * this.#patience) {
          await this.#stream?.close();
        }
      } catch {
        // It is missed where it counts: in the stream.
        this.#beatWrittenAt.delete(beat);
      }
      this.#epochs.forget(this.#now());
      await delay(BEAT_EVERY_MS, undefined, { signal: this.#closing.signal, ref: false }).catch(
        () => undefined,
      );
    }
  }
}
