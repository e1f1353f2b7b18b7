/** Programs that come from PyPI, pinned, each in a virtual environment of its own under `node_modules/.cache`. */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const CACHE = join(import.meta.dirname, '../../node_modules/.cache/countersign');

/** How SQLite says that somebody else has it. */
const SQLITE_BUSY = 5;

/**
 * Installs what a file of requirements names, unless it is there. Test files run at the same time, so one installs and the others wait
 * for it.
 *
 * @param name of the folder
 * @returns the virtual environment
 * @throws with what pip complained of
 */
export async function installPythonPackages(name: string, requirements: string): Promise<string> {
  const directory = join(CACHE, name);
  const installed = join(directory, 'installed');
  const wanted = hash('sha256', await readFile(requirements));
  const isInstalled = async (): Promise<boolean> =>
    existsSync(installed) && (await readFile(installed, 'utf8')) === wanted;
  try {
    await withLock(join(CACHE, `${name}.lock.sqlite`), async () => {
      if (await isInstalled()) return;
      await rm(directory, { recursive: true, force: true });
      await run('python3', ['-m', 'venv', directory]);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
      await run(join(directory, 'bin/python'), pip);
      await writeFile(installed, wanted);
    });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`${name} cannot be installed with python3 and pip: ${stderr?.trim() || message}`);
  }
  return directory;
}

/** Runs alone among processes. The lock is the operating system's, on a file that stays: it ends with its holder, however that ends. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    while (!tryLock(lock)) await delay(100);
    await work();
  } finally {
    lock.close();
  }
}

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
