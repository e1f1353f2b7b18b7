import { parseArgs } from 'node:util';
import { readStore } from './store-uri.ts';
import { findWork, WORKS, type Work } from './works.ts';

const AT_MOST = 64;
const ALONE = 1;

export interface Arguments {
  readonly tasks: readonly Task[];
  /** Another checkout to compare with, as it was given; bare oidc-provider where absent. */
  readonly against?: string | undefined;
  /** The MongoDB that Countersign runs on, as it was given; SQLite where absent. */
  readonly store?: string | undefined;
  /** What a whole run would measure, and this one does not because of its store. */
  readonly leftOut: readonly LeftOut[];
  readonly isQuick: boolean;
  /** Whether everything is measured, also what is not a work. */
  readonly isWhole: boolean;
  readonly rounds: number;
  readonly liveTokens: number;
  readonly share: number;
  readonly jsonFile?: string | undefined;
  readonly profileDirectory?: string | undefined;
}

/** A work, and the numbers of connections at which it is measured. */
export interface Task {
  readonly work: Work;
  readonly connections: readonly number[];
}

export interface LeftOut {
  readonly what: string;
  readonly reason: string;
}

export const HELP = `Compares Countersign, durable and audited, with bare oidc-provider that keeps everything in memory, or with another checkout of itself.

  npm run bench                                  everything: about a quarter of an hour
  npm run bench -- --quick                       under a minute, and less sure
  npm run bench -- --only W3,W5 --rounds 8       two works, more closely
  npm run bench -- --connections 1,16            other than 64: hardly a bar holds there
  npm run bench -- --json bench.json             also for machines
  npm run bench -- --only W1 --profile profiles  and where the time of a request goes, by thread

  npm run bench -- --against ../before           this checkout and another, in turn: about ten minutes
  npm run bench -- --against ../before --only W1,W3 --rounds 16 --json against.json
  npm run bench -- --against ../before --quick   under two minutes, and less sure

  npm run bench -- --store mongodb               Countersign on MongoDB, one that is started as for the tests
  npm run bench -- --store 'mongodb://127.0.0.1:27017/?replicaSet=rs0' --only W1,W3

Another checkout is made with: git worktree add --detach ../before COMMIT && cd ../before && npm ci

Options
  --only NAMES         some of the works, separated by commas:
${WORKS.map(({ name, isOurs, title }) => `                         ${(isOurs ? `${name} *` : name).padEnd(20)}${title}`).join('\n')}
  --against DIR        another checkout of this project, installed; it is built, and each side runs its own server with its
                       own dependencies. Works with a * are measured so alone, W1 and W3 at 1 connection too
  --store URI          the MongoDB that Countersign keeps its records in, each server in a database of its own that is dropped
                       afterwards: mongodb://HOST:PORT/?replicaSet=NAME, or 'mongodb' to have one started. No bars hold there
  --connections COUNTS keep-alive connections, each with one request under way (64,16,1; --quick, --against,
                       --store: 64)
  --rounds COUNT       measured rounds of each server, in turn (6; --against: 8; --quick: 2)
  --tokens COUNT       live tokens that introspection chooses from (100000; --quick, --store: 10000)
  --quick              smaller rounds, fewer of them, and nothing that takes long
  --json FILE          writes {machine, rows, checks} there; --against: {machine, sides, rows, skipped}, each round too;
                       --store: the name of the database too
  --profile DIRECTORY  writes CPU profiles there, by work and server, and prints where the time of a request goes, by thread;
                       profiled figures are slower
  --help               this text

Ends with 0 when every bar is met, with 1 when one is missed, with 2 when something went wrong. With --against no figure is a
failure: what is more than a tenth worse is marked. With --store none is either; a work that breaks off is named, and
the others go on.
`;

/**
 * Reads the command line.
 *
 * @returns undefined when help was asked for
 * @throws {TypeError} for anything that is not permitted, with what is
 */
