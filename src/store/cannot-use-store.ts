import { resolve } from 'node:path';
import { CannotUse, cannotUseFile } from '../cannot-use.ts';
import type { StoreLocation } from '../config/index.ts';
import { describeUri } from './mongo/describe-uri.ts';

const SETTING = 'COUNTERSIGN_STORE';

/**
 * Why a store cannot be opened, for whoever runs the server.
 *
 * @returns the error itself where it is nothing that stands in the way of opening it: then it is ours
 */
export function cannotUseStore(error: unknown, location: StoreLocation): unknown {
  if (!(error instanceof Error) || error instanceof CannotUse) return error;
  return location.kind === 'sqlite'
    ? (cannotUseFile(error) ?? cannotUseSqlite(error, location.path))
    : cannotUseMongo(error, location.uri.reveal());
}

/** By the primary result codes of SQLite (https://sqlite.org/rescode.html). */
const SQLITE_PROBLEMS: Readonly<Record<number, readonly [what: string, mend: string]>> = {
  5: ['another program keeps it locked', 'end that program'],
  6: ['another program keeps it locked', 'end that program'],
  8: ['it cannot be written to', 'give it and its directory to the user that runs this'],
  10: ['its disk has failed to read or write it', 'see to the disk'],
  11: ['it is damaged', 'put a backup in its place (`countersign restore`)'],
  13: ['there is no room left on its disk', 'make room'],
  14: ['it cannot be opened', 'see that it is a file, which the user that runs this may read and write'],
  23: ['the user that runs this may not use it', 'give it to that user'],
  26: ['it is no SQLite database', 'name another file, or put a backup in its place (`countersign restore`)'],
};

function cannotUseSqlite(error: Error & { readonly errcode?: unknown }, path: string): unknown {
  const problem = typeof error.errcode === 'number' ? SQLITE_PROBLEMS[error.errcode & 0xff] : undefined;
  return problem ? new CannotUse(`${resolve(path)} (${SETTING})`, ...problem, { cause: error }) : error;
}

/** Of an error of MongoDB's driver, what is looked at here. */
interface DriverError extends Error {
  readonly code?: unknown;
  readonly reason?: {
    readonly setName?: string | null;
    readonly type?: string;
    readonly servers?: ReadonlyMap<string, { readonly type?: string; readonly error?: Error | null }>;
  };
}

/** By the codes of the database, for its whole answer to the first thing that it is asked. */
const MONGODB_PROBLEMS: Readonly<Record<number, readonly [what: string, mend: string]>> = {
  13: ['its user may not read or write this database', 'give the user the role readWrite on it'],
  18: [
    'it does not accept the user name and password',
    'see to them, and to the option authSource of the URI',
  ],
  8000: [
    'it does not accept the user name and password',
    'see to them, and to the option authSource of the URI',
  ],
};

function cannotUseMongo(error: DriverError, uri: string): unknown {
  const where = `MongoDB at ${describeUri(uri)} (${SETTING})`;
  const known = typeof error.code === 'number' ? MONGODB_PROBLEMS[error.code] : undefined;
  if (known) return new CannotUse(where, ...known, { cause: error });
  if (/ParseError|APIError|InvalidArgumentError|MissingCredentialsError/.test(error.name)) {
    // Its words may have a part of the URI in them, and that of a password; only names of options are told.
    const [options] = /^options? [\w, ]+ (?:is|are) not supported$/.exec(error.message) ?? [];
    const what = `the connection string is not one that the driver takes${options ? ` (${options})` : ''}`;
    return new CannotUse(where, what, 'see to its options and to what is escaped in it', { cause: error });
  }
  if (!/ServerSelectionError|NetworkError|NetworkTimeoutError/.test(error.name)) return error;
  const { servers, setName } = error.reason ?? {};
  if (setName && servers?.size === 0) {
    return new CannotUse(
      where,
      `nothing that answers there is a member of the replica set ${setName}`,
      'name the set that `rs.status().set` says in the option replicaSet; a standalone has to be made a replica set (rs.initiate())',
      { cause: error },
    );
  }
  const failed = [...(servers?.entries() ?? [])].flatMap(([address, { error: why }]) =>
    why ? [`${address}: ${whyUnreachable(why)}`] : [],
  );
  if (failed.length > 0) {
    const what = `it cannot be reached (${failed.join('; ')})`;
    return new CannotUse(where, what, 'see that it runs and that its addresses are right', { cause: error });
  }
  return new CannotUse(
    where,
    'its replica set has no primary',
    'see that a majority of its members runs (`rs.status()`)',
    { cause: error },
  );
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no way leads there',
  ENETUNREACH: 'no way leads there',
};

function whyUnreachable(error: Error): string {
  const cause: unknown = error.cause ?? error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return UNREACHABLE[code] ?? (code || error.name);
}
