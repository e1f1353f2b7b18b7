import pc from 'picocolors';
import { ProblemError, TokenError } from '../client/index.ts';
import { ConfigError } from '../config/index.ts';
import { visibleText } from '../text/index.ts';
import { EXIT, type ExitCode, Failure } from './failure.ts';

/**
 * Says on standard error what went wrong: as JSON for programs that read JSON, in words otherwise.
 *
 * @returns the exit code
 */
export function reportFailure(error: unknown, output?: string): ExitCode {
  const { exitCode, message, facts } = asFailure(error);
  if (output === 'json') {
    process.stderr.write(`${JSON.stringify({ error: { message, ...facts, exitCode } })}\n`);
    return exitCode;
  }
  const lines = Object.entries(facts).flatMap(([name, value]) => {
    const [first, ...more] = [value ?? []].flat();
    if (first === undefined) return [];
    return [`  ${name.padEnd(10)} ${first}`, ...more.map(each => `${' '.repeat(13)}${each}`)];
  });
  const text = [message, ...lines].map(visibleLines).join('\n');
  process.stderr.write(`${pc.red('error:')} ${text}\n`);
  return exitCode;
}

/** Any error as one with an exit code. */
function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ProblemError) return fromProblem(error);
  if (error instanceof TokenError) return fromTokenError(error);
  if (error instanceof ConfigError) return new Failure(EXIT.usage, error.message);
  if (error instanceof Error) return fromSystem(error) ?? new Failure(EXIT.failed, error.message);
  return new Failure(EXIT.failed, String(error));
}

function fromProblem({ status, code, type, title, ...problem }: ProblemError): Failure {
  return new Failure(exitCodeOf(status), sentence(title), {
    detail: moreOf(problem),
    problem: code,
    parameter: problem.parameter,
    sent: problem.sent,
    permitted: problem.permitted.length > 0 ? problem.permitted : undefined,
    reference: problem.ref,
    why: problem.ref && `countersign errors ${problem.ref}`,
    see: type === 'about:blank' ? undefined : type,
  });
}

/** What a problem says in words besides what stands below it anyway. */
function moreOf({
  detail,
  parameter,
  sent,
  permitted,
}: Pick<ProblemError, 'detail' | 'parameter' | 'sent' | 'permitted'>): string | undefined {
  const told = [
    parameter !== undefined && `At fault: ${parameter}`,
    sent !== undefined && `sent: ${sent}`,
    permitted.length > 0 && `permitted: ${permitted.join(' | ')}`,
  ]
    .filter(part => part !== false)
    .join('; ');
  return (detail?.startsWith(told) ? detail.slice(told.length).replace(/^; /, '') : detail) || undefined;
}

function fromTokenError({ status, error, description, ref }: TokenError): Failure {
  const isBusy = status === 429 || status >= 500;
  return new Failure(
    isBusy ? EXIT.unreachable : EXIT.notPermitted,
    `No token for the admin API was given: ${error}`,
    { detail: description, reference: ref, why: ref && `countersign errors ${ref}` },
  );
}

/** What `fetch` throws says nothing; its cause has the code. */
function fromSystem(error: Error & { readonly url?: string }): Failure | undefined {
  const { url } = error;
  if (error.name === 'TimeoutError')
    return new Failure(EXIT.unreachable, 'The server did not answer in time.', { url });
  const cause: unknown = error instanceof TypeError ? error.cause : undefined;
  if (!(cause instanceof Error)) return undefined;
  const code = 'code' in cause ? String(cause.code) : '';
  return new Failure(EXIT.unreachable, 'The server cannot be reached.', {
    url,
    cause: cause.message || code,
    mend: CONNECTION_HINTS[code] ?? 'countersign doctor',
  });
}

const CONNECTION_HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the server running, and is this its address?',
  ENOTFOUND: 'no such host: is the URL of the profile right? (countersign profiles list)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'name the authority of its certificate in NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'name the authority of its certificate in NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'name the authority of its certificate in NODE_EXTRA_CA_CERTS',
  CERT_HAS_EXPIRED: 'the certificate of the server has expired: renew it',
};

function exitCodeOf(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.notPermitted;
  if (status === 404) return EXIT.notFound;
  return status === 429 || status >= 500 ? EXIT.unreachable : EXIT.failed;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Words of others on a terminal: nothing in them moves the cursor. */
function visibleLines(text: string): string {
  return text.split('\n').map(visibleText).join('\n');
}