export function readArguments(argv: readonly string[]): Arguments | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      against: { type: 'string' },
      store: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      tokens: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { against, quick } = values;
  const store = values.store === undefined ? undefined : readStore(values.store);
  const kind = { isQuick: quick, isAgainst: against !== undefined, isOnMongo: store !== undefined };
  if (against === '') throw new TypeError("--against: ''; permitted: the directory of another checkout");
  const connections = values.connections
    ?.split(',')
    .map(count => readCount('--connections', count, AT_MOST, 1_000));
  return {
    tasks: readWorks(values.only, kind).map(work => ({
      work,
      connections: connections ?? defaultConnections(work, kind),
    })),
    against,
    store,
    leftOut: store !== undefined && values.only === undefined ? ofSqliteAlone(kind) : [],
    isQuick: quick,
    isWhole: values.only === undefined && !quick && against === undefined && store === undefined,
    rounds: readCount('--rounds', values.rounds, defaultRounds(kind), 100),
    liveTokens: readCount(
      '--tokens',
      values.tokens,
      quick || store !== undefined ? 10_000 : 100_000,
      10_000_000,
    ),
    share: quick ? 0.25 : 1,
    jsonFile: values.json,
    profileDirectory: values.profile,
  };
}

interface Kind {
  readonly isQuick: boolean;
  readonly isAgainst: boolean;
  readonly isOnMongo: boolean;
}

function readWorks(only: string | undefined, kind: Kind): readonly Work[] {
  const named = only?.split(',').map(findWork);
  const ours = kind.isAgainst ? undefined : named?.find(({ isOurs }) => isOurs);
  if (ours) throw new TypeError(`--only: oidc-provider does not know '${ours.name}'; give --against too`);
  const works = named ?? WORKS.filter(work => isUsual(work, kind));
  // They were set by what SQLite reaches.
  return kind.isOnMongo
    ? works.map(({ bar, barAlone, onMongo, ...work }) => ({ ...work, ...onMongo }))
    : works;
}

/** Whether it is measured where none is named. */
function isUsual({ isLong, isOurs }: Work, { isQuick, isAgainst, isOnMongo }: Kind): boolean {
  if (isAgainst) return !isLong;
  return !isOurs && !(isLong && (isQuick || isOnMongo));
}

/** What a run on MongoDB leaves out of what the same run measures on SQLite, unless it is named. */
function ofSqliteAlone(kind: Kind): readonly LeftOut[] {
  const onSqlite = { ...kind, isOnMongo: false };
  const works = WORKS.filter(work => isUsual(work, onSqlite) && !isUsual(work, kind));
  const others = kind.isQuick || kind.isAgainst ? [] : ['start and idle memory', 'a slow disk'];
  return [
    ...works.map(({ name }) => ({
      what: name,
      reason: 'it holds how a file of SQLite grows; --only measures it',
    })),
    ...others.map(what => ({ what, reason: 'measured on SQLite alone' })),
  ];
}

function defaultConnections(
  { requestsAlone }: Work,
  { isQuick, isAgainst, isOnMongo }: Kind,
): readonly number[] {
  if (isQuick) return [AT_MOST];
  if (isAgainst) return requestsAlone ? [AT_MOST, ALONE] : [AT_MOST];
  return isOnMongo ? [AT_MOST] : [AT_MOST, 16, ALONE];
}

function defaultRounds({ isQuick, isAgainst }: Kind): number {
  if (isQuick) return 2;
  return isAgainst ? 8 : 6;
}

function readCount(option: string, sent: string | undefined, otherwise: number, most: number): number {
  if (sent === undefined) return otherwise;
  const count = /^[1-9]\d{0,8}$/.test(sent) ? Number(sent) : Number.NaN;
  if (!(count <= most))
    throw new TypeError(`${option}: '${sent}'; permitted: a whole number from 1 to ${most}`);
  return count;
}
