import { createReadStream } from 'node:fs';

const CHUNK_BYTES = 256 * 1024;

/** No row and no checkpoint comes near it; a file that has such a line is something else. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024;

export interface Lines {
  readonly lines: readonly string[];
  /** The file ends in the middle of the last line: it has no line end. */
  readonly isCut: boolean;
}

/**
 * Reads a text file of any size, a few hundred lines at a time.
 *
 * @throws {Error} when the file cannot be read, or has a line of more than 16 Mi characters
 */
export async function* readLines(file: string): AsyncGenerator<Lines> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_LENGTH) throw new Error(`${file} has a line that is too long to be ours`);
    if (lines.length > 0) yield { lines, isCut: false };
  }
  if (rest !== '') yield { lines: [rest], isCut: true };
}
