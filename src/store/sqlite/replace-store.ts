import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { readDeployment } from './backup-file.ts';

/** A store that nobody uses, and that nobody can begin to use before it has been replaced or let go. */
export interface HeldStore {
  /** The highest epoch that the deployment had in it; 0 where it cannot be read. */
  readonly epoch: number;
  /**
   * Puts a file of the same directory in its place, whole or not at all. What was there is kept beside it.
   *
   * @returns where the replaced store is kept; undefined when there was none
   */
  replaceWith(draft: string, nowMs: number): Promise<string | undefined>;
  release(): void;
}

/** A process has the store open. */
export class StoreInUse extends Error {
  override readonly name = 'StoreInUse';

  constructor(file: string, options?: ErrorOptions) {
    super(`${file} is in use: stop every server and command that has it open, then try again`, options);
  }
}

/** The database cannot be read at all, so it cannot be told whether somebody uses it. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged';
}

/**
 * Takes hold of a store that is to be replaced.
 *
 * @param isDamagedFine the operator has said that a store which cannot be read is to be replaced, and that no server runs
 * @throws {StoreInUse}
 * @throws {StoreDamaged}
 */
export function holdStore(path: string, isDamagedFine: boolean): HeldStore {
  const file = resolve(path);
  let held: Held = { database: undefined, epoch: 0 };
  if (existsSync(file)) {
    try {
      held = hold(file);
    } catch (error) {
      if (!(error instanceof StoreDamaged) || !isDamagedFine) throw error;
    }
  }
  const release = (): void => {
    held.database?.close();
    held = { ...held, database: undefined };
  };
  return {
    epoch: held.epoch,
    release,
    replaceWith: async (draft, nowMs) => {
      const aside = await keepAside(file, nowMs);
      await rename(draft, file);
      await syncDirectory(dirname(file));
      release();
      return aside;
    },
  };
}

/** A copy of a file that can become the store: in its directory, and readable by us alone. */
export async function draftOf(source: string, path: string): Promise<string> {
  const file = resolve(path);
  const draft = join(dirname(file), `.${basename(file)}.restoring`);
  await removeDraft(draft);
  await (await open(draft, 'wx', 0o600)).close();
  await copyFile(source, draft);
  return draft;
}

/** Folds a database that was just closed into one file, and makes it durable. */
export async function settleDraft(draft: string): Promise<void> {
  const database = new DatabaseSync(draft);
  try {
    database.exec('PRAGMA journal_mode = DELETE');
  } finally {
    database.close();
  }
  const handle = await open(draft, 'r+');
  await handle.sync();
  await handle.close();
}

export async function removeDraft(draft: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(`${draft}${suffix}`, { force: true });
}

interface Held {
  readonly database: DatabaseSync | undefined;
  readonly epoch: number;
}

function hold(file: string): Held {
  // A second is enough for somebody who only looked.
  const database = new DatabaseSync(file, { timeout: 1_000 });
  try {
    // Only a connection that is alone can leave the write-ahead log; what is in it goes into the file.
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    // Between the two somebody may have opened it, and gone back to the log.
    const mode = database.prepare('PRAGMA journal_mode').get()?.['journal_mode'];
    if (mode !== 'delete') throw new StoreInUse(file);
    return { database, epoch: readDeployment(database).epoch };
  } catch (error) {
    database.close();
    if (error instanceof StoreInUse) throw error;
    const { errcode } = error as { errcode?: number };
    const code = (errcode ?? 0) & 0xff;
    if (code === SQLITE_BUSY || code === SQLITE_LOCKED) {
      throw new StoreInUse(file, { cause: error });
    }
    throw new StoreDamaged(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** The name stays taken until another file has it, so that no server finds an empty place and begins anew. */
async function keepAside(file: string, nowMs: number): Promise<string | undefined> {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-');
  const aside = `${file}.replaced-${stamp}`;
  const hasStore = existsSync(file);
  if (hasStore) await keepAlso(file, aside);
  // Left by a store that could not be read: beside another database they would be taken for its own.
  for (const suffix of ['-wal', '-shm', '-journal']) {
    if (existsSync(`${file}${suffix}`)) await rename(`${file}${suffix}`, `${aside}${suffix}`);
  }
  return hasStore ? aside : undefined;
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

/** Where there are no hard links it is copied: it is held, so that nothing changes in it. */
async function keepAlso(file: string, aside: string): Promise<void> {
  try {
    await link(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    await copyFile(file, aside, constants.COPYFILE_EXCL);
    await chmod(aside, 0o600);
  }
}
