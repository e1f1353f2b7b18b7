import { chmodSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { ConfigError } from '../config/index.ts';

/**
 * Sees to it that nobody else reads or writes what the server has made for itself. What others could only read is closed to them,
 * and that is told: they may know it already. What others can write may be theirs, so that it is not read at all.
 *
 * @param files those of them that are there are looked at
 * @param uid   of whoever runs the server; undefined where the system has none, and nothing is looked at
 * @throws {ConfigError} naming each file that others can write, or that belongs to somebody else than the server's user and root
 */
export function closePrivateFiles(
  files: readonly string[],
  log: Pick<Logger, 'warn'>,
  uid: number | undefined = process.getuid?.(),
): void {
  if (uid === undefined) return;
  const problems: string[] = [];
  const open: { readonly file: string; readonly mode: string }[] = [];
  for (const file of files) {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) continue;
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    if (stat.uid !== uid && stat.uid !== 0) {
      problems.push(
        `${file}: it belongs to another user (${stat.uid}; this is ${uid}); permitted: a file of your own: look at what is in it, then chown it`,
      );
    } else if ((stat.mode & 0o022) !== 0) {
      problems.push(
        `${file}: others can write it (mode ${mode}), so what is in it may be theirs; permitted: a file that only you can write: look at what is in it, then chmod 600`,
      );
    } else if ((stat.mode & 0o077) !== 0) open.push({ file, mode });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  for (const { file, mode } of open) {
    try {
      chmodSync(file, 0o600);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? ` (${error.code})` : '';
      problems.push(
        `${file}: others can read it (mode ${mode}), and that cannot be changed${code}; permitted: mode 0600`,
      );
      continue;
    }
    log.warn(
      { file: resolve(file), mode },
      'others could read this file; now only you can: if somebody may have, replace what is in it',
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
