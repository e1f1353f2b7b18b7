import { closeSync, constants, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { EXIT, Failure } from './failure.ts';

interface SecretsFile {
  keep(entry: object): void;
  /** Resolves nothing: when it returns, what was kept is on the disk. */
  close(): void;
}

const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;

/**
 * Opens a file for secrets, one JSON object a line, behind what it has: what is done after an interruption goes to the same file.
 *
 * @throws {Failure} when others can read it, or it is no plain file
 */
export function openSecretsFile(path: string): SecretsFile {
  let file: number;
  try {
    file = openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Failure(
      EXIT.usage,
      `The file for the secrets cannot be opened (${code}). Nothing was changed.`,
      {
        file: path,
        permitted: 'a plain file, no link',
      },
    );
  }
  const stat = fstatSync(file);
  if (!stat.isFile() || (stat.mode & 0o077) !== 0 || stat.uid !== process.getuid?.()) {
    closeSync(file);
    throw new Failure(EXIT.usage, 'Others can read the file for the secrets. Nothing was changed.', {
      file: path,
      permitted: 'a new file, or a plain one of yours with mode 0600',
    });
  }
  return {
    keep: entry => void writeSync(file, `${JSON.stringify(entry)}\n`),
    close: () => {
      fsyncSync(file);
      closeSync(file);
    },
  };
}
