/**
 * Something around the program stands in its way: a file, an address, a database. The message is one sentence for whoever runs it,
 * without a stack and never with a secret in it: where, what, and what to do.
 */
export class CannotUse extends Error {
  override readonly name = 'CannotUse';
  /** What the system called it, where it did. */
  readonly code: string | undefined;
  readonly where: string;
  readonly what: string;
  readonly mend: string;

  /**
   * @param where the file, or the address, and the setting that names it
   * @param what  what is wrong with it
   * @param mend  what to do
   */
  constructor(where: string, what: string, mend: string, options?: ErrorOptions) {
    super(`${where}: ${what}; ${mend}`, options);
    this.code = codeOf(options?.cause);
    this.where = where;
    this.what = what;
    this.mend = mend;
  }
}

/** One that has come from another thread, where it has lost what it is; any other error as it is. */
export function fromThread(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'CannotUse') return error;
  const { where, what, mend } = error as CannotUse;
  return new CannotUse(where, what, mend, { cause: error });
}

/**
 * What the system says of a file, as a sentence.
 *
 * @param error what was thrown; one that names no file of its own is not the system's word on a file
 * @returns undefined where it is something else
 */
export function cannotUseFile(error: unknown): CannotUse | undefined {
  const code = codeOf(error);
  if (!(error instanceof Error) || code === undefined || !('syscall' in error && 'path' in error))
    return undefined;
  const [what, mend] = FILE_PROBLEMS[code] ?? [
    `it cannot be used (${code} at ${String(error.syscall)})`,
    'see to the file and to the disk that it is on',
  ];
  return new CannotUse(String(error.path), what, mend, { cause: error });
}

const FILE_PROBLEMS: Readonly<Record<string, readonly [what: string, mend: string]>> = {
  EACCES: [
    `the user that runs this (${process.getuid?.() ?? 'unknown'}) may not use it`,
    'give it to that user, or name another place in the settings',
  ],
  EPERM: [
    `the user that runs this (${process.getuid?.() ?? 'unknown'}) may not change it`,
    'give it to that user, or name another place in the settings',
  ],
  EROFS: ['it is on a file system that cannot be written to', 'name another place in the settings'],
  EISDIR: ['it is a directory, and a file is needed', 'name a file in the settings'],
  ENOTDIR: ['a part of its path is a file, and a directory is needed', 'name another place in the settings'],
  EEXIST: ['it is a file, and a directory is needed', 'name another place in the settings'],
  ENOENT: ['it is not there', 'make it, or name another place in the settings'],
  ELOOP: ['its links lead nowhere', 'put the file itself there'],
  ENAMETOOLONG: ['its name is too long', 'name another place in the settings'],
  ENOSPC: ['there is no room left on its disk', 'make room'],
  EDQUOT: ['there is no room left for this user', 'make room'],
  EMFILE: ['too many files are open', 'allow the process more (ulimit -n)'],
  EIO: ['its disk has failed to read or write it', 'see to the disk'],
};

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
