import { parseArgs } from 'node:util';
import { findWork, WORKS, type Work } from './works.ts';

export interface Arguments {
  readonly works: readonly Work[];
  readonly connections: readonly number[];
  readonly isQuick: boolean;
  /** Whether everything is measured, also what is not a work. */
  readonly isWhole: boolean;
  readonly rounds: number;
  readonly liveTokens: number;
  readonly share: number;
  readonly jsonFile?: string | undefined;
  readonly profileDirectory?: string | undefined;
}

export const HELP = `Compares Countersign, durable and audited, with bare oidc-provider that keeps everything in memory.

  npm run bench                                  everything: about a quarter of an hour
  npm run bench -- --quick                       under a minute, and less sure
  npm run bench -- --only W3,W5 --rounds 8       two works, more closely
  npm run bench -- --connections 1,16            other than 64: no bars hold there
  npm run bench -- --json bench.json             also for machines
  npm run bench -- --only W1 --profile profiles  a CPU profile of each thread of the servers

Options
  --only NAMES         some of the works, separated by commas:
${WORKS.map(work => `                         ${work.name.padEnd(20)}${work.title}`).join('\n')}
  --connections COUNTS keep-alive connections, each with one request under way (64,16,1; --quick: 64)
  --rounds COUNT       measured rounds of each server, in turn (4; --quick: 2)
  --tokens COUNT       live tokens that introspection chooses from (100000; --quick: 10000)
  --quick              smaller rounds, fewer of them, and nothing that takes long
  --json FILE          writes {machine, rows} there
  --profile DIRECTORY  writes CPU profiles there, by work and server; profiled figures are slower
  --help               this text

Ends with 0 when every bar is met, with 1 when one is missed, with 2 when something went wrong.
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
  return {
    works: values.only?.split(',').map(findWork) ?? WORKS.filter(({ isLong }) => !(values.quick && isLong)),
    connections: (values.connections ?? (values.quick ? '64' : '64,16,1'))
      .split(',')
      .map(count => readCount('--connections', count, 64, 1_000)),
    isQuick: values.quick,
    isWhole: values.only === undefined && !values.quick,
    rounds: readCount('--rounds', values.rounds, values.quick ? 2 : 4, 100),
    liveTokens: readCount('--tokens', values.tokens, values.quick ? 10_000 : 100_000, 10_000_000),
    share: values.quick ? 0.25 : 1,
    jsonFile: values.json,
    profileDirectory: values.profile,
  };
}

function readCount(option: string, sent: string | undefined, otherwise: number, most: number): number {
  if (sent === undefined) return otherwise;
  const count = /^[1-9]\d{0,8}$/.test(sent) ? Number(sent) : Number.NaN;
  if (!(count <= most))
    throw new TypeError(`${option}: '${sent}'; permitted: a whole number from 1 to ${most}`);
  return count;
}
