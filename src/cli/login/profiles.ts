import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { closedObject, parseUniqueJson } from '../../input/index.ts';
import { EXIT, Failure } from '../failure.ts';

/** A name that is typed, and stands in files. */
const profileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);

const profile = closedObject({ url: z.string(), clientId: z.string(), clientSecret: z.string() });
const profiles = closedObject({
  /** The one that is meant when none is named. */
  current: profileName.optional(),
  profiles: z.record(profileName, profile),
});

/** A server, and the administrator's client there. */
export type Profile = z.output<typeof profile>;

/** A server to call, and as whom. */
export interface FoundServer extends Profile {
  /** Where this was said, in words. */
  readonly source: string;
}
export type Profiles = z.output<typeof profiles>;

/** Where they are: in the user's configuration directory (XDG Base Directory Specification). */
export function profilesFile(env: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CONFIG_HOME: home } = env;
  // The specification has relative paths ignored.
  const base = home?.startsWith('/') ? home : join(homedir(), '.config');
  return join(base, 'countersign', 'profiles.json');
}

/**
 * Reads the profiles.
 *
 * @throws {Failure} when others can read or write the file, since there are secrets in it, or when it is malformed
 */
export function readProfiles(path: string): Profiles {
  if (!existsSync(path)) return { profiles: {} };
  const file = openSync(path, 'r');
  let text: string;
  try {
    const { mode, uid } = fstatSync(file);
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    if ((mode & 0o077) !== 0 || (process.getuid && uid !== process.getuid())) {
      throw new Failure(
        EXIT.usage,
        'The profiles are not used: the file may have been read or changed by others.',
        {
          file: path,
          mode: shown,
          permitted: '0600, and yours',
          mend: `chmod 600 ${path}, and a new secret for each client in it if others could read them`,
        },
      );
    }
    text = readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
  const read = profiles.safeParse(parseJson(text));
  if (read.success) return read.data;
  throw new Failure(EXIT.usage, 'The profiles are malformed.', {
    file: path,
    mend: 'countersign login, after moving the file away',
  });
}

/** Writes them all, so that a reader finds the old file or the new one, and nobody else reads either. */
export function writeProfiles(path: string, next: Profiles): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    writeFileSync(draft, `${JSON.stringify(next, undefined, 2)}\n`, { flag: 'wx', mode: 0o600, flush: true });
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Whether it can be the name of a profile. */
export function isProfileName(text: string): boolean {
  return profileName.safeParse(text).success;
}

function parseJson(text: string): unknown {
  try {
    return parseUniqueJson(text);
  } catch {
    return undefined;
  }
}
