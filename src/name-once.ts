import { existsSync, linkSync, mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { CannotUse } from './cannot-use.ts';

/** What is said where there are no hard links (FAT, many network and container file systems), or this user may make none. */
const WITHOUT_LINKS: readonly string[] = [
  'EPERM',
  'EACCES',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EMLINK',
  'EXDEV',
];

/**
 * Gives a draft its name, if nothing has that yet. Of several who do so at once one is first; nobody sees a part of the file, and
 * nothing is overwritten. The draft is gone afterwards.
 *
 * @throws with `code: 'EEXIST'` where something has the name
 * @throws {CannotUse} where another process is doing so at this moment, and there are no hard links to agree by
 */
export function nameOnce(draft: string, name: string): void {
  try {
    linkSync(draft, name);
  } catch (error) {
    if (!WITHOUT_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    nameAlone(draft, name);
    return;
  }
  unlinkSync(draft);
}

/** A directory is made by one alone on every file system; a file is moved whole, but over what is there. */
function nameAlone(draft: string, name: string): void {
  const turn = `${name}.naming`;
  try {
    mkdirSync(turn);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new CannotUse(
      turn,
      'another process is making the file, or was ended while it did',
      'start again; if no other one runs, remove this directory before',
      { cause },
    );
  }
  try {
    if (existsSync(name)) throw Object.assign(new Error(`${name} is there already`), { code: 'EEXIST' });
    renameSync(draft, name);
  } finally {
    rmdirSync(turn);
  }
}
