import type { ClientSession } from 'mongoose';
import { findEndedHandle, type HeldAuthority } from '../../audit/index.ts';
import type { Epochs, Handle } from '../../liveness.ts';
import type { Database, FeedDocument } from './database.ts';
import { trustedFilter } from './read.ts';

/** Longer than a transaction lives: then nobody can meet on the document any more. */
const TOUCHED_KEPT_MS = 60_000;

type Handles = Pick<Database, 'handle' | 'pass'>;

/**
 * Finds the handle by which an authority has ended, as of the session's open transaction.
 *
 * @param heard what this process has heard of
 */
export async function findEnded(
  { handle, pass }: Handles,
  session: ClientSession,
  authority: HeldAuthority,
  heard: Epochs,
  now: number,
): Promise<Handle | undefined> {
  const ids = authority.lineage.split(' ').map(each => each.slice(0, each.lastIndexOf(':')));
  const found = await handle
    .find(trustedFilter({ _id: { $in: ids } }))
    .session(session)
    .lean();
  const raised = new Map(found.map(({ _id, epoch }) => [_id, epoch]));
  const epochs = { raisedTo: (id: string) => Math.max(raised.get(id) ?? 0, heard.raisedTo(id)) };
  const ended = findEndedHandle(authority, epochs, now);
  if (ended !== undefined || !authority.pass) return ended;
  const held = await pass.findById(passId(authority.pass), { _id: 1 }).session(session).lean();
  return held ? undefined : authority.pass.handle;
}

/**
 * Touches what a cutoff of the principal writes too, last and in sorted order: of the two, one gives way, and is tried again. What
 * else the authority rests on was only read, so that no document is hot: a cutoff of that which commits within the transaction's
 * own time may come to stand after it.
 */
export async function touchOwn(
  { handle, pass }: Handles,
  session: ClientSession,
  authority: HeldAuthority,
  now: number,
): Promise<void> {
  const own = authority.own.map(String).toSorted();
  if (own.length > 0) {
    await handle.bulkWrite(
      own.map(_id => ({
        updateOne: {
          filter: { _id },
          update: {
            $inc: { touches: 1 },
            $max: { epoch: 0, forgetAt: new Date(now + TOUCHED_KEPT_MS) },
          },
          upsert: true,
        },
      })),
      { session, ordered: true },
    );
  }
  if (authority.pass) {
    await pass.updateOne({ _id: passId(authority.pass) }, { $inc: { touches: 1 } }, { session });
  }
}

/** Writes what was raised, where transactions that rest on it look and whoever acts by it touches. */
export async function raiseHandles(
  { handle }: Handles,
  session: ClientSession,
  announcements: readonly FeedDocument[],
): Promise<void> {
  const raised = announcements.filter(({ epoch }) => epoch > 0);
  if (raised.length === 0) return;
  await handle.bulkWrite(
    raised
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, epoch, forgetAt }) => ({
        updateOne: {
          filter: { _id: String(id) },
          update: { $max: { epoch: Number(epoch), forgetAt } },
          upsert: true,
        },
      })),
    { session, ordered: true },
  );
}

function passId({ kind, key }: NonNullable<HeldAuthority['pass']>): string {
  return `${kind}:${key}`;
}
