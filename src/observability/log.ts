import { isatty } from 'node:tty';
import { type DestinationStream, destination, type Logger, pino, stdSerializers } from 'pino';
import { withoutSecrets } from '../text/index.ts';
import { readableLine } from './readable-line.ts';

/** Lines that wait for a reader, at most: a log collector that hangs must not take the server's memory. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Names under which a secret would be logged, if somebody logged one. */
const SECRET_NAMES = [
  'authorization',
  'cookie',
  'dpop',
  'password',
  'secret',
  'client_secret',
  'clientSecret',
  'client_assertion',
  'assertion',
  'token',
  'access_token',
  'refresh_token',
  'subject_token',
  'actor_token',
  'code',
];

/**
 * The log: one JSON line each on standard output, for the operator of today; on a terminal, lines for people. What happened and why is
 * in the trail.
 *
 * Lines are written in the background, so that nothing waits for whoever reads them. At the end of the process, also by an
 * exception that nobody caught, what has not been written yet is; a SIGKILL loses the lines of the last moment.
 *
 * No secret gets into a line (I11): members with the name of one are taken out, of an error only its message, stack and causes
 * are kept, and what looks like a secret is taken out of those.
 *
 * @param stream where lines go in tests
 */
export function createLog(level: string, stream?: DestinationStream): Logger {
  return pino(
    {
      level,
      redact: {
        paths: SECRET_NAMES.flatMap(name => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[withheld]',
      },
      serializers: { err: showError },
    },
    stream ?? (isatty(1) ? terminal : destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES })),
  );
}

const terminal: DestinationStream = {
  write: line => void process.stdout.write(readableLine(line)),
};

/** Other members of an error may be anything: drivers put whole documents there. */
function showError(error: unknown): unknown {
  if (!(error instanceof Error)) return withoutSecrets(String(error));
  const { type, message, stack } = stdSerializers.err(error);
  return { type, message: withoutSecrets(message), stack: withoutSecrets(stack) };
}
